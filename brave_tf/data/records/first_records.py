"""The first records of shards, for a look at what they hold before a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import tensorflow as tf

from brave_tf.data.records.reader import compression_of, has_fields


def read(paths: Sequence[str], number: int) -> list[tf.Tensor]:
    """Returns up to `number` records of the first shard that has any that can be read."""
    for path in paths:
        if found := list(_records(path).take(number)):
            return found
    return []


def has_all(record: tf.Tensor, fields: Collection[str]) -> bool:
    """Whether a record is one, and has all the fields."""
    try:
        return bool(has_fields(record, fields))
    except tf.errors.InvalidArgumentError:
        return False


def survey(
    paths: Sequence[str], number: int, fields: Mapping[str, Collection[str]]
) -> set[frozenset[str]]:
    """Returns what single records have, of about `number` from the starts of all shards.

    Args:
      paths: of the shards.
      number: of records.
      fields: what is looked for -> record fields, of which a record that has it holds one.

    Returns:
      The sets of keys of `fields` that there are.
    """
    each = -(-number // max(1, len(paths)))
    records = (record for path in paths[:number] for record in _records(path).take(each))
    return {
        frozenset(key for key, any_of in fields.items() if any(has_all(r, [f]) for f in any_of))
        for r in records
    }


def _records(path: str) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(path, compression_of(path)).ignore_errors(log_warning=True)

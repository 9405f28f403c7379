"""What a folder of clip records holds: splits, shards, counts, labels and settings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from brave_tf import modality_registry as modalities
from brave_tf.data.records import dataset_json, first_records, shard_names
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.modalities import Held
from brave_tf.data.records.reader import has_fields, parse_clip, unstated_rates
from brave_tf.data.records.splits import Shard, Split, joined, parts_of
from brave_tf.errors import UserError
from brave_tf.storage import files

# Records that are looked at for what clips have together, where the counts do not tell.
_SURVEYED_RECORDS = 1000


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """A folder of clip records, written by `brave_tf_prepare` or by DMVR.

    Attributes:
      data_dir: the folder.
      splits: by name.
      labels: label texts in the order of their index, from labels.txt; empty where there is none.
      settings: how the records were made, from dataset.json; empty where there is none.
    """

    data_dir: str
    splits: Mapping[str, Split]
    labels: tuple[str, ...] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def load(cls, data_dir: str | os.PathLike[str]) -> DatasetInfo:
        """Reads dataset.json and labels.txt, or finds the shards of other writers.

        Raises:
          UserError: there is no such folder, no shard in it, or its dataset.json is damaged; a file of it
            is a pipe.
        """
        data_dir = os.fspath(data_dir)
        if not tf.io.gfile.isdir(data_dir):
            glob = os.path.join(data_dir, shard_names.PATTERN)
            raise UserError(
                f"{data_dir}: no such folder (looked for {glob}). Make them with: {_command(data_dir)}"
            )
        description = os.path.join(data_dir, "dataset.json")
        files.check_ends(description)
        described = tf.io.gfile.exists(description)
        splits, settings = dataset_json.read(description) if described else (_found(data_dir), {})
        for path in (path for split in splits.values() for path in split.paths):
            files.check_ends(path)
        if not described and _hold_flac(splits):
            settings = {"audio": "flac"}
        if not any(split.shards for split in splits.values()):
            glob = os.path.join(data_dir, shard_names.PATTERN)
            raise UserError(f"{glob}: no such files. Make them with: {_command(data_dir)}")
        labels = os.path.join(data_dir, "labels.txt")
        files.check_ends(labels)
        texts = dataset_json.read_lines(labels) if tf.io.gfile.exists(labels) else ()
        return cls(data_dir, splits, tuple(texts), settings)

    @property
    def frame_rate(self) -> float:
        """Frames per second of the records; see `unstated_rates` where nothing says so."""
        return float(self.settings.get("fps") or unstated_rates()[0])

    @property
    def sample_rate(self) -> float:
        """Sample rate of the records' sound, Hz; see `unstated_rates` where nothing says so."""
        return float(self.settings.get("sample_rate") or unstated_rates()[1])

    def split(self, name: str) -> Split:
        """Returns the split `name`; 'a+b' has the shards of a, then those of b, and '*' those of all.

        Raises:
          UserError: there is no such split.
        """
        parts = [self.splits[part] for part in parts_of(name, self.splits, self.data_dir)]
        return parts[0] if len(parts) == 1 else joined(name, parts)

    def stored_fields(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """Returns the record fields that hold the `wanted` ones here, where sound may be kept as FLAC."""
        if self.settings.get("audio") != "flac":
            return tuple(wanted)
        flac = {record_fields.AUDIO: record_fields.AUDIO_FLAC}
        return tuple(flac.get(field, field) for field in wanted)

    def check_files(self, split: Split) -> None:
        """Makes sure that the shards of a split are there; warns of those that have another size.

        Raises:
          UserError: shards are missing.
        """
        present = set(shard_names.names_in(self.data_dir))
        missing = [s.path for s in split.shards if os.path.basename(s.path) not in present]
        if missing:
            raise UserError(
                f"{len(missing)} of the {len(split.shards)} shards of split {split.name!r} are missing, the "
                f"first is {missing[0]}. Copy them again, or make them with: {_command(self.data_dir)}"
            )
        for shard in split.shards:
            found = tf.io.gfile.stat(shard.path).length if shard.bytes is not None else shard.bytes
            if found != shard.bytes:
                logging.warning(
                    "%s has %d bytes, dataset.json says %d: clips will be missing. Copy it again.",
                    shard.path,
                    found,
                    shard.bytes,
                )

    def held(self, split: str) -> Held:
        """Returns what the clips of a split have, by counts, or by the first records where these do not tell.

        Raises:
          UserError: no such split.
        """
        chosen = self.split(split)
        counts = chosen.with_modality
        names = modalities.names()
        certain = {m for m in names if m in counts and counts[m] == chosen.clips}
        unclear = {m for m in names if counts.get(m) != 0} - certain
        together = {frozenset(certain), frozenset(certain | unclear)}
        if len(unclear) > 1 or not unclear <= set(counts):
            fields = {m: modalities.find(m).fields for m in unclear}
            surveyed = first_records.survey(chosen.paths, _SURVEYED_RECORDS, fields)
            together = {frozenset(certain | held) for held in surveyed}
        return Held(frozenset(together), self._rate_of_sound(chosen))

    def _rate_of_sound(self, split: Split) -> float:
        records = [] if self.settings.get("sample_rate") else first_records.read(split.paths, 1)
        readable = [record for record in records if first_records.has_all(record, ())]
        return float(parse_clip(readable[0], ()).sample_rate) if readable else self.sample_rate


def _command(data_dir: str) -> str:
    return f"brave_tf_prepare --input=VIDEOS_OR_CSV --output={data_dir}"


def _found(data_dir: str) -> dict[str, Split]:
    """Lists shards without a description; what is before the shard number names the split."""
    by_split: dict[str, list[Shard]] = {}
    for path in shard_names.find_shards(data_dir):
        by_split.setdefault(shard_names.split_of(path), []).append(Shard(path))
    return {name: Split(name, tuple(shards)) for name, shards in by_split.items()}


def _hold_flac(splits: Mapping[str, Split]) -> bool:
    records = [record for split in splits.values() for record in first_records.read(split.paths, 1)]
    return any(has_fields(record, (record_fields.AUDIO_FLAC,)) for record in records)

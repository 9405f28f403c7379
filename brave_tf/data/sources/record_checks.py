"""Whether views can be made from a folder of clip records, found out before any long work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from brave_tf import modality_registry as modalities
from brave_tf.data.records import first_records
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.modalities import MissingModalityError
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.records.splits import Split
from brave_tf.data.views.base import View
from brave_tf.errors import UserError

_PEEKED_RECORDS = 16


def check(info: DatasetInfo, split: str, views: Mapping[str, View]) -> None:
    """Looks at the counts of a split, and makes each view from one of its first records.

    Raises:
      UserError: no such split, shards are missing, no clip has a modality that a view needs, sound has
        another rate than a view expects, or no view can be made from the first records.
    """
    chosen = info.split(split)
    info.check_files(chosen)
    for name, view in views.items():
        if chosen.with_modality.get(view.modality) == 0:
            raise _lacks(info, chosen, name, view)
    records = first_records.read(chosen.paths, _PEEKED_RECORDS)
    if not records:
        paths = ", ".join(chosen.paths[:3])
        raise UserError(f"no record can be read from {paths}: the files are empty or damaged.")
    for name, view in views.items():
        _try_view(info, chosen, name, view, records)


def _try_view(
    info: DatasetInfo, split: Split, name: str, view: View, records: Sequence[tf.Tensor]
) -> None:
    wanted = info.stored_fields(view.fields)
    usable = [record for record in records if first_records.has_all(record, wanted)]
    if not usable and view.modality not in split.with_modality:
        raise _lacks(info, split, name, view)
    for record in usable:
        try:
            clip = parse_clip(record, wanted)
            _check_sample_rate(info, name, view, float(clip.sample_rate))
            view.sample(clip, tf.constant(0.0, tf.float64), tf.zeros((2,), tf.int32))
            return
        except tf.errors.InvalidArgumentError as error:
            failure = error
    if usable:
        raise UserError(
            f"view {name!r} cannot be made from any of the first {len(usable)} clips of split "
            f"{split.name!r} in {info.data_dir}: {failure.message}"
        ) from failure


def _check_sample_rate(info: DatasetInfo, name: str, view: View, rate: float) -> None:
    expected = getattr(view, "sample_rate", None)
    if expected is not None and rate != expected:
        raise UserError(
            f"view {name!r} expects sound at {expected} Hz, but {info.data_dir} has {rate:g} Hz. "
            f"Bind LogMel.sample_rate = {rate:g}, or prepare the clips again at {expected} Hz."
        )


def _lacks(info: DatasetInfo, split: Split, name: str, view: View) -> MissingModalityError:
    remedy = modalities.find(view.modality).remedy(info.settings)
    text = (
        f"view {name!r} needs {view.modality}, which no clip of split {split.name!r} in "
        f"{info.data_dir} has. Take the view out of the recipe, or {remedy}."
    )
    return MissingModalityError(text, info.held(split.name))

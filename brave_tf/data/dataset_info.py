"""What a folder of clip records holds: splits, shards, counts, labels and settings."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from brave_tf.data import dataset_json, first_records, record_fields, shard_names
from brave_tf.data.modalities import MODALITIES, Held, MissingModalityError
from brave_tf.data.record_reader import has_fields, parse_clip, unstated_rates
from brave_tf.data.splits import Shard, Split, joined
from brave_tf.data.views.base import View
from brave_tf.errors import UserError, nearest

_PEEKED_RECORDS = 16
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
          UserError: there is no such folder, no shard in it, or its dataset.json is damaged.
        """
        data_dir = os.fspath(data_dir)
        if not tf.io.gfile.isdir(data_dir):
            glob = os.path.join(data_dir, shard_names.PATTERN)
            raise UserError(
                f"{data_dir}: no such folder (looked for {glob}). Make them with: {_command(data_dir)}"
            )
        description = os.path.join(data_dir, "dataset.json")
        if tf.io.gfile.exists(description):
            splits, settings = dataset_json.read(description)
        else:
            splits = _found(data_dir)
            settings = {"audio": "flac"} if _hold_flac(splits) else {}
        if not any(split.shards for split in splits.values()):
            glob = os.path.join(data_dir, shard_names.PATTERN)
            raise UserError(f"{glob}: no such files. Make them with: {_command(data_dir)}")
        labels = os.path.join(data_dir, "labels.txt")
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
        """Returns the split `name`; 'a+b' has the shards of a, then those of b.

        Raises:
          UserError: there is no such split.
        """
        parts = [self._named(part) for part in name.split("+")]
        return parts[0] if len(parts) == 1 else joined(name, parts)

    def _named(self, name: str) -> Split:
        if name not in self.splits:
            raise UserError(
                f"{self.data_dir} has no split {name!r}, it has: {', '.join(sorted(self.splits))}."
                f"{nearest(name, self.splits)}"
            )
        return self.splits[name]

    def stored_fields(self, view: View) -> tuple[str, ...]:
        """Returns the record fields that `view` is made from here, where sound may be kept as FLAC."""
        if self.settings.get("audio") != "flac":
            return view.fields
        flac = {record_fields.AUDIO: record_fields.AUDIO_FLAC}
        return tuple(flac.get(field, field) for field in view.fields)

    def check(self, split: str, views: Mapping[str, View]) -> None:
        """Makes sure that the views can be made from a split, before any long work starts.

        Looks at the counts, and makes each view from one of the first records.

        Raises:
          UserError: no such split, shards are missing, no clip has a modality that a view needs, sound
            has another rate than a view expects, or no view can be made from the first records.
        """
        chosen = self.split(split)
        _check_files(self.data_dir, chosen)
        for name, view in views.items():
            if chosen.with_modality.get(view.modality) == 0:
                raise self._lacks(chosen, name, view)
        records = first_records.read(_paths(chosen), _PEEKED_RECORDS)
        if not records:
            paths = ", ".join(shard.path for shard in chosen.shards[:3])
            raise UserError(f"no record can be read from {paths}: the files are empty or damaged.")
        for name, view in views.items():
            self._try_view(chosen, name, view, records)

    def _try_view(self, split: Split, name: str, view: View, records: Sequence[tf.Tensor]) -> None:
        wanted = self.stored_fields(view)
        usable = [record for record in records if first_records.has_all(record, wanted)]
        if not usable and view.modality not in split.with_modality:
            raise self._lacks(split, name, view)
        for record in usable:
            try:
                clip = parse_clip(record, wanted)
                self._check_sample_rate(name, view, float(clip.sample_rate))
                view.sample(clip, tf.constant(0.0, tf.float64), tf.zeros((2,), tf.int32))
                return
            except tf.errors.InvalidArgumentError as error:
                failure = error
        if usable:
            raise UserError(
                f"view {name!r} cannot be made from any of the first {len(usable)} clips of split "
                f"{split.name!r} in {self.data_dir}: {failure.message}"
            ) from failure

    def _check_sample_rate(self, name: str, view: View, rate: float) -> None:
        expected = getattr(view, "sample_rate", None)
        if expected is not None and rate != expected:
            raise UserError(
                f"view {name!r} expects sound at {expected} Hz, but {self.data_dir} has {rate:g} Hz. "
                f"Bind LogMel.sample_rate = {rate:g}, or prepare the clips again at {expected} Hz."
            )

    def held(self, split: str) -> Held:
        """Returns what the clips of a split have, by counts, or by the first records where these do not tell.

        Raises:
          UserError: no such split.
        """
        chosen = self.split(split)
        counts = chosen.with_modality
        certain = {m for m in MODALITIES if m in counts and counts[m] == chosen.clips}
        unclear = {m for m in MODALITIES if counts.get(m) != 0} - certain
        together = {frozenset(certain), frozenset(certain | unclear)}
        if len(unclear) > 1 or not unclear <= set(counts):
            fields = {m: record_fields.OF_MODALITY[m] for m in unclear}
            surveyed = first_records.survey(_paths(chosen), _SURVEYED_RECORDS, fields)
            together = {frozenset(certain | held) for held in surveyed}
        return Held(frozenset(together), self._rate_of_sound(chosen))

    def _rate_of_sound(self, split: Split) -> float:
        records = [] if self.settings.get("sample_rate") else first_records.read(_paths(split), 1)
        readable = [record for record in records if first_records.has_all(record, ())]
        return float(parse_clip(readable[0], ()).sample_rate) if readable else self.sample_rate

    def _lacks(self, split: Split, name: str, view: View) -> UserError:
        text = (
            f"view {name!r} needs {view.modality}, which no clip of split {split.name!r} in "
            f"{self.data_dir} has. Take the view out of the recipe{self._remedy(view.modality)}."
        )
        return MissingModalityError(text, self.held(split.name))

    def _remedy(self, modality: str) -> str:
        if modality == "audio" and self.settings.get("audio") in ("float", "flac"):
            return ", or prepare files that have sound: these, prepared with --audio=float or flac, have none"
        option = {"flow": " with --flow=tvl1", "audio": " with --audio=float"}.get(modality, "")
        return f", or prepare the clips again{option}"


def _command(data_dir: str) -> str:
    return f"brave_tf_prepare --input=VIDEOS_OR_CSV --output={data_dir}"


def _found(data_dir: str) -> dict[str, Split]:
    """Lists shards without a description; what is before the shard number names the split."""
    by_split: dict[str, list[Shard]] = {}
    for path in shard_names.find_shards(data_dir):
        by_split.setdefault(shard_names.split_of(path), []).append(Shard(path))
    return {name: Split(name, tuple(shards)) for name, shards in by_split.items()}


def _hold_flac(splits: Mapping[str, Split]) -> bool:
    records = [
        record for split in splits.values() for record in first_records.read(_paths(split), 1)
    ]
    return any(has_fields(record, (record_fields.AUDIO_FLAC,)) for record in records)


def _check_files(data_dir: str, split: Split) -> None:
    present = set(shard_names.names_in(data_dir))
    missing = [s.path for s in split.shards if os.path.basename(s.path) not in present]
    if missing:
        raise UserError(
            f"{len(missing)} of the {len(split.shards)} shards of split {split.name!r} are missing, "
            f"the first is {missing[0]}. Copy them again, or make them with: {_command(data_dir)}"
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


def _paths(split: Split) -> list[str]:
    return [shard.path for shard in split.shards]

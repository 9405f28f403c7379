"""What is known of a split, added up clip by clip in memory that hardly grows with their number."""

from __future__ import annotations

import array
import collections
import dataclasses
import hashlib
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from brave_tf import modality_registry as modalities
from brave_tf.data.clips.names import one_form
from brave_tf.data.records.modalities import Held
from brave_tf.inspection.clip_check import UNLABELLED, ClipFacts, content_digest
from brave_tf.inspection.shard_scan import read_record
from brave_tf.inspection.stored_clip import StoredClip

# What is kept of each clip, 53 bytes: where it is, digests that tell it from others, duration, label, and
# a bit for each modality.
# `content` is 0 where still frames or silence would make different clips look the same.
_COLUMNS = {
    "shard": "I",
    "position": "I",
    "offset": "Q",
    "name": "Q",
    "file": "Q",
    "content": "Q",
    "seconds": "f",
    "label": "q",
    "modalities": "I",
}
_COUNTS = ("bytes", "clips", "unlabelled", "heard", "silent", "seen", "still", "frames_decoded")


@dataclasses.dataclass
class SplitFacts:
    """Counts over the clips of a split.

    Attributes:
      shards: paths of the shards that were read.
      bytes: of them.
      clips: records that could be read.
      with_modality: how many of them have each modality.
      labels: clips by label index; a clip with several labels counts for each.
      texts: the text that records give for a label index, the first one met.
      unlabelled: clips without a label.
      frame_rates: clips by frames per second, of those with frames or flow.
      sample_rates: clips by Hz, of those with sound.
      frame_sizes: clips by (height, width).
      heard: clips whose sound was decoded.
      silent: those of them whose sound is silent.
      seen: clips whose picture was decoded.
      still: those of them whose picture does not move.
      frames_decoded: JPEGs that were decoded to see whether they can be.
      columns: one array per column of what is kept of each clip.
    """

    shards: list[str] = dataclasses.field(default_factory=list)
    bytes: int = 0
    clips: int = 0
    with_modality: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    labels: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    texts: dict[int, str] = dataclasses.field(default_factory=dict)
    unlabelled: int = 0
    frame_rates: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    sample_rates: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    frame_sizes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    heard: int = 0
    silent: int = 0
    seen: int = 0
    still: int = 0
    frames_decoded: int = 0
    columns: dict[str, array.array] = dataclasses.field(
        default_factory=lambda: {name: array.array(code) for name, code in _COLUMNS.items()}
    )

    def add(self, clip: StoredClip, facts: ClipFacts, position: int, offset: int) -> None:
        """Counts a clip of the shard that is last in `shards`."""
        self.clips += 1
        self.with_modality.update(clip.modalities)
        labels = [index for index in clip.labels if index >= 0]
        self.labels.update(set(labels))
        for index, text in zip(clip.labels, clip.texts):
            self.texts.setdefault(index, text)
        self.unlabelled += not labels
        if clip.num_frames:
            self.frame_rates[clip.frame_rate] += 1
        if clip.has_sound:
            self.sample_rates[clip.sample_rate] += 1
        if facts.frame_size:
            self.frame_sizes[facts.frame_size] += 1
        self.heard += facts.silent is not None
        self.silent += bool(facts.silent)
        self.seen += facts.still is not None
        self.still += bool(facts.still)
        self.frames_decoded += facts.frames_decoded
        telling = facts.still is False or (not clip.num_frames and facts.silent is False)
        row = {
            "shard": len(self.shards) - 1,
            "position": position,
            "offset": offset,
            "name": _digest(clip.path, str(clip.start), str(clip.end)) if clip.path else 0,
            "file": _digest(clip.path) if clip.path else 0,
            "content": int.from_bytes(content_digest(clip), "little") if telling else 0,
            "seconds": facts.seconds,
            "label": labels[0] if labels else UNLABELLED,
            "modalities": sum(1 << modalities.names().index(held) for held in clip.modalities),
        }
        for name, value in row.items():
            self.columns[name].append(value)

    def merge(self, other: SplitFacts) -> None:
        """Adds the shards of `other` after these."""
        before = len(self.shards)
        self.shards += other.shards
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in ("with_modality", "labels", "frame_rates", "sample_rates", "frame_sizes"):
            getattr(self, name).update(getattr(other, name))
        self.texts = {**other.texts, **self.texts}
        for name, values in other.columns.items():
            shifted = (value + before for value in values) if name == "shard" else values
            self.columns[name].extend(shifted)

    def column(self, name: str) -> np.ndarray:
        """Returns what is kept of each clip under `name`, in the order of the records."""
        values = self.columns[name]
        return (
            np.frombuffer(values, values.typecode) if len(values) else np.zeros(0, values.typecode)
        )

    def clip(self, row: int) -> tuple[StoredClip, str]:
        """Reads the clip of a row of the columns again; returns it, and where it is, to be shown."""
        path = self.shards[self.column("shard")[row]]
        position = int(self.column("position")[row])
        data = read_record(path, position, int(self.column("offset")[row]))
        clip = StoredClip.parse(data)
        return clip, place(path, position, clip.path)

    @property
    def seconds(self) -> float:
        """Total duration."""
        return float(self.column("seconds").sum(dtype=np.float64))

    def held(self) -> Held:
        """Returns what its clips have; the sample rate is that of most of them."""
        bits = np.unique(self.column("modalities")).tolist()
        together = (
            frozenset(m for number, m in enumerate(modalities.names()) if each >> number & 1)
            for each in bits
        )
        rates = self.sample_rates.most_common(1)
        return Held(frozenset(together), rates[0][0] if rates else None)

    def as_dict(self, names: Mapping[int, str]) -> dict[str, Any]:
        """Returns all but what is kept of single clips; `names` are the texts of the labels."""
        seconds = self.column("seconds")
        spread = np.quantile(seconds, [0, 0.5, 1]) if len(seconds) else np.zeros(3)
        sizes = {f"{height}x{width}": n for (height, width), n in self.frame_sizes.most_common()}
        return {
            "shards": len(self.shards),
            "bytes": self.bytes,
            "clips": self.clips,
            **{f"with_{modality}": self.with_modality[modality] for modality in modalities.names()},
            "seconds": round(self.seconds, 3),
            "durations": dict(zip(("min", "median", "max"), np.round(spread, 3).tolist())),
            "labels": {names[index]: self.labels[index] for index in sorted(self.labels)},
            "unlabelled": self.unlabelled,
            "frame_rates": {f"{rate:g}": n for rate, n in sorted(self.frame_rates.items())},
            "sample_rates": {f"{rate:g}": n for rate, n in sorted(self.sample_rates.items())},
            "frame_sizes": sizes,
            "silent": self.silent,
            "still": self.still,
            "frames_decoded": self.frames_decoded,
        }


def place(shard: str, position: int, path: str) -> str:
    """Returns how a record is named in reports: its shard, its position in it, and the file it is from."""
    return f"{os.path.basename(shard)} record {position}" + (f" ({path})" if path else "")


def _digest(*parts: str) -> int:
    text = one_form("\0".join(parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

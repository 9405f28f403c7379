"""The parts of a folder of clip records: splits, and the shards that they are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from brave_tf.data.public.official_splits import is_fold
from brave_tf.errors import UserError, did_you_mean

# In place of the name of a split: all that there are.
ALL = "*"


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file; its number of clips, bytes and sha256, None where nobody counted."""

    path: str
    clips: int | None = None
    bytes: int | None = None
    sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class Split:
    """The shards of one split.

    Attributes:
      name: of the split.
      shards: its files, in order.
      clips: number of records, None where nobody counted.
      with_modality: modality -> how many of them have it; without those that nobody counted.
      labels: clips by label text.
      seconds: total duration.
    """

    name: str
    shards: tuple[Shard, ...]
    clips: int | None = None
    with_modality: Mapping[str, int] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    @property
    def paths(self) -> list[str]:
        """The files of the shards, in order."""
        return [shard.path for shard in self.shards]

    def count_with(self, modalities: Collection[str]) -> int | None:
        """Returns how many clips have all `modalities`, None when the counts do not tell."""
        if self.clips is None or not set(modalities) <= set(self.with_modality):
            return None
        counts = {self.with_modality[modality] for modality in modalities}
        partial = [
            self.with_modality[m] for m in set(modalities) if self.with_modality[m] < self.clips
        ]
        return None if len(partial) > 1 else min(counts, default=self.clips)


def parts_of(split: str, names: Iterable[str], location: str) -> list[str]:
    """Returns the names of the splits that a text stands for.

    Args:
      split: a name; 'a+b' for two, '*' for all that there are.
      names: of the splits that there are.
      location: where they are, for messages.

    Raises:
      UserError: there is no such split; or '*' is asked for, and a split has that name.
    """
    names = list(names)
    if split == ALL and ALL not in names:
        return names
    if split == ALL:
        raise UserError(
            f"{location} has a split that is called {ALL!r}, which stands for all of them: rename its files."
        )
    for part in split.split("+"):
        if part not in names:
            raise UserError(
                f"{location} has no split {part!r}, it has: {', '.join(sorted(names))}."
                f"{did_you_mean(part, names)}{about_folds(names)}"
            )
    return split.split("+")


def about_folds(names: Iterable[str]) -> str:
    """Returns " Folds are ..." on what to bind and to run where there are folds, or an empty string."""
    if not any(map(is_fold, names)):
        return ""
    return (
        f" Its clips are in folds: bind train.split = {ALL!r} to train on all of them; the tasks folds/... "
        "of brave_tf_eval test each."
    )


def joined(name: str, parts: Sequence[Split]) -> Split:
    """Returns one split with the shards of several, one after the other."""
    counted = all(part.clips is not None for part in parts)
    modalities = set.intersection(*(set(part.with_modality) for part in parts))
    texts = {text for part in parts for text in part.labels}
    return Split(
        name=name,
        shards=tuple(shard for part in parts for shard in part.shards),
        clips=sum(part.clips for part in parts) if counted else None,
        with_modality={m: sum(part.with_modality[m] for part in parts) for m in modalities},
        labels={text: sum(part.labels.get(text, 0) for part in parts) for text in sorted(texts)},
        seconds=sum(part.seconds for part in parts),
    )

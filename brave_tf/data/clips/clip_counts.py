"""A list of clips in numbers, to be looked at before they are prepared."""

from __future__ import annotations

import collections
from collections.abc import Iterator, Sequence

from brave_tf.data.clips.clip import ListedClip
from brave_tf.data.clips.names import look_alikes
from brave_tf.data.public.official_splits import is_fold

_NAMED_MISSING = 20
_NAMED_CLASSES = 5


def lines(clips: Sequence[ListedClip]) -> Iterator[str]:
    """Yields lines of text: clips by split and label, and the first of the missing files."""
    for split in sorted({clip.split for clip in clips}):
        yield from _split_lines(split, [clip for clip in clips if clip.split == split])
    missing = list(dict.fromkeys(clip.path for clip in clips if clip.size is None))
    for path in missing[:_NAMED_MISSING]:
        yield f"missing: {path}"
    if len(missing) > _NAMED_MISSING:
        yield f"missing: {len(missing) - _NAMED_MISSING} more files"


def missing(clips: Sequence[ListedClip]) -> Iterator[str]:
    """Yields a line of text for each split that lacks files: how many clips, of how many."""
    count = collections.Counter(clip.split for clip in clips)
    lacking = collections.Counter(clip.split for clip in clips if clip.size is None)
    for split in sorted(lacking):
        yield f"{split}: {lacking[split]} of {count[split]} clips are of missing files"


def suspicions(clips: Sequence[ListedClip]) -> Iterator[str]:
    """Yields lines about labels and splits whose names may mean the same, and classes in one fold alone."""
    names = {
        "labels": {label for clip in clips for label in clip.labels},
        "splits": {clip.split for clip in clips},
    }
    for kind, each in names.items():
        for group in look_alikes(each):
            yield (
                f"{kind} that differ in capitals or spacing alone: {', '.join(map(repr, group))}"
            )
    if alone := _in_one_fold(clips):
        named = ", ".join(map(repr, alone[:_NAMED_CLASSES]))
        more = f" and {len(alone) - _NAMED_CLASSES} more" if len(alone) > _NAMED_CLASSES else ""
        yield (
            f"labels whose clips are all in one fold: {named}{more}; tasks over folds refuse them, for they "
            "could not have been learned from the others"
        )


def _in_one_fold(clips):
    """Returns the labels whose clips are all in one of several folds."""
    folds = collections.defaultdict(set)
    for clip in clips:
        for label in clip.labels if is_fold(clip.split) else ():
            folds[label].add(clip.split)
    several = len(set().union(*folds.values())) > 1
    return sorted(label for label, found in folds.items() if len(found) == 1) if several else []


def _split_lines(split, clips):
    count = collections.Counter(label for clip in clips for label in clip.labels or ("",))
    absent = [clip for clip in clips if clip.size is None]
    lacking = collections.Counter(label for clip in absent for label in clip.labels or ("",))
    labels = len(count) - ("" in count)
    yield f"{split}: {_with_missing(len(clips), len(absent), ' clips')}, {labels} labels"
    names = {label: label or "(none)" for label in sorted(count)}
    width = max(map(len, names.values()))
    for label, name in names.items():
        yield f"  {name:{width}} {_with_missing(count[label], lacking[label])}"


def _with_missing(count, missing, unit=""):
    return f"{count}{unit}{f' ({missing} of missing files)' if missing else ''}"

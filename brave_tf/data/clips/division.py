"""Divides clips that come without splits: a part for tests, or folds that are held out in turn."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
import warnings
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from brave_tf.data.clips.clip import DEFAULT_SPLIT, ListedClip, rank
from brave_tf.data.clips.names import one_form
from brave_tf.data.public.official_splits import fold_name
from brave_tf.errors import ArgumentError


def divide(
    clips: list[ListedClip], test_fraction: float = 0.0, folds: int = 0, seed: int = 0
) -> list[ListedClip]:
    """Returns the clips divided as `move_to_test` or `into_folds` does, or as they are.

    Args:
      clips: From `read_clips`.
      test_fraction: See `move_to_test`; 0 for no split for tests.
      folds: See `into_folds`; 0 for no folds.
      seed: Another one divides in another way.

    Raises:
      UserError: Both are asked for, or what is asked for cannot be done.
    """
    if folds and test_fraction:
        raise ArgumentError(
            "folds",
            folds,
            f"a share of {test_fraction:g} for tests is asked for too, but each fold is tested in its turn. "
            "Leave one of the two out.",
        )
    return into_folds(clips, folds, seed) if folds else move_to_test(clips, test_fraction, seed)


def move_to_test(clips: list[ListedClip], fraction: float, seed: int) -> list[ListedClip]:
    """Returns the clips with a share of the files of each class moved from the split train to test.

    All clips of a file move together, and so do all files of a group, which then counts for one file. The
    choice depends on the names of the files, the groups and the seed alone.

    Args:
      clips: From `read_clips`.
      fraction: Share of the files of a class, at least one when the class has two; 0 moves nothing.
      seed: Another one chooses other files.

    Raises:
      UserError: Not a share, or there is a split test already.
    """
    if not 0 <= fraction < 1:
        raise ArgumentError("test_fraction", fraction, "expected a share in [0, 1).")
    if not fraction:
        return clips
    if any(clip.split == "test" for clip in clips):
        raise ArgumentError(
            "test_fraction", fraction, "the input has a split 'test' already. Leave the flag out."
        )
    places = [place for place, clip in enumerate(clips) if clip.split == DEFAULT_SPLIT]
    groups = together([clips[place] for place in places])
    names = collections.defaultdict(list)
    for place, group in zip(places, groups):
        clip = clips[place]
        names[group].append((one_form(clip.path), clip.labels[:1]))
    # A file may be named in several ways, and be of several classes; it goes by the first of each.
    classes = collections.defaultdict(dict)
    for group, uses in names.items():
        path, label = min(uses)
        classes[label][group] = (rank(seed, path), path)
    chosen = set()
    for members in classes.values():
        count = math.floor(fraction * len(members) + 0.5)
        count = min(max(count, 1), len(members) - 1)
        chosen.update(sorted(members, key=members.get)[:count])
    moved = {place for place, group in zip(places, groups) if group in chosen}
    return [
        dataclasses.replace(clip, split="test") if place in moved else clip
        for place, clip in enumerate(clips)
    ]


def into_folds(clips: list[ListedClip], count: int, seed: int) -> list[ListedClip]:
    """Returns the clips with the splits `fold1`, `fold2`, ..., for each to be tested once.

    Each fold has its share of every class (of the first label of each clip; clips without one are a class
    of their own), as far as clips that stay together allow, see `together`. The choice depends on the clips
    and the seed alone. (`sklearn.model_selection.StratifiedGroupKFold`.)

    Args:
      clips: From `read_clips`.
      count: How many folds, 2 or more.
      seed: Another one makes other folds.

    Raises:
      UserError: No number of folds; the clips have several splits already; or there are too few of them.
    """
    if not isinstance(count, int) or count < 2:
        raise ArgumentError("folds", count, "expected 2 or more, or 0 for none.")
    splits = sorted({clip.split for clip in clips})
    if len(splits) > 1:
        raise ArgumentError(
            "folds",
            count,
            f"the input has the splits {', '.join(splits)} already. Ask for no folds, or list the clips "
            "without their splits.",
        )
    order = sorted(range(len(clips)), key=lambda place: _name(clips[place]))
    ordered = [clips[place] for place in order]
    groups = together(ordered)
    labels = [clip.labels[:1] for clip in ordered]
    _check_enough(count, groups, labels)
    folds = _stratified(count, groups, labels, seed)
    divided = list(clips)
    for place, clip, fold in zip(order, ordered, folds):
        divided[place] = dataclasses.replace(clip, split=fold_name(fold))
    return divided


def together(clips: Sequence[ListedClip]) -> list[int]:
    """Returns a number for each clip, which those share that must not be divided.

    These are the clips of one file, whatever names and links it has, and those of one group, see
    `ListedClip`; also those that others connect, such as the groups of two clips of one file. Numbers are in
    the order of the clips.
    """
    keys: dict[tuple[str, str], int] = {}
    ends = []
    for place, clip in enumerate(clips):
        file = one_form(os.path.realpath(clip.file))
        for kind, name in (("file", file), ("group", clip.group)):
            if name:
                ends.append((place, len(clips) + keys.setdefault((kind, name), len(keys))))
    size = len(clips) + len(keys)
    rows, columns = np.array(ends, int).reshape(-1, 2).T
    graph = sparse.coo_matrix((np.ones(len(ends)), (rows, columns)), (size, size))
    _, found = csgraph.connected_components(graph, directed=False)
    numbers: dict[int, int] = {}
    return [numbers.setdefault(int(each), len(numbers)) for each in found[: len(clips)]]


def _name(clip):
    return one_form(clip.path), clip.start, math.inf if clip.end is None else clip.end, clip.labels


def _check_enough(count, groups, labels):
    found = len(set(groups))
    if found < count:
        raise ArgumentError(
            "folds",
            count,
            f"the clips are of {found} files or groups that stay together, one fold each at most. Ask for "
            "fewer folds.",
        )
    largest = max(collections.Counter(labels).values())
    if largest < count:
        raise ArgumentError(
            "folds",
            count,
            f"no class has more than {largest} clips, one in each fold at most. Ask for fewer folds.",
        )


def _stratified(count, groups, labels, seed):
    """Returns the fold of each clip, from 1."""
    # It takes a second to import, for what is asked for now and then.
    from sklearn.model_selection import StratifiedGroupKFold

    numbers = {label: number for number, label in enumerate(sorted(set(labels)))}
    classes = [numbers[label] for label in labels]
    state = int.from_bytes(rank(seed)[:4], "big")
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=state)
    folds = np.zeros(len(labels), int)
    with warnings.catch_warnings():
        # Of classes that have fewer clips than there are folds: they are spread as far as they go.
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, held_out) in enumerate(splitter.split(classes, classes, groups), start=1):
            folds[held_out] = fold
    return folds.tolist()

"""Takes from TensorBoard's event files what a resumed run will write again."""

from __future__ import annotations

import os
import pathlib
import secrets
from collections.abc import Collection, Iterator
from typing import Callable

import tensorflow as tf

_FILES = "events.out.tfevents.*"


def drop_after(folder: pathlib.Path, step: int) -> None:
    """Removes the events of later steps, and what a killed process had written of an event.

    A run that resumes from a checkpoint repeats the steps since. Charts would run back, and readers that
    know nothing of restarts would find steps twice.

    Args:
      folder: its event files, and those of its sub-folders, are rewritten where they need it. No other
        process may write to them.
      step: the last one that is left.
    """
    for path in sorted(folder.rglob(_FILES)):
        _rewrite(path, lambda event: event.step <= step)


def drop_values(folder: pathlib.Path, step: int, tags: Collection[str]) -> None:
    """Removes what the files in a folder have of tags at a step; as `tf.summary` writes, one in an event."""
    if tags:
        for path in sorted(folder.glob(_FILES)):
            _rewrite(
                path,
                lambda e: e.step != step or all(value.tag not in tags for value in e.summary.value),
            )


def _rewrite(path: pathlib.Path, keep: Callable[[tf.compat.v1.Event], bool]) -> None:
    """Leaves only the events that are whole and to be kept."""
    events, torn = _read(path)
    kept = [event for event in events if keep(tf.compat.v1.Event.FromString(event))]
    if not torn and len(kept) == len(events):
        return
    # No reader takes it for an event file while it is written.
    aside = path.with_name(f"aside.{secrets.token_hex(8)}")
    with tf.io.TFRecordWriter(str(aside)) as writer:
        for event in kept:
            writer.write(event)
    os.replace(aside, path)


def read_events(folder: pathlib.Path) -> Iterator[tf.compat.v1.Event]:
    """Yields the events of the files in a folder, file after file, whole ones only."""
    for path in sorted(folder.glob(_FILES)):
        for event in _read(path)[0]:
            yield tf.compat.v1.Event.FromString(event)


def _read(path: pathlib.Path) -> tuple[list[bytes], bool]:
    """Returns the events of a file, and whether something that is none comes after them."""
    events = []
    try:
        for event in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            events.append(event)
    except tf.errors.DataLossError:
        return events, True
    return events, False

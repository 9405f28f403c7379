"""Embeds a user's clips with an exported model, and keeps the features in an .npz file."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import math
import pathlib
from collections.abc import Iterator, Mapping
from concurrent import futures
from typing import Callable, NamedTuple

import numpy as np
import tensorflow as tf

from brave_tf.data.records.reader import has_fields, parse_clip
from brave_tf.data.sources.record_stream import CORES
from brave_tf.data.views.base import View
from brave_tf.errors import ArgumentError
from brave_tf.finite_features import check_finite
from brave_tf.interop.saved_model import Embed
from brave_tf.interop.user_clips import UserClip, UserClips
from brave_tf.process.progress import Progress
from brave_tf.storage import csv_files, files

# Windows of clips that are made ahead of the model are held in memory.
_AHEAD_BYTES = 2**30
# Names of files need not be text.
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}


@dataclasses.dataclass
class Report:
    """What became of the clips.

    Attributes:
      clips: how many were seen.
      rows: view name -> rows of features.
      failures: path, start, end, stage and reason of each clip that gave no features at all; an end that
        nobody knows is None.
      interrupted: whether clips are left, because the user stopped.
    """

    clips: int
    rows: Mapping[str, int]
    failures: list[tuple[str, float, float | None, str, str]]
    interrupted: bool = False


class _Windows(NamedTuple):
    """Windows (n, *shape) of one view of a clip, and their times in seconds from the clip's start.

    Attributes:
      values: (n, *shape) float32.
      starts: (n,) float64.
      ends: (n,) float64; those that go on from the clip's start end with the clip.
      length: () float64, of the clip.
    """

    values: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    length: tf.Tensor


def embed_clips(
    source: UserClips,
    embeds: Mapping[str, Embed],
    output: str,
    *,
    temporal: int = 1,
    spatial: int = 1,
    average: bool = True,
    batch_size: int = 8,
    model: str = "the model",
) -> Report:
    """Embeds every clip and writes `output`, and `<output>.failures.csv` if there are failures.

    The file holds, for each view that any clip has, `<view>/features` float32 (N, D),
    `<view>/paths` (N,), `<view>/labels` (N,), empty where unlabelled, `<view>/starts` and
    `<view>/ends` float64 (N,), seconds in the file. A row is the mean over the windows of a clip, with
    start and end of the clip, or one window, with its own. Clips keep their order; those without a
    view's modality have no row there. Ctrl-C keeps the clips that are done.

    Args:
      source: the clips.
      embeds: view name -> function from (B, *window) to (B, D), for every view of `source`.
      output: file to write; appears whole or not at all.
      temporal: windows per clip, evenly spaced; one begins with the clip.
      spatial: crops per window of rgb and flow; one is the centre.
      average: one row per clip rather than one per window.
      batch_size: windows per forward pass.
      model: what the functions are of, for messages.

    Raises:
      NotWrittenError: `output` cannot be written any more at the end.
      UserError: `output` cannot be written, or a feature is NaN or infinite.
    """
    _check_output(output)
    rows = {name: _Rows(embeds[name], batch_size, average, (model, name)) for name in source.views}
    makers = {
        name: _windows_of(view, tuple(source.fields[name]), temporal, spatial)
        for name, view in source.views.items()
    }
    report = Report(0, {}, [])
    made = _made_ahead(source, makers, temporal * spatial)
    try:
        with Progress(source.count, "embedding") as progress:
            for clip, windows in made:
                report.clips += 1
                if isinstance(windows, dict):
                    for name, found in windows.items():
                        rows[name].add(clip, found)
                else:
                    report.failures.append((clip.path, clip.start, clip.end, *windows))
                progress.add(failed=int(not isinstance(windows, dict)))
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        made.close()
    arrays = {}
    for name, view_rows in rows.items():
        arrays.update({f"{name}/{key}": array for key, array in view_rows.finish().items()})
        report.rows = {**report.rows, name: view_rows.count}
    _write(output, arrays, report.failures)
    return report


def _check_output(output: str) -> None:
    path = pathlib.Path(output)
    if path.suffix != ".npz" or path.is_dir():
        raise ArgumentError("output", output, "name a .npz file.")
    files.check_writable(path.parent, "output")


def _windows_of(
    view: View, fields: tuple[str, ...], temporal: int, spatial: int
) -> Callable[[tf.Tensor], _Windows | None]:
    """Returns a function from a clip record to the windows of a view, None if it lacks the modality."""

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    def usable(record: tf.Tensor) -> tf.Tensor:
        return has_fields(record, fields)

    @tf.function(input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
    def windows(record: tf.Tensor) -> _Windows:
        clip = parse_clip(record, fields)
        crops = view.crops(clip, temporal, spatial)
        starts, seconds, length = view.crop_times(clip, temporal)
        starts = tf.repeat(starts, crops.shape[0] // temporal)
        return _Windows(crops, starts, tf.minimum(starts + seconds, length), length)

    return lambda record: windows(record) if usable(record) else None


def _made_ahead(
    source: UserClips, makers: Mapping[str, Callable], crops: int
) -> Iterator[tuple[UserClip, dict[str, _Windows] | tuple[str, str]]]:
    """Yields each clip with its windows by view, or with the stage and the reason of its failure.

    The windows of the next clips are made in threads meanwhile.
    """
    size = sum(4 * crops * math.prod(view.shape) for view in source.views.values())
    ahead = min(CORES, max(1, _AHEAD_BYTES // size))
    waiting: collections.deque = collections.deque()
    with contextlib.closing(source.clips) as clips, futures.ThreadPoolExecutor(ahead) as threads:
        for clip in clips:
            waiting.append((clip, threads.submit(_make, clip, makers)))
            if len(waiting) > ahead:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()


def _make(clip: UserClip, makers: Mapping[str, Callable]) -> dict[str, _Windows] | tuple[str, str]:
    if clip.stage:
        return clip.stage, clip.reason
    try:
        found = {name: make(tf.constant(clip.record)) for name, make in makers.items()}
    except tf.errors.OpError as error:
        return "decode", error.message
    found = {name: windows for name, windows in found.items() if windows is not None}
    return found or ("decode", f"has nothing for {', '.join(makers)}")


class _Rows:
    """Gathers the features of one view; `names` are those of the model and the view."""

    def __init__(self, embed: Embed, batch_size: int, average: bool, names: tuple[str, str]):
        self._embed, self._batch_size, self._average = embed, batch_size, average
        self._names = names
        self._waiting: list[tf.Tensor] = []
        self._counts: list[int] = []
        self._paths: list[str] = []
        self._features: list[np.ndarray] = []
        self._columns: dict[str, list] = {"paths": [], "labels": [], "starts": [], "ends": []}

    @property
    def count(self) -> int:
        return len(self._columns["paths"])

    def add(self, clip: UserClip, windows: _Windows) -> None:
        """Takes the windows of the next clip."""
        starts, ends = windows.starts.numpy(), windows.ends.numpy()
        count = len(starts)
        if self._average:
            length = float(windows.length) if clip.end is None else clip.end - clip.start
            starts, ends = np.zeros(1), np.array([length])
        self._columns["paths"] += [clip.path] * len(starts)
        self._columns["labels"] += [clip.label] * len(starts)
        self._columns["starts"] += (clip.start + starts).tolist()
        self._columns["ends"] += (clip.start + ends).tolist()
        self._waiting.append(windows.values)
        self._paths += [clip.path] * count
        self._counts.append(count)
        if sum(map(len, self._waiting)) >= self._batch_size:
            self._flush()

    def finish(self) -> dict[str, np.ndarray]:
        """Returns the columns by name; nothing when there is no row."""
        self._flush()
        if not self.count:
            return {}
        features = np.concatenate(self._features)
        if self._average:
            first = np.cumsum([0, *self._counts[:-1]])
            sums = np.add.reduceat(features, first, axis=0, dtype=np.float64)
            features = (sums / np.array(self._counts)[:, None]).astype(np.float32)
        texts = {key: np.array(self._columns[key], str) for key in ("paths", "labels")}
        times = {key: np.array(self._columns[key], np.float64) for key in ("starts", "ends")}
        return {"features": features, **texts, **times}

    def _flush(self) -> None:
        if self._waiting:
            windows = tf.concat(self._waiting, axis=0)
            for first in range(0, len(windows), self._batch_size):
                batch = slice(first, first + self._batch_size)
                features = self._embed(windows[batch]).numpy()
                check_finite(features, self._paths[batch], *self._names)
                self._features.append(features)
        self._waiting, self._paths = [], []


def _write(output: str, arrays: Mapping[str, np.ndarray], failures: list) -> None:
    try:
        if arrays:
            files.write_arrays(output, arrays)
        listed = failures_file(output)
        if not failures:
            listed.unlink(missing_ok=True)
            return
        csv_files.write(listed, ("path", "start", "end", "stage", "reason"), failures)
    except OSError as error:
        raise files.NotWrittenError(f"{output} cannot be written: {error}.") from error


def failures_file(output: str) -> pathlib.Path:
    """Where the failures of an embedding are listed."""
    return pathlib.Path(output).with_suffix(".failures.csv")

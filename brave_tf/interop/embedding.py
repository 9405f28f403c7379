"""Embeds a user's clips with an exported model, and keeps the features in an .npz file."""

from __future__ import annotations

import collections
import contextlib
import csv
import dataclasses
import math
import pathlib
from collections.abc import Iterator, Mapping
from concurrent import futures
from typing import Callable, NamedTuple

import numpy as np
import tensorflow as tf

from brave_tf import files
from brave_tf.data import sampling
from brave_tf.data.record_reader import Clip, has_fields, parse_clip
from brave_tf.data.record_stream import CORES
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.finite_features import check_finite
from brave_tf.interop.saved_model import Embed
from brave_tf.interop.user_clips import UserClip, UserClips
from brave_tf.progress import Progress

# Windows of clips that are made ahead of the model are held in memory.
_AHEAD_BYTES = 2**30


@dataclasses.dataclass
class Report:
    """What became of the clips.

    Attributes:
      clips: how many were seen.
      rows: view name -> rows of features.
      failures: path, stage and reason of each clip that gave no features at all.
      interrupted: whether clips are left, because the user stopped.
    """

    clips: int
    rows: Mapping[str, int]
    failures: list[tuple[str, str, str]]
    interrupted: bool = False


class _Windows(NamedTuple):
    """Windows (n, *shape) of one view of a clip, and their starts (n,) in seconds."""

    values: tf.Tensor
    starts: tf.Tensor


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
    `<view>/paths` (N,), `<view>/labels` (N,), empty where unlabelled, and `<view>/starts` float64
    (N,), seconds from the start of the clip. A row is the mean over the windows of a clip, with the
    start of the first, or one window. Clips keep their order; those without a view's modality have
    no row there. Ctrl-C keeps the clips that are done.

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
                    report.failures.append((clip.path, *windows))
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
        raise UserError(f"--output={output}: name a .npz file.")
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
        starts = _starts(view, clip, temporal)
        return _Windows(crops, tf.repeat(starts, crops.shape[0] // temporal))

    return lambda record: windows(record) if usable(record) else None


def _starts(view: View, clip: Clip, count: int) -> tf.Tensor:
    """Seconds at which the windows of `view.crops` start, (count,) float64."""
    if view.modality == "audio":
        length, rate = tf.size(clip.audio), tf.constant(view.sample_rate, tf.float64)
        window = tf.constant(view.num_samples)
    else:
        length, rate = clip.num_frames, clip.frame_rate
        window = sampling.window_length(view.num_frames, view.frame_step, view.frame_rate, rate)
    first = sampling.linear_starts(sampling.extended_length(length, window), window, count)
    return tf.cast(first % length, tf.float64) / rate


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
        self._columns: dict[str, list] = {"paths": [], "labels": [], "starts": []}

    @property
    def count(self) -> int:
        return len(self._columns["paths"])

    def add(self, clip: UserClip, windows: _Windows) -> None:
        """Takes the windows of the next clip."""
        starts = windows.starts.numpy()
        rows = starts[:1] if self._average else starts
        self._columns["paths"] += [clip.path] * len(rows)
        self._columns["labels"] += [clip.label] * len(rows)
        self._columns["starts"] += rows.tolist()
        self._waiting.append(windows.values)
        self._paths += [clip.path] * len(starts)
        self._counts.append(len(starts))
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
        starts = np.array(self._columns["starts"], np.float64)
        texts = {key: np.array(self._columns[key], str) for key in ("paths", "labels")}
        return {"features": features, **texts, "starts": starts}

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
            with files.replacing(output) as aside, open(aside, "wb") as file:
                np.savez(file, **arrays)
        listed = failures_file(output)
        if not failures:
            listed.unlink(missing_ok=True)
            return
        with open(listed, "w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(["path", "stage", "reason"])
            rows.writerows(failures)
    except OSError as error:
        raise UserError(f"--output={output} cannot be written: {error}.") from error


def failures_file(output: str) -> pathlib.Path:
    """Where the failures of an embedding are listed."""
    return pathlib.Path(output).with_suffix(".failures.csv")

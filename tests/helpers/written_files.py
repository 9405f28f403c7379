"""The files that an earlier version wrote (tests/compatibility/written), and how their numbers are read."""

from __future__ import annotations

import os
import pathlib
import shutil
import tarfile
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

COMPATIBILITY = pathlib.Path(__file__).resolve().parents[1] / "compatibility"
WRITTEN, USERS = COMPATIBILITY / "written", COMPATIBILITY / "users"
REST = WRITTEN / "rest.tar.xz"
VIEWS = ("broad_audio", "broad_flow", "narrow")
TASKS = ("folder/linear", "folder/knn", "folder/finetune", "folder/knn_audio", "folder/knn_flow")
RESUME = (
    "--gin_file=recipe.gin",
    "--gin_bindings=train.num_steps = 6",
    "--model_dir=runs/mine",
)
# Features of records are known by the times of their files, which a version control does not keep.
_SECONDS = 1_700_000_000


def unpack(folder: pathlib.Path) -> pathlib.Path:
    """Makes a folder such as a user has it who moved all files, with their times, to another machine."""
    shutil.copytree(USERS, folder, dirs_exist_ok=True)
    shutil.copytree(WRITTEN, folder, dirs_exist_ok=True)
    with tarfile.open(REST) as archive:
        archive.extractall(folder)
    (folder / REST.name).unlink()
    set_times(folder)
    return folder


def set_times(folder: pathlib.Path) -> None:
    """Gives all files the same time of change."""
    for path in folder.rglob("*"):
        os.utime(path, (_SECONDS, _SECONDS))


def nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Takes out of an entry of an archive whose file it was, and when."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = _SECONDS
    return entry


def contents(folder: pathlib.Path) -> dict[str, tuple[bytes, int]]:
    """Returns bytes and time of change of each file below a folder, but for locks."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in paths
    }


def losses(model_dir: pathlib.Path) -> dict[str, dict[str, float]]:
    """Returns step -> name -> training loss, as the charts of a run have them."""
    found: dict[str, dict[str, float]] = {}
    for path in sorted((model_dir / "tensorboard" / "train").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag.startswith("loss"):
                    at = found.setdefault(str(event.step), {})
                    at[value.tag] = float(tf.make_ndarray(value.tensor))
    return found


def keras_files(folder: pathlib.Path) -> Iterator[tuple[str, pathlib.Path]]:
    """Yields the views of the export and their `.keras` files."""
    yield from ((view, folder / "exported" / "keras" / f"{view}.keras") for view in VIEWS)


def features(path: pathlib.Path) -> list[float]:
    """Returns what the model of a `.keras` file answers."""
    return answers(tf.keras.models.load_model(path))


def batch_of(model: tf.keras.Model) -> np.ndarray:
    """Returns numbers from 0 to 1 that a model takes, with 16 where a size is free."""
    shape = [1, *(size or 16 for size in model.input_shape[1:])]
    return np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)


def answers(model: tf.keras.Model) -> list[float]:
    """Returns the features of `batch_of`."""
    return model(batch_of(model)).numpy()[0].tolist()


def fill(model: tf.keras.Model) -> tf.keras.Model:
    """Gives a model weights that depend on their number and shape alone, those of variances above 0."""
    for index, weight in enumerate(model.weights):
        if weight.dtype.is_floating:
            noise = np.random.default_rng(index).uniform(-0.1, 0.1, weight.shape)
            is_kernel = len(weight.shape) > 1
            weight.assign(noise if is_kernel else 1 + noise)
    return model

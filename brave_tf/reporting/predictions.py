"""What was predicted for each test clip, and what it says about classes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from brave_tf.errors import UserError
from brave_tf.evaluation.results import owner
from brave_tf.storage import files

# Of the normal distribution, for 95 % on both sides.
_Z = 1.959964
# Clips by class are counted in a table of classes by classes.
_MOST_CLASSES = 10_000
# Name of an array -> how many axes it may have, and kinds of its values.
_ARRAYS = {
    "labels": ((1, 2), "iub"),
    "decisions": ((2,), "f"),
    "classes": ((1,), "U"),
    "keys": ((1,), "U"),
    "neighbours": ((2,), "U"),
    "neighbour_labels": ((2,), "iu"),
    "similarities": ((2,), "f"),
}
_NEAR = ("neighbours", "neighbour_labels", "similarities")


@dataclasses.dataclass(frozen=True)
class StoredPredictions:
    """Predictions of one label per clip.

    Attributes:
      labels: (clips,) int64, the right classes.
      predicted: (clips, classes) float64, 1 for the class of highest decision value; classes of the same
        highest value share a clip.
      classes: their names.
    """

    labels: np.ndarray
    predicted: np.ndarray
    classes: tuple[str, ...]

    def confusion(self) -> np.ndarray:
        """Returns (classes, classes) float64, clips by right and predicted class."""
        size = len(self.classes)
        cells = np.zeros((size, size))
        np.add.at(cells, self.labels, self.predicted)
        return cells


@dataclasses.dataclass(frozen=True)
class Neighbours:
    """The nearest training clips of test clips, nearest first.

    Attributes:
      data_dir: where the clips are.
      view: name of the view that they were compared by.
      keys: (clips,) str, of the test clips.
      labels: (clips,) int64.
      near_keys: (clips, n) str, of the training clips.
      near_labels: (clips, n) int64.
      similarities: (clips, n) float32, cosine.
      classes: names of the labels; empty where nobody knows.
    """

    data_dir: str
    view: str
    keys: np.ndarray
    labels: np.ndarray
    near_keys: np.ndarray
    near_labels: np.ndarray
    similarities: np.ndarray
    classes: tuple[str, ...]

    def name(self, label: int) -> str:
        """Returns the name of a label."""
        return self.classes[label] if label < len(self.classes) else str(label)


def read_predictions(
    path: pathlib.Path, result: Mapping[str, Any] | None = None
) -> StoredPredictions | None:
    """Reads a file of predictions; None where they are not of one label per clip.

    Args:
      path: of the file.
      result: the entry of `results.json` that names it; None: of any.

    Raises:
      UserError: it cannot be read, or is of another result.
    """
    with _opened(path, result) as file:
        labels = file["labels"]
        if labels.ndim != 1:
            return None
        classes = tuple(map(str, file["classes"])) if "classes" in file else ()
        if "decisions" in file:
            predicted = _shares(file["decisions"], path)
        elif "neighbour_labels" in file:
            predicted = _of_nearest(file)
        else:
            return None
    size = max(len(classes), int(labels.max()) + 1, predicted.shape[1])
    classes += tuple(map(str, range(len(classes), size)))
    predicted = np.pad(predicted, ((0, 0), (0, size - predicted.shape[1])))
    return StoredPredictions(labels.astype(np.int64), predicted, classes)


def _shares(decisions: np.ndarray, path: pathlib.Path) -> np.ndarray:
    if np.isnan(decisions).any():
        raise UserError(f"{path} holds decision values that are NaN: run the task again.")
    highest = decisions == decisions.max(axis=1, keepdims=True)
    return highest / highest.sum(axis=1, keepdims=True)


def _of_nearest(file: Mapping[str, np.ndarray]) -> np.ndarray:
    """The classes of the nearest neighbour, or of those that are kept and equally near."""
    labels = file["neighbour_labels"]
    similarities = file.get("similarities", -np.arange(labels.shape[1])[None])
    nearest = np.broadcast_to(similarities == similarities[:, :1], labels.shape)
    clips, columns = np.nonzero(nearest)
    predicted = np.zeros((len(labels), int(labels.max()) + 1))
    np.add.at(predicted, (clips, labels[clips, columns]), 1.0)
    return predicted / predicted.sum(axis=1, keepdims=True)


def read_neighbours(
    path: pathlib.Path, data_dir: str, view: str, result: Mapping[str, Any] | None = None
) -> Neighbours | None:
    """Reads the neighbours in a file of predictions; None where there are none of one label per clip.

    Args:
      path: of the file.
      data_dir: where the clips are.
      view: name of the view that they were compared by.
      result: see `read_predictions`.

    Raises:
      UserError: it cannot be read, or is of another result.
    """
    with _opened(path, result) as file:
        if "neighbours" not in file or file["labels"].ndim != 1:
            return None
        return Neighbours(
            data_dir,
            view,
            keys=file["keys"],
            labels=file["labels"],
            near_keys=file["neighbours"],
            near_labels=file["neighbour_labels"],
            similarities=file["similarities"],
            classes=tuple(map(str, file["classes"])) if "classes" in file else (),
        )


@contextlib.contextmanager
def _opened(
    path: pathlib.Path, result: Mapping[str, Any] | None
) -> Iterator[Mapping[str, np.ndarray]]:
    try:
        file = files.read_arrays(path)
        _check_arrays(file)
        told = json.loads(str(file["result"])) if "result" in file else None
        if result is not None:
            _check_owner(path, told, result)
        yield file
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{path} holds no predictions that can be read ({error!r}): run the task again, or remove "
            "the file."
        ) from error


def _check_arrays(file: Mapping[str, np.ndarray]) -> None:
    """Raises ValueError where the arrays are not those of clips, or their labels those of no class."""
    clips = len(file["labels"]) if file["labels"].ndim else 0
    if not clips:
        raise ValueError("it is of no clip")
    for name, (axes, kinds) in _ARRAYS.items():
        array = file.get(name)
        if array is None:
            continue
        if array.ndim not in axes or array.dtype.kind not in kinds or not array.size:
            raise ValueError(f"{name} is {array.dtype} of shape {array.shape}")
        if name != "classes" and len(array) != clips:
            raise ValueError(f"{name} is of {len(array)} clips, labels of {clips}")
        if array.dtype.kind in "iu" and not 0 <= array.min() <= array.max() < _MOST_CLASSES:
            raise ValueError(f"{name} holds numbers of no class")
    near = {file[name].shape for name in _NEAR if name in file}
    if len(near) > 1:
        raise ValueError(f"the neighbours have the shapes {', '.join(map(str, near))}")


def _check_owner(
    path: pathlib.Path, told: dict[str, Any] | None, result: Mapping[str, Any]
) -> None:
    """Raises UserError for predictions that are not those of the result."""
    # Neither says anything in what older versions have written.
    expected = owner(result) if result.get("identity") else None
    if told == expected:
        return
    names = [n for n in owner(result) if (told or {}).get(n) != (expected or {}).get(n)]

    def described(of: dict[str, Any] | None) -> str:
        return (
            ", ".join(f"{name} {of[name]}" for name in names) if of else "nobody knows which model"
        )

    raise UserError(
        f"{path} is not the file of the result that names it: it holds predictions of {described(told)}; "
        f"the result is of {described(expected)}. Run the task again, or remove the file."
    )


def recalls(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the accuracy of each class and its 95 % interval.

    Wilson's score interval (1927), which stays inside [0, 1] and has a width for all and none right.

    Args:
      confusion: (classes, classes), clips by right and predicted class.

    Returns:
      (classes,) and (classes, 2) float64 fractions; not a number for classes without clips.
    """
    clips = confusion.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.diag(confusion) / clips
        middle = (share + _Z**2 / (2 * clips)) / (1 + _Z**2 / clips)
        spread = _Z / (1 + _Z**2 / clips)
        spread = spread * np.sqrt(share * (1 - share) / clips + _Z**2 / (4 * clips**2))
    return share, np.stack([middle - spread, middle + spread], axis=1)

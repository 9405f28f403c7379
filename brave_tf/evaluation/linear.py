"""The linear protocol: a linear SVM on frozen features of augmented windows.

The defaults are those of the published BraVe evaluations: 10 augmented passes over the training
clips with twice the narrow window's frames, standardised features, C = 1e-4, and decision values
averaged over 10 temporal x 3 spatial crops.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import gin
import numpy as np
from sklearn import pipeline, preprocessing, svm

from brave_tf.data.augment.random_color import random_color
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.source import open_source
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.evaluation import scores, windows
from brave_tf.evaluation.features import extract
from brave_tf.evaluation.probe import Outcome, Probe
from brave_tf.evaluation.registry import Protocol, Task, register_task

_AUGMENTATIONS = {"rgb": (random_flip, random_color), "flow": (random_flip,), "audio": ()}


@gin.configurable
def linear_svm(
    probe: Probe,
    data_dir: str,
    train_split: str = "train",
    test_split: str = "test",
    train_passes: int = 10,
    temporal_crops: int = 10,
    spatial_crops: int = 3,
    C: float = 1e-4,  # noqa: N803 (the SVM's literature and scikit-learn call it so)
    num_frames: int | None = None,
    size: int | None = None,
    resize: int | None = None,
    batch_size: int = 8,
    seed: int = 0,
) -> Outcome:
    """Trains a linear SVM on the training split's features and scores it on the test split.

    Training windows are cropped as the view crops them and augmented by flip and colour (rgb), flip
    (flow) or nothing (audio). Test labels are used for the score alone.

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      train_split: split that the classifier is trained on; `a+b` for two.
      test_split: split that it is scored on.
      train_passes: augmented windows per training clip.
      temporal_crops: windows per test clip, evenly spaced.
      spatial_crops: squares per test window, of rgb and flow.
      C: inverse strength of the SVM's regularisation.
      num_frames: frames of a window; by default twice the view's for the narrow view (the published
        32 for 16), and the view's own for a broad one.
      size: side of the frames in pixels; by default the view's.
      resize: shorter side of the test frames before cropping; by default the view's, or 8/7 of the
        size (256 for 224).
      batch_size: windows per forward pass.
      seed: of windows, augmentations, the SVM and the interval.

    Returns:
      `top1`, `top5` and `top1_ci95`, the 95 % bootstrap interval over test clips.

    Raises:
      UserError: before any feature is computed, for settings and splits that cannot be used.
    """
    for name in ("train_passes", "temporal_crops", "spatial_crops", "batch_size"):
        _require_positive(name, locals()[name])
    _require_positive("C", C)
    view = protocol_view(probe, num_frames=num_frames, size=size, resize=resize)
    train = windows.labelled_clips(data_dir, train_split, view)
    test = windows.labelled_clips(data_dir, test_split, view)
    _check_classes(data_dir, train_split, train.labels, test_split, test.labels)

    crops = temporal_crops * (1 if view.modality == "audio" else spatial_crops)
    settings = {
        "data": data_dir,
        "train_split": train_split,
        "test_split": test_split,
        "train_passes": train_passes,
        "temporal_crops": temporal_crops,
        "spatial_crops": crops // temporal_crops,
        "C": C,
        "batch_size": batch_size,
        "seed": seed,
        "window": list(view.shape),
        **_video_settings(view),
    }
    features, labels = extract(
        probe.embed,
        windows.augmented_windows(data_dir, train_split, view, batch_size, seed),
        train_passes * len(train.labels),
        batch_size=batch_size,
        description=f"{train_split}, {train_passes} passes",
        store=probe.part_store(part="train", records=train.version, **settings),
    )
    classifier = fit(features, labels, C, seed)
    # The decision values are affine in the features, so those of a clip's mean features are the
    # mean of its crops' decision values.
    features, labels = extract(
        probe.embed,
        windows.crop_windows(data_dir, test_split, view, temporal_crops, spatial_crops),
        crops * len(test.labels),
        batch_size=batch_size,
        description=f"{test_split}, {crops} crops",
        group=crops,
        store=probe.part_store(part="test", records=test.version, **settings),
    )
    clips = {
        "train": len(train.labels),
        "test": len(labels),
        "missing": train.missing + test.missing + len(test.labels) - len(labels),
    }
    return Outcome(score(classifier, features, labels, seed), clips, settings)


def register_linear_tasks(
    dataset: str,
    clips: str,
    data_dir: str | None = None,
    modalities: Sequence[str] = ("rgb", "audio", "flow"),
    protocol: Protocol = linear_svm,
) -> None:
    """Registers `<dataset>/linear` for the first modality, and `<dataset>/linear_audio` and the like.

    Args:
      dataset: the part of the names before the slash.
      clips: what is classified, for the list of tasks.
      data_dir: the folder of records when --data is not given; None when it has to be given.
      modalities: of the backbones that can be probed, the usual one first.
      protocol: the linear protocol, on one pair of splits or several.
    """
    for index, modality in enumerate(modalities):
        name = f"{dataset}/linear_{modality}" if index else f"{dataset}/linear"
        description = f"linear SVM on {modality} features of {clips}"
        register_task(Task(name, modality, protocol, description, data_dir))


def protocol_view(
    probe: Probe, *, num_frames: int | None, size: int | None, resize: int | None
) -> View:
    """Returns the view of the protocol's windows; see `linear_svm` for the arguments."""
    view = probe.view
    changes = {"augmentations": _AUGMENTATIONS[view.modality]}
    if view.modality != "audio":
        changes["num_frames"] = num_frames or view.num_frames * (2 if probe.is_narrow else 1)
        changes["size"] = size or view.size
        changes["resize"] = resize or (view.resize if changes["size"] == view.size else None)
    elif num_frames or size or resize:
        raise UserError(
            "linear_svm.num_frames, size and resize are of rgb and flow: take them out to evaluate "
            f"the audio view {probe.view_name!r}, whose window is AudioView.duration."
        )
    return dataclasses.replace(view, **changes)


def fit(features: np.ndarray, labels: np.ndarray, C: float, seed: int) -> pipeline.Pipeline:  # noqa: N803
    """Returns a StandardScaler and a one-vs-rest LinearSVC, fitted.

    Args:
      features: (clips, D) float32.
      labels: (clips,) integers of at least two classes.
      C: inverse strength of the regularisation.
      seed: of the dual solver.
    """
    # The primal problem is solved where it is the smaller one; both have the same solution.
    svc = svm.LinearSVC(C=C, dual="auto", random_state=seed, max_iter=10_000)
    return pipeline.make_pipeline(preprocessing.StandardScaler(), svc).fit(features, labels)


def score(
    classifier: pipeline.Pipeline, features: np.ndarray, labels: np.ndarray, seed: int
) -> dict[str, object]:
    """Returns `top1`, `top5` and `top1_ci95`, fractions of the clips.

    Args:
      classifier: fitted.
      features: (clips, D) float32, the mean over each clip's crops.
      labels: (clips,) integers, all among the classes of the classifier.
      seed: of the interval.
    """
    decisions = classifier.decision_function(features)
    if decisions.ndim == 1:  # of two classes, the value of the second
        decisions = np.stack([-decisions, decisions], axis=1)
    columns = np.searchsorted(classifier.classes_, labels)
    top1 = scores.hits_at(1, decisions, columns)
    return {
        "top1": float(top1.mean()),
        "top5": float(scores.hits_at(5, decisions, columns).mean()),
        "top1_ci95": list(scores.bootstrap_interval(top1, seed)),
    }


def _require_positive(name: str, value: float) -> None:
    if not value > 0 or (name != "C" and not isinstance(value, int)):
        kind = "number" if name == "C" else "whole number"
        raise UserError(f"linear_svm.{name} = {value!r}: expected a {kind} above 0.")


def _check_classes(
    data_dir: str, train_split: str, train: np.ndarray, test_split: str, test: np.ndarray
) -> None:
    names = open_source(data_dir).label_names
    classes = np.unique(train)
    if len(classes) < 2:
        raise UserError(
            f"{data_dir}: all labelled clips of split {train_split!r} are of one class, "
            f"{_label_name(classes[0], names)}: a classifier needs at least two."
        )
    unseen = sorted(set(test.tolist()) - set(classes.tolist()))
    if unseen:
        listed = ", ".join(_label_name(label, names) for label in unseen[:10])
        raise UserError(
            f"{data_dir}: {len(unseen)} classes of split {test_split!r} have no usable clip in split "
            f"{train_split!r} to learn from: {listed}. Prepare splits that share their classes."
        )


def _label_name(label: int, names: tuple[str, ...]) -> str:
    return repr(names[label]) if label < len(names) else str(label)


def _video_settings(view: View) -> dict[str, object]:
    names = ("num_frames", "frame_step", "frame_rate", "size", "resize")
    return {name: getattr(view, name) for name in names if hasattr(view, name)}

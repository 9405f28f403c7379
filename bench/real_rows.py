"""The rows of `real_clips`: recipes, the clips that they learn from, and what is probed of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Probe:
    """A task of `brave_tf_eval`.

    Attributes:
      task: its name.
      view: whose features it sees; None: the first view of its modality.
    """

    task: str
    view: str | None = None


@dataclasses.dataclass(frozen=True)
class Probed:
    """How a set is probed.

    Attributes:
      probes: one for each view, that of the narrow one first. A task that is there twice names both views.
      prepare: flags of `brave_tf_prepare` that win over those of the row.
    """

    probes: tuple[Probe, ...]
    prepare: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unnamed = [probe.task for probe in self.probes if probe.view is None]
        tasks = [probe.task for probe in self.probes]
        twice = sorted({task for task in unnamed if tasks.count(task) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: several probes, expected the view of each")


@dataclasses.dataclass(frozen=True)
class Row:
    """A recipe, what it learns from, and what is probed.

    Attributes:
      recipe: of `gin/`.
      pool: sets that it is pre-trained on.
      probed: set -> how.
      prepare: flags of `brave_tf_prepare`.
      histograms: task of the view of flow whose histograms are compared, and bindings of its window; or none.
    """

    recipe: str
    pool: tuple[str, ...]
    probed: Mapping[str, Probed]
    prepare: tuple[str, ...]
    histograms: tuple[str, ...] = ()


_BOTH = Probed((Probe("folds/linear"), Probe("folds/linear_flow")))
ROWS: Mapping[str, Row] = {
    "gestures": Row(
        "real/gestures",
        ("egogestar", "tennis7", "utd"),
        {"egogestar": _BOTH, "tennis7": _BOTH, "utd": _BOTH},
        ("--fps=12.5", "--min_side=74", "--flow=dis", "--audio=none"),
        (
            "folds/linear_flow",
            "FlowView.num_frames = 24",
            "FlowView.frame_step = 2",
            "FlowView.size = 64",
            "FlowView.bound = 5.0",
            "FlowView.augmentations = []",
            "FlowView.min_area = 0.5",
            "eval_windows.temporal_crops = 3",
            "linear_svm.train_windows = 'crops'",
            "linear_svm.C = 'cross_validation'",
        ),
    ),
    "sounds": Row(
        "real/sounds",
        ("esc50",),
        {
            "esc50": Probed(
                (
                    Probe("folds/linear_audio", "narrow"),
                    Probe("folds/linear_audio", "broad_audio"),
                )
            )
        },
        ("--flow=none", "--sample_rate=16000"),
    ),
}

"""The findings of the BraVe paper that `findings` repeats: pairs of settings that differ in one thing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from brave_tf.configuration import recipe_header

_PAPER = ("UCF101 linear", "HMDB51 linear", "K600 linear")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is pre-trained.

    Attributes:
      recipe: of `gin/`.
      clips: `gestures` or `demo`.
      bindings: gin statements that win over the recipe.
    """

    recipe: str
    clips: str
    bindings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Finding:
    """A pair of settings.

    Attributes:
      claim: what the paper says.
      here: what the two settings are.
      first: name of the setting that is the better one there.
      second: that of the other.
      paper: the recipes of the two in the paper.
      less_than: a finding with the same clips; what is claimed then is that this difference is smaller.
    """

    claim: str
    here: str
    first: str
    second: str
    paper: tuple[str, str]
    less_than: str | None = None

    def paper_differences(self) -> list[float]:
        """Returns the paper's differences in points, on UCF101, HMDB51 and Kinetics-600."""
        first, second = (recipe_header.read(name).paper for name in self.paper)
        return [round(float(first[key]) - float(second[key]), 1) for key in _PAPER]


_V_V, _DEMO_V_V, _DEMO_V_A = "real/findings_v_v", "real/findings_demo_v_v", "real/findings_demo_v_a"
_TWO_VIEWS = (
    "Recipe.views = {'narrow': @narrow/RgbView(), 'broad_video': @broad_video/RgbView(), "
    "'broad_video_2': @broad_video/RgbView()}",
    "BraVe.backbones = {'narrow': %NARROW_BACKBONE, 'broad_video': %BROAD_VIDEO_BACKBONE, "
    "'broad_video_2': 'broad_video'}",
)
SETTINGS: Mapping[str, Setting] = {
    "v_v": Setting(_V_V, "gestures"),
    "v_v_short": Setting(_V_V, "gestures", ("BROAD_STEP = 4",)),
    "v_v_plain": Setting(
        _V_V, "gestures", ("broad_video/RgbView.augmentations = [@random_color, @random_gray]",)
    ),
    "v_f": Setting("real/findings_v_f", "gestures"),
    "v_v_sync": Setting(_V_V, "gestures", ("broad_video/RgbView.sync = True",)),
    "v_vv": Setting(_V_V, "gestures", _TWO_VIEWS),
    "demo_v_v": Setting(_DEMO_V_V, "demo"),
    "demo_v_v_short": Setting(_DEMO_V_V, "demo", ("BROAD_STEP = 1",)),
    "demo_v_a": Setting(_DEMO_V_A, "demo"),
    "demo_v_a_short": Setting(_DEMO_V_A, "demo", ("broad_audio/AudioView.duration = 0.8",)),
}
_LENGTHS = ("k600_v_v_tau_1.3_10", "k600_v_v_tau_1.3_1.3")
FINDINGS: Mapping[str, Finding] = {
    "length_of_video": Finding(
        "a broad view of video that is longer than the narrow one helps",
        "2.56 s and 1.28 s, beside a narrow view of 1.28 s",
        "v_v",
        "v_v_short",
        _LENGTHS,
    ),
    "random_convolutions": Finding(
        "random convolutions on broad frames help",
        "with and without them",
        "v_v",
        "v_v_plain",
        ("k600_v_v_broad_rgb_rc", "k600_v_v_broad_rgb"),
    ),
    "flow": Finding(
        "flow is a better broad view than plain frames",
        "flow, and frames without random convolutions",
        "v_f",
        "v_v_plain",
        ("k600_v_f", "k600_v_v_broad_rgb"),
    ),
    "independent_windows": Finding(
        "windows at times of their own are better than windows that start together",
        "at times of their own, and together",
        "v_v",
        "v_v_sync",
        ("k600_v_v_sync_off", "k600_v_v_sync_on"),
    ),
    "several_views": Finding(
        "two broad views are better than one",
        "two and one, of frames",
        "v_vv",
        "v_v",
        ("k600_v_v_views_2", "k600_v_v_views_1"),
    ),
    "length_of_video_demo": Finding(
        "a broad view of video that is longer than the narrow one helps",
        "1.6 s and 0.8 s, beside a narrow view of 0.8 s",
        "demo_v_v",
        "demo_v_v_short",
        _LENGTHS,
    ),
    "length_of_sound": Finding(
        "the length of a broad view matters less for sound than for video",
        "sound of 1.6 s and 0.8 s, beside a narrow view of 0.8 s",
        "demo_v_a",
        "demo_v_a_short",
        ("as_v_a_tau_1.3_10", "as_v_a_tau_1.3_1.3"),
        less_than="length_of_video_demo",
    ),
}

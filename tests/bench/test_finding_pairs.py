import gin
import pytest

from bench.finding_pairs import FINDINGS, SETTINGS
from brave_tf import config
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

# Parameters in which the settings of a finding differ.
DIFFERENT = {
    "length_of_video": {"BROAD_STEP"},
    "random_convolutions": {"broad_video/RgbView.augmentations"},
    "independent_windows": {"broad_video/RgbView.sync"},
    "several_views": {"Recipe.views", "BraVe.backbones"},
    "length_of_video_demo": {"BROAD_STEP"},
    "length_of_sound": {"broad_audio/AudioView.duration"},
}


@pytest.fixture(autouse=True)
def cleared():
    yield
    gin.clear_config()


def load(name):
    setting = SETTINGS[name]
    config.load_config([setting.recipe], setting.bindings, for_training=True)
    return bound(Recipe).views, bound(Settings)


def written(name):
    """Parameter -> value, as gin writes them."""
    load(name)
    text = gin.config_str(max_line_length=10_000).splitlines()
    return dict(line.split(" = ", 1) for line in text if " = " in line)


@pytest.mark.parametrize("name", DIFFERENT)
def test_the_settings_of_a_finding_differ_in_one_thing(name):
    first, second = written(FINDINGS[name].first), written(FINDINGS[name].second)
    assert {k for k in {*first, *second} if first.get(k) != second.get(k)} == DIFFERENT[name]


def test_flow_sees_what_plain_frames_see():
    (narrow, flow), (plain_narrow, plain) = (
        load(name)[0].values() for name in (FINDINGS["flow"].first, FINDINGS["flow"].second)
    )
    assert narrow == plain_narrow
    assert (flow.modality, plain.modality) == ("flow", "rgb")
    assert flow.shape[:3] == plain.shape[:3]
    assert (flow.duration, flow.sync, flow.min_area) == (plain.duration, plain.sync, plain.min_area)
    assert [augment.__name__ for augment in plain.augmentations] == ["random_color", "random_gray"]


@pytest.mark.parametrize(
    ("name", "durations"),
    [
        ("v_v", (1.28, 2.56)),
        ("v_v_short", (1.28, 1.28)),
        ("v_vv", (1.28, 2.56, 2.56)),
        ("v_f", (1.28, 2.56)),
        ("demo_v_v", (0.8, 1.6)),
        ("demo_v_v_short", (0.8, 0.8)),
        ("demo_v_a", (0.8, 1.6)),
        ("demo_v_a_short", (0.8, 0.8)),
    ],
)
def test_windows_have_the_lengths_that_are_claimed(name, durations):
    views, settings = load(name)
    assert [view.duration for view in views.values()] == pytest.approx(durations)
    assert (settings.num_steps, settings.batch_size) == (400, 32)


@pytest.mark.parametrize(
    ("name", "differences"),
    [
        ("length_of_video", [1.9, 5.7, 1.1]),
        ("random_convolutions", [0.1, 3.8, -0.3]),
        ("flow", [1.2, 4.3, -1.9]),
        ("independent_windows", [3.8, 0.9, 7.5]),
        ("several_views", [1.7, 0.5, 1.7]),
        ("length_of_sound", [0.4, -1.0, 1.3]),
    ],
)
def test_the_papers_differences_are_those_of_its_tables(name, differences):
    assert FINDINGS[name].paper_differences() == differences


def test_findings_are_of_settings_with_the_same_clips():
    used = set()
    for finding in FINDINGS.values():
        pairs = [finding, *([FINDINGS[finding.less_than]] if finding.less_than else [])]
        settings = {name for pair in pairs for name in (pair.first, pair.second)}
        assert len({SETTINGS[name].clips for name in settings}) == 1
        used |= settings
    assert used == set(SETTINGS)

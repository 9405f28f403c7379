"""Recipes of AVID, AVID-CMA and GDT have the settings of their authors' code."""

import re

import command
import drawn_windows
import gin
import numpy as np
import peer_values
import pytest
import tensorflow as tf
import tiny_run
from of_a_kind import some_long
from peer_recipes import check_bound, load, told

from brave_tf.cli import train
from brave_tf.configuration import recipe_header
from brave_tf.data.views.windows import draw_windows
from brave_tf.objectives.occasions import Passed
from brave_tf.training import stages
from brave_tf.training.recipe import Recipe, bound, load_run
from brave_tf.training.settings import Settings

# Clips of an epoch, clips of a step, epochs of the recipe's own stage.
AVID = {
    "k400_avid": (2_320_670, 256, 30),
    "k400_cma": (2_320_670, 256, 20),
    "as_avid": (8_920_540, 160, 40),
    "as_avid_r2plus1d50": (8_920_540, 160, 40),
    "as_cma": (8_920_540, 160, 40),
    "as_cma_r2plus1d50": (8_920_540, 160, 40),
}
CMA = [name for name in AVID if "cma" in name]
GDT = {
    "k400_gdt_r2plus1d18": (232_067, 512, 201),
    "as_gdt_r2plus1d18": (1_784_108, 512, 201),
}


def test_these_are_all():
    others = [name for name in recipe_header.peers() if not re.search("avid|cma|gdt", name)]
    assert sorted([*AVID, *GDT, *others]) == recipe_header.peers()


@pytest.mark.parametrize("name", [*AVID, *GDT])
def test_the_length_is_that_of_whole_steps(name):
    _, settings = load(name)
    clips, batch, epochs = {**AVID, **GDT}[name]
    assert settings.batch_size == batch
    assert settings.num_steps == epochs * (clips // batch)


@pytest.mark.parametrize("name", AVID)
def test_the_views_of_avid(name):
    recipe, _ = load(name)
    (rule,) = recipe.windows
    assert (rule.view, rule.of, rule.seconds) == ("narrow", "broad_audio", 0.5)
    video, audio = recipe.views["narrow"], recipe.views["broad_audio"]
    assert (video.shape, video.duration, video.frame_rate) == ((8, 224, 224, 3), 0.5, 16.0)
    assert (video.min_area, video.max_area, video.crop_draw) == (0.08, 1.0, "area")
    np.testing.assert_allclose(video.mean, (0.485, 0.456, 0.406))
    assert told("narrow") == ["random_flip", "color_jitter"]
    strengths = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.2}
    check_bound(color_jitter=strengths, random_volume={"reach": 0.1})
    assert (audio.shape, audio.duration, audio.sample_rate) == ((200, 257), 2.0, 24_000)
    spectrogram = audio.log_mel
    settings = spectrogram.frame_length, spectrogram.frame_step, spectrogram.range_db
    assert settings == (1024, 240, 100.0)
    assert [each.__name__ for each in audio.sound_augmentations] == ["random_volume"]


@pytest.mark.parametrize("name", GDT)
def test_the_views_of_gdt(name):
    recipe, _ = load(name)
    for view, settings in recipe.views.items():
        if view.startswith("narrow"):
            assert (settings.shape, settings.duration) == ((30, 112, 112, 3), 1.0)
            # Of frames of 4:3, the side of the square is a share of the short side.
            sides = [
                (0.75 * 112**2 / area) ** 0.5 for area in (settings.min_area, settings.max_area)
            ]
            assert sides == pytest.approx([160, 128], abs=0.02)
            assert settings.reverse == view.endswith("reversed")
        else:
            assert (settings.shape, settings.sample_rate) == ((99, 40), 24_000)
            assert (settings.log_mel.mean, settings.log_mel.deviation) == (1.93, 17.89)
    masks = gin.query_parameter("spec_augment.max_time"), 99
    assert int(masks[0] * masks[1]) == 5
    assert int(gin.query_parameter("spec_augment.max_frequency") * 40) == 2
    check_bound(spec_augment={"time_masks": 1, "frequency_masks": 1, "value": 0.0})


def test_the_windows_of_gdt():
    """Two moments of a clip, each seen and heard, forwards and backwards."""
    recipe, _ = load("k400_gdt_r2plus1d18")
    clip = drawn_windows.clip(300, 240_000, frame_rate=30.0)
    names = list(recipe.views)
    starts = drawn_windows.starts(recipe.windows, recipe.views, clip, 200)
    start = dict(zip(names, starts.T))
    for kind in ("narrow", "broad_audio"):
        np.testing.assert_array_equal(start[kind], start["narrow"])
        np.testing.assert_array_equal(start[f"{kind}_reversed"], start["narrow"])
        np.testing.assert_array_equal(start[f"{kind}_shifted"], start["narrow_shifted"])
        np.testing.assert_array_equal(start[f"{kind}_shifted_reversed"], start["narrow_shifted"])
    assert abs(np.corrcoef(start["narrow"], start["narrow_shifted"])[0, 1]) < 0.25
    windows = draw_windows(clip, recipe.views, tf.constant([0, 1]), recipe.windows)
    for name, window in windows.items():
        assert window.view.reverse == name.endswith("reversed"), name
    for first, second, same in (
        ("broad_audio", "broad_audio_reversed", True),
        ("broad_audio_shifted", "broad_audio_shifted_reversed", True),
        ("narrow", "narrow_reversed", False),
        ("narrow_shifted", "narrow_shifted_reversed", False),
    ):
        assert np.array_equal(windows[first].seed, windows[second].seed) == same


@pytest.mark.parametrize("name", GDT)
def test_the_schedule_of_gdt(name, shared_dir):
    expected = peer_values.arrays(shared_dir, "gdt")["schedule/k400_script_lr"]
    _, settings = load(name)
    steps = settings.num_steps // len(expected)
    assert gin.query_parameter("sgd.learning_rate").scoped_selector == "by_epoch"
    schedule = gin.get_configurable("by_epoch")()
    for step in (0, steps - 1):
        found = [float(schedule(epoch * steps + step)) for epoch in range(len(expected))]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    optimizer = settings.optimizer()
    assert (optimizer.momentum, optimizer.nesterov, optimizer.l2_decay) == (0.9, False, 1e-5)
    check_bound(
        GDT={"reversal": "variant", "shift": "variant", "compat": "released", "temperature": 0.07},
    )
    assert gin.query_parameter("%CLIPS_PER_PROCESS") == 8


@pytest.mark.parametrize("name", AVID)
def test_the_rates_of_avid(name):
    """Adam's is constant, in each stage of its own."""
    clips, batch, epochs = AVID[name]
    on_kinetics = name.startswith("k400")
    alone = (2e-4 if on_kinetics else 5e-4, 271_950 if on_kinetics else 2_230_120, "AVID")
    after = (2e-4 if on_kinetics else 1e-4, epochs * (clips // batch), "AVIDCMA")
    staged = stages.read_stages([name], [])
    assert (staged is not None) == (name in CMA)
    for number, expected in enumerate((alone, after) if staged else (alone,)):
        if staged:
            staged.load(staged.stages[number])
        else:
            load(name)
        settings = bound(Settings)
        optimizer = settings.optimizer()
        found = float(optimizer.learning_rate), settings.num_steps
        assert (*found, bound(Recipe).objective.__name__) == (
            pytest.approx(expected[0]),
            *expected[1:],
        )
        assert (optimizer.l2_decay, settings.batch_size) == (1e-5, batch)
    if staged:
        parts = {"backbones", "projectors", "video_bank", "audio_bank", "normalizer"}
        assert dict(staged.stages[1].begins_with) == dict.fromkeys(parts, "avid")


@pytest.mark.parametrize("name", ["k400_avid", "as_cma"])
def test_the_objective_of_avid(name):
    objective = load(name, "gin/overlays/tiny.gin")[0].build(0)
    assert (objective.temperature, objective.video_bank.momentum) == (0.07, 0.5)
    load(name)
    sizes = {"NUM_NEGATIVES": 1024, "NUM_CLIPS": AVID[name][0] // (10 if "k400" in name else 5)}
    if name in CMA:
        sizes.update(NUM_POSITIVES=32, NEGATIVES_WITHIN=64)
        # Passes through the clips: 5 epochs of 10 clips of a video, or 10 of 5.
        search = objective.occasions[1]
        assert not search.due(Passed(99, 2, 4)) and search.due(Passed(100, 2, 4))
        assert {*objective.term_weights.values()} == {0.25}
    else:
        assert objective.term_weights == {"video_to_audio": 0.5, "audio_to_video": 0.5}
    for macro, value in sizes.items():
        assert gin.query_parameter(f"%{macro}") == value


@pytest.mark.parametrize(
    ("name", "overlay"),
    some_long(
        [("k400_cma", "tiny"), ("k400_cma", "laptop"), ("as_gdt_r2plus1d18", "tiny")],
        [("k400_cma", "laptop")],
    ),
)
def test_a_run(name, overlay, tmp_path):
    """Of AVID-CMA, both stages; the second begins with what the first one ended with."""
    records = tiny_run.write_records(tmp_path / "records", clips=4)
    few = ["STEPS = 2", "train.batch_size = 2", f"train.data_dir = '{records}'"]
    few += ["NARROW_SIZE = 32", "NARROW_FRAMES = 2", "broad_audio/AudioView.duration = 0.5"]
    if name == "k400_cma":
        few += ["NUM_CLIPS = 4", "NUM_POSITIVES = 2"]
        few += [f"broad_audio/LogSpectrogram.{each}" for each in ("sample_rate = 8000",)]
    else:
        few.append("broad_audio/LogFilterBank.sample_rate = 8000")
    if overlay == "tiny":
        steps = "LogSpectrogram" if name == "k400_cma" else "LogFilterBank"
        few.append(f"broad_audio/{steps}.frame_step = 480")
    else:
        few.append("warmup_cosine.warmup_steps = 1")
    files = [f"--gin_file={name}", f"--gin_file=overlays/{overlay}.gin"]
    flags = [f"--gin_bindings={binding}" for binding in few]
    run = tmp_path / "run"
    assert command.run(train, *files, *flags, f"--model_dir={run}") == 0
    if name == "k400_cma":
        first, second = (load_run(str(run / stage)).objective for stage in ("avid", "cma"))
        # Z is found once; positives are those of the search.
        assert float(first.normalizer.value) == float(second.normalizer.value) > 0
        positives = second.positives.values.numpy()
        assert positives.shape == (4, 2) and positives.min() >= 0

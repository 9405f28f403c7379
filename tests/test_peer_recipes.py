"""Recipes of other methods have the settings of their authors' code, and go from training to export."""

import itertools

import command
import drawn_windows
import gin
import numpy as np
import peer_values
import pytest
import tensorflow as tf
import tiny_run
from of_a_kind import some_long

from brave_tf import config
from brave_tf.cli import eval as evaluation
from brave_tf.cli import export, train
from brave_tf.configuration import recipe_header
from brave_tf.data.views.windows import draw_windows
from brave_tf.objectives.occasions import Passed
from brave_tf.training import stages
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

# Clips for training by the authors' code, or as many as the recipe counts; clips of a step.
EPOCHS = {
    "k600_cvrl_r3d50": (366_016, 1024),
    "k400_cvrl_r3d50": (215_570, 1024),
    "k400_rho_byol_r3d50": (240_436, 512),
    "k400_rho_byol_s3d": (240_436, 512),
}
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
CVRL = [name for name in EPOCHS if "cvrl" in name]
RHO_BYOL = [name for name in EPOCHS if "rho_byol" in name]


def load(name, *overlays):
    config.load_config([name, *overlays])
    return bound(Recipe), bound(Settings)


def told(view):
    """The augmentations of a view by name, with the scope that they are bound in."""
    for key in (f"{view}/RgbView.augmentations", "RgbView.augmentations"):
        if config.is_bound(key):
            return [each.scoped_selector for each in gin.query_parameter(key)]
    raise AssertionError(f"none are bound for {view}")


def check_bound(**expected):
    """Compares what is bound: configurable -> parameter -> value, with __ for the end of a scope."""
    for name, values in expected.items():
        configurable = name.replace("__", "/")
        found = {key: gin.query_parameter(f"{configurable}.{key}") for key in values}
        assert found == values, configurable


def test_these_are_all():
    assert sorted([*EPOCHS, *AVID, *GDT]) == recipe_header.peers()


@pytest.mark.parametrize("name", EPOCHS)
def test_the_length_is_200_epochs(name):
    _, settings = load(name)
    clips, batch = EPOCHS[name]
    assert settings.batch_size == batch
    assert settings.num_steps == pytest.approx(200 * clips / batch, rel=2e-3)


@pytest.mark.parametrize("name", [*AVID, *GDT])
def test_the_length_is_that_of_whole_steps(name):
    _, settings = load(name)
    clips, batch, epochs = {**AVID, **GDT}[name]
    assert settings.batch_size == batch
    assert settings.num_steps == epochs * (clips // batch)


@pytest.mark.parametrize("name", CVRL)
def test_the_views_of_cvrl(name):
    recipe, _ = load(name)
    (rule,) = recipe.windows
    assert (type(rule).__name__, tuple(rule.views)) == ("FallingGap", ("narrow", "second"))
    for view in recipe.views.values():
        assert view.shape == (16, 224, 224, 3)
        assert (view.frame_step, view.min_area, view.max_area) == (2, 0.3, 1.0)
        assert (view.min_aspect, view.max_aspect, view.crop_draw) == (0.5, 2.0, "height")
        assert view.mean is None
    always = ["random_flip", "color_jitter", "random_gray"]
    assert told("narrow") == [*always, "gaussian_blur"]
    assert told("second") == [*always, "second/gaussian_blur", "second/random_solarization"]
    strengths = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
    check_bound(
        color_jitter={**strengths, "probability": 0.8, "method": "tensorflow", "mean_of": "clip"},
        random_gray={"probability": 0.2},
        gaussian_blur={"probability": 1.0},
        second__gaussian_blur={"probability": 0.1},
        second__random_solarization={"probability": 0.2},
    )


@pytest.mark.parametrize("name", RHO_BYOL)
def test_the_views_of_rho_byol(name):
    recipe, _ = load(name)
    (rule,) = recipe.windows
    assert type(rule).__name__ == "InOrder"
    assert sorted(rule.views) == sorted(recipe.views) and len(rule.views) == 4
    for view in recipe.views.values():
        assert view.shape == (8, 224, 224, 3)
        assert (view.frame_rate, view.frame_step) == (30.0, 9)
        assert (view.min_area, view.max_area, view.crop_draw) == (0.2, 0.766, "area")
        assert (view.min_aspect, view.max_aspect) == pytest.approx((3 / 4, 4 / 3), abs=1e-4)
        assert set(view.mean) == {0.45} and set(view.deviation) == {0.225}
    assert told("narrow") == ["color_jitter", "random_gray", "gaussian_blur", "random_flip"]
    strengths = {"brightness": 0.6, "contrast": 0.6, "saturation": 0.6, "hue": 0.15}
    check_bound(
        color_jitter={**strengths, "probability": 0.8, "method": "blend", "mean_of": "clip"},
        random_gray={"probability": 0.2},
        gaussian_blur={"probability": 0.5, "sigma": (0.1, 2.0)},
    )
    # The tail of the widest blur is whole.
    assert gin.query_parameter("gaussian_blur.kernel_size") >= 6 * 2.0


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


@pytest.mark.parametrize("name", ["k600_cvrl_r3d50", "k400_rho_byol_s3d"])
def test_the_clips_are_in_the_order_of_the_objective(name):
    recipe, _ = load(name, "gin/overlays/tiny.gin")
    assert recipe.build(0).order == list(recipe.windows[0].views)


@pytest.mark.parametrize("name", CVRL)
def test_the_schedule_of_cvrl(name, shared_dir):
    golden = peer_values.arrays(shared_dir, "cvrl")
    _, settings = load(name)
    steps = golden["schedule/pretrain/steps"] * settings.num_steps / 71_488
    assert gin.query_parameter("sgd.learning_rate").scoped_selector == "whole_cosine"
    schedule, expected = gin.get_configurable("whole_cosine")(), golden["schedule/pretrain/lr"]
    found = [float(schedule(round(step))) for step in steps]
    # A step of the shorter run is 1.7 of the other.
    np.testing.assert_allclose(found, expected, atol=2e-6 if name == "k600_cvrl_r3d50" else 5e-4)
    check_bound(
        sgd={"momentum": 0.9, "nesterov": False, "weight_decay": 0.0},
        CVRL={"weight_decay": 1e-6, "temperature": 0.1},
    )


@pytest.mark.parametrize("name", RHO_BYOL)
def test_the_schedules_of_rho_byol(name, shared_dir):
    golden = peer_values.arrays(shared_dir, "rho_byol")
    _, settings = load(name)
    steps = [
        round(epoch * settings.num_steps / 200) for epoch in golden["schedule/epochs"].tolist()
    ]
    assert gin.query_parameter("lars.learning_rate").scoped_selector == "rate_by_shard"
    schedule = gin.get_configurable("rate_by_shard")()
    found = [float(schedule(step)) for step in steps]
    expected = 8 * golden["schedule/lr_rho4_one_shard_f64"]
    np.testing.assert_allclose(found, expected, atol=2e-4 * expected.max())
    momentum = gin.get_configurable("cosine_momentum")()
    found = [float(momentum(step)) for step in steps]
    np.testing.assert_allclose(found, golden["schedule/momentum_f64"], atol=1e-6)
    optimizer = settings.optimizer()
    assert type(optimizer).__name__ == "SlowFastLars"
    assert (optimizer.momentum, optimizer.nesterov, optimizer.l2_decay) == (0.9, False, 1e-6)
    assert optimizer.trust_coefficient == 1e-3


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


@pytest.mark.parametrize("name", AVID)
def test_the_objective_of_avid(name):
    objective = load(name, "gin/overlays/tiny.gin")[0].build(0)
    assert (objective.temperature, objective.video_bank.momentum) == (0.07, 0.5)
    load(name)
    sizes = {"NEGATIVES": 1024, "NUM_CLIPS": AVID[name][0] // (10 if "k400" in name else 5)}
    if name in CMA:
        sizes.update(POSITIVES=32, NEGATIVES_WITHIN=64)
        # Passes through the clips: 5 epochs of 10 clips of a video, or 10 of 5.
        search = objective.occasions[1]
        assert not search.due(Passed(99, 2, 4)) and search.due(Passed(100, 2, 4))
        assert {*objective.term_weights.values()} == {0.25}
    else:
        assert objective.term_weights == {"video_to_audio": 0.5, "audio_to_video": 0.5}
    for macro, value in sizes.items():
        assert gin.query_parameter(f"%{macro}") == value


@pytest.mark.parametrize("name", EPOCHS)
def test_normalisation(name):
    load(name)
    if name in CVRL:
        check_bound(batch_norm={"averages": "plain"}, projector__batch_norm={"momentum": 0.997})
    else:
        check_bound(batch_norm={"averages": "unbiased"}, mlp_head={"hidden_bias": False})


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("k600_cvrl_r3d50", {"backbone": 31_672_128, "projector": 12_863_616}),
        (
            "k400_rho_byol_r3d50",
            {"backbone": 31_634_496, "projector": 9_445_632, "predictor": 2_105_600},
        ),
        # Of 1,024 features.
        (
            "k400_rho_byol_s3d",
            {"backbone": 9_098_000, "projector": 5_251_328, "predictor": 2_105_600},
        ),
    ],
)
def test_parameters(name, expected):
    objective = load(name)[0].build(0)
    models = {"backbone": objective.backbones["narrow"]}
    if "predictor" in expected:
        models.update(projector=objective.projector, predictor=objective.predictor)
    else:
        models["projector"] = objective.projectors["narrow"]
    counts = {
        key: sum(weight.shape.num_elements() for weight in model.trainable_weights)
        for key, model in models.items()
    }
    assert counts == expected
    total = sum(v.shape.num_elements() for v in objective.trainable_variables)
    assert total == sum(expected.values())


@pytest.mark.parametrize(
    ("name", "overlay"),
    some_long(
        itertools.product(["k600_cvrl_r3d50", *RHO_BYOL], ["tiny", "laptop"]),
        [("k600_cvrl_r3d50", "laptop"), ("k400_rho_byol_s3d", "tiny")],
    ),
)
def test_a_run_an_evaluation_and_an_export(name, overlay, tmp_path):
    records = tiny_run.write_records(tmp_path / "records", clips=4)
    run, exported = str(tmp_path / "run"), str(tmp_path / "exported")
    few = ["STEPS = 2", "train.batch_size = 2", f"train.data_dir = '{records}'"]
    # Those of the schedule that the overlay leaves or brings.
    few.append("WARMUP_STEPS = 1" if overlay == "tiny" else "warmup_cosine.warmup_steps = 1")
    small = ["NARROW_SIZE = 32", "NARROW_FRAMES = 2"]
    files = [f"--gin_file={name}", f"--gin_file=overlays/{overlay}.gin"]
    flags = [f"--gin_bindings={binding}" for binding in few + small]
    assert command.run(train, *files, *flags, f"--model_dir={run}") == 0
    windows = ["train_passes = 1", "temporal_crops = 1", "spatial_crops = 1"]
    flags = [f"--gin_bindings=eval_windows.{binding}" for binding in windows]
    where = [f"--model_dir={run}", f"--data={records}"]
    protocol = "cvrl_linear" if name in CVRL else "rho_byol_linear"
    flags += [f"--gin_file=evaluation/{protocol}.gin", "--gin_bindings=eval_windows.test_size = 40"]
    flags += [
        f"--gin_bindings=linear_layer_training.{each}"
        for each in ("epochs = 2", "learning_rate = 1e-6", "warmup_epochs = 1")
    ]
    # After two steps features are of any size, hence the rate.
    tasks = "--task=folder/linear_layer,folder/knn"
    assert command.run(evaluation, tasks, *where, *flags) == 0
    assert command.run(export, f"--model_dir={run}", f"--output={exported}") == 0

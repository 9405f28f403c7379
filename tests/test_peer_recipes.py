"""Recipes of CVRL and rho-BYOL have the settings of their authors' code, and go from training to export."""

import itertools
import re

import command
import gin
import numpy as np
import peer_values
import pytest
import tiny_run
from of_a_kind import some_long
from peer_recipes import check_bound, load, told

from brave_tf.cli import eval as evaluation
from brave_tf.cli import export, train
from brave_tf.configuration import recipe_header

# Clips for training by the authors' code, or as many as the recipe counts; clips of a step.
EPOCHS = {
    "k600_cvrl_r3d50": (366_016, 1024),
    "k400_cvrl_r3d50": (215_570, 1024),
    "k400_rho_byol_r3d50": (240_436, 512),
    "k400_rho_byol_s3d": (240_436, 512),
}
PARAMETERS = {
    "k600_cvrl_r3d50": {"backbone": 31_672_128, "projector": 12_863_616},
    "k400_rho_byol_r3d50": {
        "backbone": 31_634_496,
        "projector": 9_445_632,
        "predictor": 2_105_600,
    },
    # Of 1,024 features.
    "k400_rho_byol_s3d": {"backbone": 9_098_000, "projector": 5_251_328, "predictor": 2_105_600},
}
CVRL = [name for name in EPOCHS if "cvrl" in name]
RHO_BYOL = [name for name in EPOCHS if "rho_byol" in name]


def test_these_are_all():
    others = [n for n in recipe_header.peers() if re.search("avid|cma|gdt|coclr", n)]
    assert sorted([*EPOCHS, *others]) == recipe_header.peers()


@pytest.mark.parametrize("name", EPOCHS)
def test_the_length_is_200_epochs(name):
    _, settings = load(name)
    clips, batch = EPOCHS[name]
    assert settings.batch_size == batch
    assert settings.num_steps == pytest.approx(200 * clips / batch, rel=2e-3)


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


@pytest.mark.parametrize("name", EPOCHS)
def test_normalisation(name):
    load(name)
    if name in CVRL:
        check_bound(batch_norm={"averages": "plain"}, projector__batch_norm={"momentum": 0.997})
    else:
        check_bound(batch_norm={"averages": "unbiased"}, mlp_head={"hidden_bias": False})


@pytest.mark.parametrize(
    "name",
    some_long(PARAMETERS, ["k600_cvrl_r3d50"]),
)
def test_parameters(name):
    expected = PARAMETERS[name]
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
        [("k600_cvrl_r3d50", "laptop")],
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

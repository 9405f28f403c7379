"""All stages of the recipes of CoCLR have the settings of its authors' code, and they train, to an export."""

import itertools

import command
import gin
import numpy as np
import peer_values
import pytest
import record_fixtures
from peer_recipes import check_bound, load, told

from brave_tf.cli import eval as evaluation
from brave_tf.cli import export, train
from brave_tf.training import stages
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

# The macro that has the steps at which the rate of a stage of CoCLR falls, alone or taught.
BOUNDS = {False: "ALONE_MILESTONES", True: "TAUGHT_MILESTONES"}
# Clips of an epoch, of a step alone, and entries of the queue; epochs and milestones when taught.
COCLR = {
    "k400_coclr_s3d": (240_436, 128, 16_384, 50, (40,)),
    "ucf101_coclr_s3d": (9537, 64, 2048, 100, (80,)),
}


def stages_of(name, *overlays):
    """Loads the stages of a recipe one after the other, and gives each with its recipe and settings."""
    staged = stages.read_stages([name, *overlays], [])
    for stage in staged.stages:
        assert staged.load(stage) == {}
        yield stage, bound(Recipe), bound(Settings)


@pytest.mark.parametrize("name", COCLR)
def test_the_stages_of_coclr(name):
    clips, alone, queue, epochs, milestones = COCLR[name]
    parts = ("backbones/narrow", "heads/narrow"), ("backbones/flow", "heads/flow")
    expected = [
        # Name, what it begins with of RGB and of flow, and the pair that is trained and what it is taught by.
        ("narrow_alone", None, ("narrow", "second")),
        ("flow_alone", None, ("flow", "second")),
        ("narrow_1", ("narrow_alone", "flow_alone"), ("narrow", ("second", "flow"))),
        ("flow_1", ("narrow_1", "flow_alone"), ("flow", ("second", "narrow"))),
        ("narrow_2", ("narrow_1", "flow_1"), ("narrow", ("second", "flow"))),
        ("flow_2", ("narrow_2", "flow_1"), ("flow", ("second", "narrow"))),
    ]
    for (stage, recipe, settings), (called, begins, copies) in zip(stages_of(name), expected):
        assert stage.name == called
        found = {part: each for of, each in zip(parts, begins or ()) for part in of}
        assert stage.begins_with == found
        (rule,) = recipe.windows
        assert (type(rule).__name__, tuple(rule.copies)) == ("TwoCopies", copies)
        batch, number, steps = (64, epochs, milestones) if begins else (alone, 300, (250, 280))
        assert settings.batch_size == batch
        # The last part of a batch is dropped in each epoch.
        assert settings.num_steps == number * (clips // batch)
        bounds = [each * (clips // batch) for each in steps]
        assert list(gin.query_parameter("%" + BOUNDS[bool(begins)])) == bounds
        objective = "CoCLR" if begins else "InfoNCE"
        assert recipe.objective.__name__ == objective
        assert gin.query_parameter("%QUEUE_SIZE") == queue
        modality = "rgb" if called.startswith("narrow") else "flow"
        assert {recipe.views[copies[0]].modality, recipe.views["second"].modality} == {modality}
        assert recipe.views.get("narrow", recipe.views["second"]).modality in ("rgb", modality)
    assert len(list(stages.read_stages([name], []).stages)) == len(expected)


def test_ucf101_is_trained_on_all_that_split_1_trains_on():
    roles = ["-".join(each) for each in itertools.product(("train", "test"), repeat=3)]
    for _, _, settings in stages_of("ucf101_coclr_s3d"):
        parts = set(settings.split.split("+"))
        # No clip of UCF101 is tested in two splits.
        assert parts == {
            each for each in roles if each.startswith("train") and each.count("test") < 2
        }


@pytest.mark.parametrize("name", COCLR)
def test_the_rates_of_coclr(name, shared_dir):
    golden = peer_values.arrays(shared_dir, "coclr")
    clips = COCLR[name][0]
    for stage, _, settings in itertools.islice(stages_of(name), 3):
        optimizer = settings.optimizer()
        assert (optimizer.l2_decay, optimizer.decay_all) == (1e-5, True)
        assert gin.query_parameter("adam.learning_rate").scoped_selector == "piecewise"
        key = "lr_infonce_250_280_f64" if stage.name.endswith("_alone") else "lr_coclr_80_f64"
        # The second stage of Kinetics-400 is half as long.
        half = name == "k400_coclr_s3d" and not stage.name.endswith("_alone")
        steps = golden["schedule/epochs"] * (clips // settings.batch_size) // (2 if half else 1)
        schedule = gin.get_configurable("piecewise")()
        found = [float(schedule(int(step))) for step in steps]
        np.testing.assert_allclose(found, golden[f"schedule/{key}"], rtol=1e-6)


@pytest.mark.parametrize("name", COCLR)
def test_the_views_of_coclr(name):
    recipe, _ = load(name)
    modalities = {view: each.modality for view, each in recipe.views.items()}
    assert modalities == {"narrow": "rgb", "second": "rgb", "flow": "flow"}
    for view in recipe.views.values():
        assert view.shape == (32, 128, 128, 3)
        assert (view.frame_step, view.last_start, view.hold_first) == (1, False, True)
        assert (view.min_area, view.max_area, view.crop_draw) == (0.2, 1.0, "area")
        assert (view.min_aspect, view.max_aspect) == pytest.approx((3 / 4, 4 / 3), abs=1e-4)
        assert view.mean == (0.485, 0.456, 0.406) and view.deviation == (0.229, 0.224, 0.225)
    assert told("narrow") == told("flow", "FlowPictureView") == ["random_flip"]
    (rule,) = recipe.windows
    assert (rule.same, rule.strong_probability) == (0.5, 0.3)
    assert [each.__name__ for each in rule.strong] == [
        "color_jitter",
        "random_channel",
        "gaussian_blur",
    ]
    strengths = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
    check_bound(
        color_jitter={**strengths, "probability": 0.8, "method": "blend", "mean_of": "frame"},
        random_channel={"probability": 0.2, "per_frame": True},
        gaussian_blur={"probability": 0.5, "sigma": (0.1, 2.0), "border": "edge"},
        CoCLR={"momentum": 0.999, "temperature": 0.07, "top": 5, "drop_own": 0.9},
    )
    assert gin.query_parameter("gaussian_blur.kernel_size") >= 6 * 2.0
    assert gin.query_parameter("%CLIPS_PER_PROCESS") == 32


@pytest.mark.long
def test_parameters_of_coclr():
    objective = load("k400_coclr_s3d")[0].build(0)
    for view in ("narrow", "flow"):
        # S3D without gates.
        assert (
            objective.backbones[view].count_params() - statistics_of(objective, view) == 7_910_048
        )
        assert objective.heads[view].count_params() == 1_180_800
    trained = sum(v.shape.num_elements() for v in objective.trainable_variables)
    assert trained == 7_910_048 + 1_180_800


def statistics_of(objective, view):
    """How many numbers are moving statistics."""
    weights = objective.backbones[view].weights
    return sum(each.shape.num_elements() for each in weights if "moving" in each.name)


@pytest.mark.series
def test_all_stages_of_coclr_then_an_evaluation_and_an_export(tmp_path):
    records = co_training_records(tmp_path / "records")
    run, exported = str(tmp_path / "run"), str(tmp_path / "exported")
    few = ["STEPS = 2", f"train.data_dir = '{records}'", "train.split = 'train'"]
    few.append("alternation.cycles = 1")
    flags = [f"--gin_bindings={binding}" for binding in few]
    files = ["--gin_file=ucf101_coclr_s3d", "--gin_file=overlays/tiny.gin"]
    assert command.run(train, *files, *flags, f"--model_dir={run}") == 0
    last = f"--model_dir={run}/flow_1"
    windows = ["train_passes = 1", "temporal_crops = 1", "spatial_crops = 1"]
    flags = [f"--gin_bindings=eval_windows.{binding}" for binding in windows]
    tasks = ["--task=folder/retrieval_flow", f"--data={records}"]
    assert command.run(evaluation, *tasks, last, *flags) == 0
    assert command.run(export, last, f"--output={exported}") == 0


def co_training_records(folder):
    """Writes noise with flow, two clips of each source, to the splits train and test."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        clips = []
        for number in range(8):
            pixels = rng.integers(0, 256, (2, 12, 40, 48, 3), dtype=np.uint8)
            images, flow = ([record_fixtures.jpeg(each) for each in frames] for frames in pixels)
            path = f"v_Archery_g{number // 2:02d}_c{number % 2:02d}.avi"
            clips.append(record_fixtures.record(images, flow, labels=[number % 2], path=path))
        record_fixtures.write_shards(folder, clips, split=split, settings={"flow": "dis"})
    return folder

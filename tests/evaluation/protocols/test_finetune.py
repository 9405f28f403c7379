"""Fine-tuning from a checkpoint to scores, on clips that are told apart by colour."""

import dataclasses
import pathlib
import types

import coloured_records
import gin
import numpy as np
import pytest
import tensorflow as tf
import untrained_run
from scipy import special

from brave_tf import config
from brave_tf.data.pipeline import clip_windows
from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import ClipFeatures, FeatureBank
from brave_tf.evaluation.features.probe import Probe, load_probes
from brave_tf.evaluation.protocols import finetune, finetune_recipe, labelled_run, supervised
from brave_tf.evaluation.tasks import official
from brave_tf.interop import models
from brave_tf.interop.models import FrozenBackbone
from brave_tf.objectives.supervised import Supervised
from brave_tf.training import config_changes, recipe
from brave_tf.training.interruption import INTERRUPTED, PREEMPTED

CLIPS = {"train": 16, "test": 12}
BINDINGS = [
    "finetune.num_steps = 24",
    "finetune.batch_size = 8",
    "finetune.learning_rate = 0.05",
    "finetune.held_out_every = 4",
    "finetune.measurements = 3",
    "eval_windows.num_frames = 4",
    "eval_windows.temporal_crops = 2",
]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return str(untrained_run.write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return str(coloured_records.write(tmp_path_factory.mktemp("records"), CLIPS))


def make_probe(model_dir, output, *bindings, **changes):
    of = models.ModelSource(model_dir, **changes)
    models.configure(of, [], [*BINDINGS, *bindings])
    probe, _ = load_probes(of, of.views())
    return dataclasses.replace(probe("narrow"), output=str(output))


def make_blind_probe(model_dir, output="unused", kind=models.RUN, baseline=None, bindings=()):
    """Makes a probe for what does not look at features, without its model."""
    models.configure(models.ModelSource(model_dir), [], [*BINDINGS, *bindings])
    of = models.ModelSource(model_dir, kind, baseline)
    view = recipe.Recipe().views["narrow"]
    return Probe("narrow", view, True, FrozenBackbone(None, source=of), output=str(output))


@pytest.fixture(scope="module")
def outcome(model_dir, records, tmp_path_factory):
    return finetune.finetune(make_probe(model_dir, tmp_path_factory.mktemp("out")), records)


def scalars(folder, writer, tag):
    """Step -> value."""
    found = {}
    for path in (pathlib.Path(folder) / "tensorboard" / writer).glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag == tag:
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return found


@pytest.mark.long
def test_the_loss_falls_and_the_classes_are_learned(outcome):
    losses = scalars(outcome.settings["run"], "train", "loss")
    assert losses[24] < 0.5 * losses[1]
    assert outcome.metrics["top1"] > 0.9
    assert outcome.clips == {"train": 16, "test": 12, "missing": 0}


@pytest.mark.long
def test_the_decisions_are_the_mean_probabilities_of_the_crops(outcome, records):
    run = recipe.load_run(outcome.settings["run"])
    view = run.recipe.views["narrow"]
    clips = list(clip_windows.crop_dataset(records, "test", view, 2, 3))
    for number in (0, 7):
        logits = run.objective.classify("narrow", clips[number]["crops"]).numpy()
        expected = special.softmax(logits, axis=1).mean(axis=0)
        decided = outcome.predictions.decisions[number]
        np.testing.assert_allclose(decided, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.long
def test_the_best_checkpoint_is_that_of_the_lowest_loss_on_held_out_training_clips(outcome):
    losses = scalars(outcome.settings["run"], "held_out", "loss")
    assert sorted(losses) == [8, 16, 24]
    assert outcome.settings["best_step"] == min(losses, key=losses.get)
    assert outcome.settings["last_step"] == 24
    assert {"best_top1", "best_top1_ci95", "best_top5"} <= set(outcome.metrics)


@pytest.mark.long
def test_the_run_is_one_that_can_be_loaded_and_says_where_it_begins(outcome, model_dir):
    folder = pathlib.Path(outcome.settings["run"])
    assert folder.parent.name == "finetune"
    run = recipe.load_run(str(folder))
    assert isinstance(run.objective, Supervised)
    assert run.objective.classifiers["narrow"].units == coloured_records.CLASSES
    # A long value is on a line of its own.
    text = (folder / recipe.CONFIG_FILE).read_text().replace("\\\n    ", "")
    assert f"train.initial_weights = '{model_dir}'" in text
    assert f"train.initial_checkpoint = '{untrained_run.STEP}'" in text


def derive(model_dir, records, *bindings, **changes):
    """Returns the bindings of the recipe: name -> text."""
    probe = make_blind_probe(model_dir, bindings=bindings, **changes)
    before = gin.config_str()
    settings = finetune_recipe.FineTuning()
    derived = finetune_recipe.derive(settings, probe, probe.view, records, 16, 2)
    assert gin.config_str() == before
    derived.load()
    return config_changes._bindings(gin.config_str())


def test_an_exported_model_has_no_checkpoint_to_choose(model_dir, records):
    found = derive(model_dir, records, kind=models.EXPORTED)
    assert found["train.initial_weights"] == repr(model_dir)
    assert found["train.initial_checkpoint"] == "'last'"


def test_the_random_baseline_begins_with_random_weights(model_dir, records):
    assert derive(model_dir, records, baseline="random")["train.initial_weights"] == "None"


def test_epochs_are_of_the_clips_that_are_trained_on(model_dir, records):
    bindings = ["finetune.num_steps = None", "finetune.epochs = 10"]
    assert derive(model_dir, records, *bindings)["train.num_steps"] == "15"  # 12 clips, 8 a step


def test_nothing_of_the_optimizer_comes_from_the_recipe(model_dir, records):
    found = derive(
        model_dir, records, "sgd.momentum = 0.1", "sgd.multipliers = {'predictor/': 9.0}"
    )
    assert (found["labelled/sgd.momentum"], found["labelled/sgd.multipliers"]) == ("0.9", "{}")


def test_rates_by_depth_and_by_name_reach_the_optimizer(model_dir, records):
    bindings = ["finetune.layer_decay = 0.5", "finetune.multipliers = {'classifier/': 3.0}"]
    found = derive(model_dir, records, *bindings)["labelled/sgd.multipliers"]
    assert "'^stage_1_block_1_': 0.25" in found and "'classifier/': 3.0" in found


def test_the_rate_falls_in_steps_when_asked(model_dir, records):
    found = derive(model_dir, records, "finetune.schedule = 'steps'")
    assert found["labelled/piecewise.boundaries"] == "[12, 18]"
    np.testing.assert_allclose(eval(found["labelled/piecewise.values"]), [0.05, 0.005, 0.0005])
    more = "finetune.schedule = 'steps'", "finetune.milestone_factor = 0.3"
    found = derive(model_dir, records, *more)
    np.testing.assert_allclose(eval(found["labelled/piecewise.values"]), [0.05, 0.015, 0.0045])


def test_the_view_is_augmented_as_asked(model_dir, records):
    found = derive(model_dir, records, "finetune.augmentations = [@random_flip, @gaussian_blur]")
    assert "'augmentations': [@random_flip, @gaussian_blur]" in found["labelled/view_of.changes"]


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("finetune.optimizer = 'sdg'", "optimizer = 'sdg': expected one of sgd.*mean sgd"),
        ("finetune.optimizer_arguments = {'beta': 0.5}", "'sgd' takes no beta"),
        ("finetune.schedule = 'cos'", "schedule = 'cos': expected one of cosine, steps"),
        ("finetune.layer_decay = 2.0", "layer_decay = 2.0"),
        ("finetune.milestone_factor = 1.5", "milestone_factor = 1.5: expected above 0 and below 1"),
        ("finetune.held_out_every = 1", "held_out_every = 1: expected None or"),
        ("finetune.batch_size = 0", "batch_size = 0: expected a number above 0"),
    ],
)
def test_settings_that_cannot_be_used_are_named(model_dir, records, binding, message):
    with pytest.raises(UserError, match=message):
        derive(model_dir, records, binding)


def test_a_function_cannot_be_fine_tuned(model_dir, records, tmp_path):
    probe = make_blind_probe(model_dir, tmp_path, models.FUNCTION)
    with pytest.raises(UserError, match="a function has no weights"):
        finetune.finetune(probe, records)


@pytest.mark.parametrize(
    ("code", "error"), [(INTERRUPTED, KeyboardInterrupt), (PREEMPTED, SystemExit)]
)
def test_an_interruption_is_passed_on(model_dir, records, tmp_path, monkeypatch, code, error):
    def interrupted(folder, interruption):
        interruption.exit_code = code
        return False

    monkeypatch.setattr(labelled_run.run, "train", interrupted)
    probe = make_blind_probe(model_dir, tmp_path)
    before = gin.config_str()
    with pytest.raises(error):
        finetune.finetune(probe, records)
    assert gin.config_str() == before


def test_official_folds_are_never_mixed(model_dir, tmp_path, monkeypatch):
    folds = {f"fold{number}": 2 for number in (1, 2, 3)}
    folder = str(coloured_records.write(tmp_path / "records", folds))
    trained = []

    def train(probe, kind, derived):
        with config.kept():
            derived.load()
            trained.append(config_changes._bindings(gin.config_str())["train.split"])
        return "run"

    def test(bank, split, loaded):
        labels = bank.labels(split)
        keys = np.array([f"{split}/{number}" for number in range(len(labels))])
        features = np.zeros((len(labels), 1, 2), np.float32)
        return ClipFeatures(features, labels, keys, keys, 0), [np.eye(2)[labels]] * len(loaded)

    monkeypatch.setattr(labelled_run, "train", train)
    monkeypatch.setattr(labelled_run, "load", lambda *_: types.SimpleNamespace(step=24))
    monkeypatch.setattr(labelled_run, "test", test)
    found = official.over_official_splits(finetune.finetune)(make_blind_probe(model_dir), folder)
    assert trained == ["'fold2+fold3'", "'fold1+fold3'", "'fold1+fold2'"]
    tested = [split["settings"]["test_split"] for split in found.metrics["splits"]]
    assert tested == ["fold1", "fold2", "fold3"]
    assert found.metrics["top1"] == 1.0


@pytest.mark.long
def test_permuted_test_labels_change_the_score_alone(model_dir, outcome, tmp_path):
    folder = str(coloured_records.write(tmp_path / "records", CLIPS, labels=[1, 0]))
    permuted = finetune.finetune(make_probe(model_dir, tmp_path), folder)
    decisions = [each.predictions.decisions for each in (outcome, permuted)]
    np.testing.assert_allclose(*decisions, atol=1e-2)
    assert permuted.settings["best_step"] == outcome.settings["best_step"]
    assert permuted.metrics["top1"] == pytest.approx(1 - outcome.metrics["top1"])
    assert permuted.metrics["top1"] != outcome.metrics["top1"]


@pytest.mark.long
def test_the_supervised_baseline_has_the_runs_own_settings(model_dir, records, tmp_path):
    bindings = ["sgd.multipliers = {'predictor/': 10.0}"]
    probe = make_probe(model_dir, tmp_path, *bindings, baseline="supervised")
    bank = supervised.trained(FeatureBank(probe, records), "train")
    (folder,) = (tmp_path / "supervised").iterdir()
    assert folder.name.startswith(pathlib.Path(records).name)
    settings = config_changes._bindings((folder / recipe.OPERATIVE_CONFIG_FILE).read_text())
    expected = {"train.num_steps": "6", "train.batch_size": "4", "sgd.learning_rate": "0.05"}
    expected.update({"train.initial_weights": "None", "train.split": "'train'"})
    assert expected.items() <= settings.items()
    run = labelled_run.load(probe, str(folder), "last")
    assert (run.step, type(run.objective)) == (6, Supervised)
    x = tf.random.stateless_uniform((2, *probe.view.shape), (0, 0))
    np.testing.assert_allclose(
        bank.probe.backbone.embed(x), run.objective.embed("narrow", x), rtol=1e-5
    )
    initial = make_probe(model_dir, tmp_path, baseline="random")
    assert np.abs(bank.probe.backbone.embed(x) - initial.embed(x)).max() > 1e-3
    again = supervised.trained(FeatureBank(probe, records), "train")
    assert again.probe.backbone.weights == bank.probe.backbone.weights != probe.backbone.weights

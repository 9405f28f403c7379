"""A run that is trained for an evaluation is of the weights, data and settings that it begins with."""

import dataclasses
import json
import os
import pathlib
import shutil

import coloured_records
import gin
import pytest
import untrained_run

from brave_tf.errors import UserError
from brave_tf.evaluation.features.probe import load_probes
from brave_tf.evaluation.protocols import finetune, finetune_recipe, labelled_run
from brave_tf.interop import models, saved_model
from brave_tf.storage.files import NotWrittenError
from brave_tf.training import checkpoints, recipe
from brave_tf.training.checkpoints import SaveError

BINDINGS = [
    "finetune.num_steps = 4",
    "finetune.batch_size = 4",
    "finetune.measurements = 2",
    "finetune.held_out_every = None",
    "eval_windows.num_frames = 4",
    "eval_windows.temporal_crops = 1",
]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with a run `model`, its export `exported`, and `clips`."""
    folder = tmp_path_factory.mktemp("labelled")
    model_dir = untrained_run.write_run(folder)
    saved_model.export_run(str(model_dir), str(folder / "exported"))
    coloured_records.write(folder / "clips", {"train": 6, "test": 2})
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "here")


@pytest.fixture
def trained(monkeypatch):
    """What has been trained: folder, initial weights, and whether it went on from a checkpoint."""
    found = []

    def train(folder, interruption):
        files = pathlib.Path(folder) / "checkpoints"
        begun = files.is_dir()
        found.append((folder, gin.query_parameter("train.initial_weights"), begun))
        files.mkdir(exist_ok=True)
        (files / "step-2.index").touch()
        return True

    monkeypatch.setattr(labelled_run.run, "train", train)
    return found


def load(folder, model="model", kind=models.RUN, bindings=(), **changes):
    of = models.ModelSource(os.path.join(folder, model), kind, **changes)
    models.configure(of, [], [*BINDINGS, *bindings])
    probe, _ = load_probes(of, of.views())
    return dataclasses.replace(probe("narrow"), output=os.path.join(folder, "out"))


def train(folder, *arguments, clips="clips", probe=None, **changes):
    probe = probe or load(folder, *arguments, **changes)
    settings, data = finetune_recipe.FineTuning(), os.path.join(folder, clips)
    derived = finetune_recipe.derive(settings, probe, probe.view, data, 6, 2)
    return labelled_run.train(probe, "finetune", derived)


def test_the_same_goes_on(folder, trained):
    assert train(folder) == train(folder)
    assert [begun for *_, begun in trained] == [False, True]


def test_another_path_to_the_same_goes_on(folder, trained, monkeypatch):
    first = train(str(folder))
    monkeypatch.chdir(folder / "exported")
    (folder / "of_cats").symlink_to("clips")
    assert os.path.samefile(train("..", clips="of_cats"), first)
    shutil.copytree(folder / "clips", folder / "copied")
    assert os.path.samefile(train("..", clips="copied"), first)
    # Where it began is where its recipe says, or it would not be resumed.
    assert [weights for _, weights, _ in trained] == [str(folder / "model")] * 3


def test_a_moved_output_goes_on(folder, trained, tmp_path):
    train(folder)
    shutil.move(folder, tmp_path / "moved")
    train(tmp_path / "moved")
    assert [begun for *_, begun in trained] == [False, True]


def test_the_export_of_a_checkpoint_goes_on_where_the_run_has_begun(folder, trained):
    assert train(folder) == train(folder, "exported", models.EXPORTED)


def test_an_export_that_was_overwritten_begins_anew(folder, trained):
    train(folder, "exported", models.EXPORTED)
    untrained_run.change_weights(folder / "model", 1.5)
    saved_model.export_run(str(folder / "model"), str(folder / "exported"), overwrite=True)
    train(folder, "exported", models.EXPORTED)
    (first, _, _), (second, _, begun) = trained
    assert first != second and not begun


def test_a_run_that_was_trained_anew_begins_anew(folder, trained):
    train(folder)
    untrained_run.change_weights(folder / "model", 1.5)
    train(folder)
    (first, _, _), (second, _, begun) = trained
    assert first != second and not begun


@pytest.mark.parametrize(
    "binding",
    ["finetune.learning_rate = 0.5", "narrow/RgbView.frame_step = 2", "finetune.seed = 9"],
)
def test_other_settings_begin_anew(folder, trained, binding):
    train(folder)
    train(folder, bindings=[binding])
    assert len({folder for folder, *_ in trained}) == 2


def test_other_data_in_the_same_folder_begin_anew(folder, trained):
    train(folder)
    coloured_records.write(folder / "clips", {"train": 8, "test": 2})
    train(folder)
    assert len({folder for folder, *_ in trained}) == 2


def test_other_test_clips_change_no_training(folder, trained):
    coloured_records.write(folder / "alone", {"train": 6})
    train(folder, clips="alone")
    shutil.copytree(folder / "alone", folder / "both")
    content = json.loads((folder / "alone" / "dataset.json").read_text())
    content["splits"]["more"] = {**content["splits"]["train"], "shards": []}
    (folder / "both" / "dataset.json").write_text(json.dumps(content))
    train(folder, clips="both")
    assert len({folder for folder, *_ in trained}) == 1


def test_what_it_begins_with_is_noted_before_it_is_trained(folder, monkeypatch):
    probe = load(folder)

    def killed(run_folder, interruption):
        record = json.loads((pathlib.Path(run_folder) / "begins_with.json").read_text())
        assert record["begins_with"]["weights"] == probe.backbone.weights
        raise RuntimeError("killed")

    monkeypatch.setattr(labelled_run.run, "train", killed)
    with pytest.raises(RuntimeError, match="killed"):
        train(folder, probe=probe)


@pytest.mark.parametrize("text", [None, "{", '{"begins_with": {"weights": "aa"}, "paths": {}}'])
def test_a_run_that_began_with_something_else_is_not_gone_on_with(folder, trained, text, caplog):
    first = train(folder)
    record = pathlib.Path(first) / "begins_with.json"
    record.unlink() if text is None else record.write_text(text)
    second = train(folder)
    assert second == train(folder) != first
    assert [begun for *_, begun in trained] == [False, False, True]
    assert f"{first}: what it began with is not known" in caplog.text


@pytest.mark.parametrize("model", ["model", "exported"])
def test_a_model_that_changes_during_the_evaluation_is_refused(folder, trained, model):
    probe = load(folder, model, models.RUN if model == "model" else models.EXPORTED)
    untrained_run.change_weights(folder / "model", 1.5)
    saved_model.export_run(str(folder / "model"), str(folder / "exported"), overwrite=True)
    models.configure(probe.backbone.source, [], BINDINGS)
    with pytest.raises(
        UserError, match=f"{model} holds another model than when the evaluation began"
    ):
        train(folder, probe=probe)
    assert not trained


def test_the_checkpoint_is_the_one_that_was_loaded(folder, trained):
    probe = load(folder)
    objective = recipe.load_run(str(folder / "model")).objective
    checkpoints.save_weights(objective, str(folder / "model"), 9)
    models.configure(probe.backbone.source, [], BINDINGS)
    settings = finetune_recipe.FineTuning()
    finetune_recipe.derive(settings, probe, probe.view, str(folder / "clips"), 6, 2).load()
    assert gin.query_parameter("train.initial_checkpoint") == str(untrained_run.STEP)


def test_a_full_disk_ends_with_the_code_of_what_can_go_on(folder, monkeypatch):
    def full(folder, interruption):
        raise SaveError("checkpoint step-2 could not be written: No space left on device.")

    monkeypatch.setattr(labelled_run.run, "train", full)
    with pytest.raises(NotWrittenError, match="step-2 could not be written") as told:
        train(folder)
    assert told.value.exit_code == 1


@pytest.mark.series
def test_each_of_two_exports_in_one_folder_is_fine_tuned_and_scored(folder):
    def tuned():
        probe = load(folder, "exported", models.EXPORTED)
        return finetune.finetune(probe, str(folder / "clips"))

    first, again = tuned(), tuned()
    assert first.settings["run"] == again.settings["run"]
    assert (first.predictions.decisions == again.predictions.decisions).all()
    untrained_run.change_weights(folder / "model", 3.0)
    saved_model.export_run(str(folder / "model"), str(folder / "exported"), overwrite=True)
    second = tuned()
    assert second.settings["run"] != first.settings["run"]
    assert abs(second.predictions.decisions - first.predictions.decisions).max() > 1e-3


@pytest.mark.series
def test_a_run_is_resumed_by_another_path(folder, monkeypatch):
    """The checkpoints of a shorter run stand for those of one that was interrupted."""
    first = train(str(folder))
    for path in pathlib.Path(first, "checkpoints").glob("step-4*"):
        path.unlink()
    monkeypatch.chdir(folder / "exported")
    second = train("..")
    assert os.path.samefile(first, second)
    assert recipe.load_run(second).step == 4

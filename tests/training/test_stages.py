"""Recipes of several stages: each a run, which begins with parts of those before it."""

import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.training import run, stage_record, stages
from brave_tf.training.interruption import Interruption
from brave_tf.training.recipe import load_run

STAGED = """
import brave_tf.training.stages
include 'common.gin'

Stages.stages = [@first/Stage(), @second/Stage(), @third/Stage()]
first/Stage.name = 'first'
first/Stage.recipe = 'first.gin'
second/Stage.name = 'second'
second/Stage.recipe = 'second.gin'
second/Stage.begins_with = {'backbones': 'first', 'bank': ('first', 'bank')}
third/Stage.name = 'third'
third/Stage.recipe = 'second.gin'
third/Stage.begins_with = {'backbones': 'second', 'bank': 'first'}
"""
# Two linear layers on the mean of a spectrogram, with a bank of which each clip has a row.
COMMON = """
import clustering
Recipe.objective = @Clustering
Recipe.views = {'broad_audio': @broad_audio/AudioView()}
Clustering.backbones = {'broad_audio': @pooled()}
FeatureSnapshots.times = 0
train.deterministic = True
train.strategy = 'one_device'
sgd.learning_rate = 0.005
"""
KEPT = ("import", "broad_audio/AudioView", "broad_audio/LogMel", "train.", "sgd.")
NAMES = ("first", "second", "third")
FIRST = """
train.num_steps = 4
train.optimizer = @sgd
"""
SECOND = """
import brave_tf.training.optimizers.adam
train.optimizer = @adam
adam.learning_rate = 0.001
train.num_steps = %LATER
LATER = 2
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny_run.write_records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def recipe(tmp_path_factory, records):
    """Returns the path of the recipe; its stages lie beside it, where nobody else would look."""
    folder = tmp_path_factory.mktemp("recipes")
    lines = tiny_run.write_recipe(folder, records).read_text().splitlines()
    common = "\n".join([*(line for line in lines if line.startswith(KEPT)), COMMON])
    texts = {"common": common, "staged": STAGED, "first": FIRST, "second": SECOND}
    for name, text in texts.items():
        (folder / f"{name}.gin").write_text(text)
    return str(folder / "staged.gin")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, recipe):
    """Returns the folder of a run of all stages."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert stages.train(read(recipe), str(folder))
    return folder


def read(recipe, *bindings):
    return stages.read_stages([recipe], bindings)


def weights(folder):
    return load_run(str(folder)).objective.get_weights()


def equal(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two))


class StoppedAfter(Interruption):
    """Asks a run to stop after so many steps in all."""

    def __init__(self, steps):
        super().__init__()
        self._left = steps

    def under_way(self):
        self._left -= 1
        if not self._left:
            self.exit_code = 130
        return super().under_way()


def test_each_stage_is_a_run_that_begins_with_parts_of_those_before(recipe, whole, tmp_path):
    first, second, third = (load_run(str(whole / name)) for name in NAMES)
    assert (first.step, second.step, third.step) == (4, 2, 2)
    assert stage_record.stage_folders(str(whole)) == [str(whole / name) for name in NAMES]
    # What the second stage is: a run of its configuration from the parts of the first one.
    alone = str(tmp_path / "alone")
    parts = dict.fromkeys(("backbones", "bank"), str(whole / "first"))
    files = [str(pathlib.Path(recipe).with_name(f"{name}.gin")) for name in ("common", "second")]
    config.load_config(files, [f"train.initial_parts = {parts}"])
    assert run.train(alone)
    assert equal(weights(alone), second.objective.get_weights())
    assert not equal(weights(alone), third.objective.get_weights())


def test_stopped_in_a_stage_and_moved_it_goes_on_to_the_same_weights(
    recipe, whole, tmp_path, capsys
):
    with StoppedAfter(5) as interruption:
        assert not stages.train(read(recipe), str(tmp_path / "parts"), interruption=interruption)
    shutil.move(tmp_path / "parts", tmp_path / "moved")
    capsys.readouterr()
    assert stages.train(read(recipe), str(tmp_path / "moved"))
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("stage ")]
    assert said == [
        "stage 1 of 3, first: complete",
        f"stage 2 of 3, second: {tmp_path / 'moved' / 'second'}",
        f"stage 3 of 3, third: {tmp_path / 'moved' / 'third'}",
    ]
    for name in NAMES:
        assert equal(weights(whole / name), weights(tmp_path / "moved" / name))


def test_a_stage_that_was_trained_anew_is_not_taken_for_the_one_before(recipe, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "run")
    # What is there now is complete, and another run.
    (tmp_path / "run" / "first" / "run.json").write_text('{"id": "another"}')
    with pytest.raises(UserError, match="second began with first, but not with the weights"):
        stages.train(read(recipe), str(tmp_path / "run"))


def test_a_complete_run_is_left_as_it_is(recipe, whole, capsys):
    before = (whole / stage_record.STAGES_FILE).read_bytes()
    assert stages.train(read(recipe), str(whole))
    said = capsys.readouterr().out.splitlines()
    assert said == [f"stage {i} of 3, {name}: complete" for i, name in enumerate(NAMES, start=1)]
    assert (whole / stage_record.STAGES_FILE).read_bytes() == before


def test_bindings_count_where_a_stage_has_a_use_for_them(recipe, tmp_path):
    # The first stage has another optimizer, and no such macro.
    staged = read(recipe, "adam.learning_rate = 0.5", "LATER = 3", "sgd.learning_rate = 0.25")
    staged.check()
    staged.load(staged.stages[1])
    assert config.is_bound("adam.learning_rate")


@pytest.mark.parametrize(
    ("binding", "words"),
    [
        ("NOTHING = 3", "NOTHING would have no effect"),
        ("broad_video/RgbView.size = 32", "no reference uses the scope 'broad_video'"),
        ("adam.learning_rate = 'fast'", "adam.learning_rate"),
        ("adma.learning_rate = 0.1", "adma"),
        ("train.split = 'trian'", "trian"),
    ],
)
def test_mistakes_are_found_before_the_first_stage(recipe, tmp_path, binding, words):
    with pytest.raises(UserError, match=words):
        stages.train(read(recipe, binding), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Stages.stages = []", "expected one stage or more"),
        ("Stages.stages = [3]", "expected one stage or more"),
        ("second/Stage.name = 'first'", "'first': expected names of folders that differ"),
        ("second/Stage.name = '../first'", "expected names of folders"),
        ("second/Stage.begins_with = {'backbones': 'frist'}", "'frist': .*Did you mean first"),
        ("first/Stage.begins_with = {'backbones': 'third'}", "'third': expected a stage before it"),
        ("second/Stage.recipe = 'secnd.gin'", "secnd.gin"),
    ],
)
def test_stages_that_cannot_be(recipe, tmp_path, text, words):
    with pytest.raises(UserError, match=words):
        stages.train(read(recipe, text), str(tmp_path / "run"))


def test_nothing_is_said_of_how_gin_finds_files(recipe, caplog):
    read(recipe)
    assert not caplog.records


def test_several_processes_are_refused(recipe, tmp_path, monkeypatch):
    cluster = '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", cluster)
    with pytest.raises(UserError, match="is trained by one process"):
        stages.train(read(recipe), str(tmp_path / "run"))


def test_other_recipes_have_no_stages(recipe):
    common = pathlib.Path(recipe).with_name("common.gin")
    assert stages.read_stages([str(common)], []) is None


@pytest.mark.parametrize("text", ["[]", "{", '{"first": {"begins_with": 3}}'])
def test_a_damaged_record_is_refused(recipe, tmp_path, text):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / stage_record.STAGES_FILE).write_text(text)
    with pytest.raises(UserError, match="stages.json is damaged"):
        stages.train(read(recipe), str(tmp_path / "run"))


def test_who_asks_for_the_whole_is_told_of_the_stages(whole):
    with pytest.raises(UserError, match=f"{whole}/first, {whole}/second, {whole}/third"):
        load_run(str(whole))


def test_layers_are_called_as_in_a_run_of_its_own(whole):
    names = [
        {name for name, _ in tf.train.list_variables(str(whole / stage / "checkpoints" / "step-2"))}
        for stage in ("second", "third")
    ]
    assert names[0] == names[1]

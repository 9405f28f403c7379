"""Occasions in runs: features of all clips by row, in time, once, and again after an interruption."""

import pathlib
import subprocess
import sys

import clustering
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from brave_tf import config
from brave_tf.data.sources.kinds import open_source
from brave_tf.errors import UserError
from brave_tf.features import extraction
from brave_tf.objectives.occasions import EveryEpochs
from brave_tf.training import recipe
from brave_tf.training.input_wait import InputWait
from brave_tf.training.interruption import Interruption
from brave_tf.training.run import train

PROGRAM = pathlib.Path(tiny_run.__file__).with_name("occasion_runs.py")
CLIPS, STEPS = 12, 5
BINDINGS = f"""
import pathlib
import subprocess
import sys

import clustering
Recipe.objective = @Clustering
Recipe.views = {{'broad_audio': @broad_audio/AudioView()}}
Clustering.backbones = {{'broad_audio': @pooled()}}
FeatureSnapshots.times = 0
train.deterministic = True
train.strategy = 'one_device'
train.num_steps = {STEPS}
train.checkpoint_every = 3
sgd.learning_rate = 0.005
"""
EVERY_EPOCH = "Clustering.occasions = [@EveryEpochs()]"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny_run.write_records(tmp_path_factory.mktemp("records"))


def write(folder, records, extra=""):
    folder.mkdir(exist_ok=True)
    path = tiny_run.write_recipe(folder, records)
    views = "Recipe.views = {'narrow': @narrow/RgbView(), 'broad_audio': @broad_audio/AudioView()}"
    kept = ("import", "broad_audio/AudioView", "broad_audio/LogMel", "train.", "sgd.")
    lines = [each for each in path.read_text().splitlines() if each.startswith(kept)]
    path.write_text("\n".join([*lines, BINDINGS, extra]).replace(views, ""))
    return path


def load(folder, records, *bindings):
    path = write(folder, records)
    config.load_config([str(path)], list(bindings), for_training=True)


def run(folder, records, *bindings, name="model"):
    load(folder, records, *bindings)
    return train(str(folder / name))


def state(folder, name="model"):
    path = tf.train.latest_checkpoint(str(folder / name / "checkpoints"))
    reader = tf.train.load_checkpoint(path)
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name.partition("/.ATTR")[0]: reader.get_tensor(name) for name in names}


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    for key in expected:
        assert found[key].tobytes() == expected[key].tobytes(), key


def saved_step(folder):
    path = tf.train.latest_checkpoint(str(folder / "model" / "checkpoints"))
    return int(path.rpartition("-")[2])


@pytest.fixture(scope="module")
def whole(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder, records, EVERY_EPOCH)
    return folder


def test_occasions_happen_and_checkpoints_say_which(whole):
    found = state(whole)
    # An epoch of 12 clips has 3 batches.
    assert [found[f"objective/occasions/{number}/times"] for number in (0, 1)] == [1, 1]
    assert [found[f"objective/occasions/{number}/last_step"] for number in (0, 1)] == [0, 3]
    assert set(found["objective/labels/values"]) <= {0, 1, 2}
    assert not (whole / "model" / "occasion_features").exists()


def test_features_are_those_of_single_clips_in_the_order_of_rows(whole, records):
    """Embeds clip by clip what the split holds in the order of its shards."""
    load(whole, records, EVERY_EPOCH)
    view = recipe.bound(recipe.Recipe).views["broad_audio"]
    objective = recipe.load_run(str(whole / "model"), restore=False).objective
    stream = open_source(str(records)).stream("train", {"broad_audio": view})
    expected = [
        objective.embed("broad_audio", view.crops(stream.parse(item), 1, 1))[0]
        for item, _ in stream.once(0)
    ]
    first = state(whole)["objective/first"]
    assert first.shape == (CLIPS, 16) and len(np.unique(first, axis=0)) == CLIPS
    np.testing.assert_allclose(first, np.stack(expected), rtol=1e-4, atol=1e-6)


class KilledError(BaseException):
    """Stands for what ends a process at once."""


def killed_at(monkeypatch, batch):
    """Has the extraction of features end at this batch of those to come, from now on."""
    forward, seen = extraction._forward, [0]

    def counted(*args):
        embed = forward(*args)

        def run(windows):
            seen[0] += 1
            if seen[0] == batch:
                raise KilledError
            return embed(windows)

        return run

    monkeypatch.setattr(extraction, "_forward", counted)
    return seen


def asked_to_stop_at(monkeypatch, batch):
    look, seen = InputWait.look, [0]

    def asked(self):
        seen[0] += 1
        if seen[0] == batch:
            self._interruption.exit_code = 143
        look(self)

    monkeypatch.setattr(InputWait, "look", asked)


def test_a_run_that_is_killed_in_the_middle_of_them_ends_with_the_same_bits(
    whole, records, tmp_path, monkeypatch
):
    # There are 3 batches of features at the start, and 3 after the third step. Of the first ones the last is
    # made twice, and the one before, which was on its way.
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        killed_at(patch, 3)
        run(tmp_path, records, EVERY_EPOCH)
    assert saved_step(tmp_path) == 0
    with monkeypatch.context() as patch:
        asked_to_stop_at(patch, 5)
        assert not run(tmp_path, records, EVERY_EPOCH)
    assert saved_step(tmp_path) == 3
    seen = killed_at(monkeypatch, 0)
    assert run(tmp_path, records, EVERY_EPOCH)
    assert seen[0] == 2
    assert_same_bits(state(tmp_path), state(whole))


def test_an_occasion_that_fails_leaves_the_state_before_it(whole, records, tmp_path, monkeypatch):
    cluster = clustering.Clustering.on_occasion

    def fail(self, occasion, features):
        cluster(self, occasion, features)
        if isinstance(occasion, EveryEpochs):
            raise OSError("no space for clusters")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space for clusters"):
        patch.setattr(clustering.Clustering, "on_occasion", fail)
        run(tmp_path, records, EVERY_EPOCH)
    found = state(tmp_path)
    assert found["objective/occasions/1/times"] == 0
    assert found["optimizer/_iterations"] == 3
    assert run(tmp_path, records, EVERY_EPOCH)
    assert_same_bits(state(tmp_path), state(whole))


SATURATED = (
    "Clustering.occasions = [@WhenSaturated()]",
    # No loss is a hundred times lower than another: every second one is one too many.
    "WhenSaturated.patience = 1",
    "WhenSaturated.least = 100.0",
    "train.held_out_split = 'test'",
    "train.held_out_batches = 1",
    "train.checkpoint_every = 1",
)


class StoppedAfter(Interruption):
    """Asks a run to stop after a step."""

    def __init__(self, step):
        super().__init__()
        self._left = step

    def under_way(self):
        super().under_way()
        self._left -= 1
        if not self._left:
            self.exit_code = 143


def test_one_that_follows_the_loss_comes_in_time_in_a_run_that_was_asked_to_stop(records, tmp_path):
    assert run(tmp_path, records, *SATURATED, name="whole")
    load(tmp_path, records, *SATURATED)
    with StoppedAfter(3) as interruption:
        assert not train(str(tmp_path / "model"), interruption=interruption)
    assert state(tmp_path)["objective/occasions/1/measured_step"] == 2
    assert run(tmp_path, records, *SATURATED)
    found, expected = state(tmp_path), state(tmp_path, "whole")
    assert expected["objective/occasions/1/times"] == 2
    assert expected["objective/occasions/1/last_step"] == 4
    assert_same_bits(found, expected)


@pytest.mark.parametrize(
    ("occasions", "message"),
    [
        ("[@WhenSaturated()]", "WhenSaturated follows the loss .* bind train.held_out_every"),
        ("[@AtStart()]\nAtStart.views = ['narow']", "AtStart asks for features of view 'narow'"),
    ],
)
def test_occasions_that_cannot_come_are_refused_before_the_run(
    records, tmp_path, occasions, message
):
    with pytest.raises(UserError, match=f"Clustering.occasions: {message}"):
        run(tmp_path, records, *f"Clustering.occasions = {occasions}".split("\n"))
    assert not (tmp_path / "model" / "checkpoints").exists()


@pytest.fixture(scope="module")
def several(tmp_path_factory, records):
    """What devices and processes end with."""
    folder = tmp_path_factory.mktemp("several")
    path = write(folder, records, EVERY_EPOCH)
    done = subprocess.run([sys.executable, PROGRAM, path, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-10000:]
    return {path.stem: dict(np.load(path)) for path in folder.glob("*.npz")}


@pytest.mark.series
@pytest.mark.parametrize("over", ["two_devices", "four_devices"])
def test_devices_end_with_the_state_of_one(several, over):
    assert several[over].keys() == several["one_device"].keys()
    for name, value in several["one_device"].items():
        scale = max(1e-2, np.abs(value.astype("f8")).max())
        assert np.abs(several[over][name].astype("f8") - value).max() / scale < 1e-3, name


@pytest.mark.series
def test_processes_share_features_and_end_with_the_same_state(several):
    (first,) = (name for name in several["one_device"] if "first" in name)
    np.testing.assert_allclose(
        several["whole-0"][first], several["one_device"][first], rtol=1e-4, atol=1e-6
    )
    assert_same_bits(several["whole-1"], several["whole-0"])


@pytest.mark.series
def test_a_pair_of_which_one_is_killed_in_an_occasion_ends_with_the_same_bits(several):
    assert_same_bits(several["parts-0"], several["whole-0"])
    assert_same_bits(several["parts-1"], several["whole-0"])

"""Occasions in runs: features of all clips by row, in time, once, and again after an interruption."""

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
from brave_tf.training.run import train

CLIPS, STEPS = 12, 8
BINDINGS = f"""
import clustering
Recipe.objective = @Clustering
Recipe.views = {{'broad_audio': @broad_audio/AudioView()}}
Clustering.backbones = {{'broad_audio': @pooled()}}
FeatureSnapshots.times = 0
train.deterministic = True
train.strategy = 'one_device'
train.num_steps = {STEPS}
train.checkpoint_every = 3
"""
EVERY_EPOCH = "Clustering.occasions = [@EveryEpochs()]"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny_run.write_records(tmp_path_factory.mktemp("records"))


def load(folder, records, *bindings):
    folder.mkdir(exist_ok=True)
    path = tiny_run.write_recipe(folder, records)
    views = "Recipe.views = {'narrow': @narrow/RgbView(), 'broad_audio': @broad_audio/AudioView()}"
    kept = ("import", "broad_audio/AudioView", "broad_audio/LogMel", "train.", "sgd.")
    lines = [each for each in path.read_text().splitlines() if each.startswith(kept)]
    path.write_text("\n".join([*lines, BINDINGS]).replace(views, ""))
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


@pytest.fixture(scope="module")
def whole(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder, records, EVERY_EPOCH)
    return folder


def test_occasions_happen_and_checkpoints_say_which(whole):
    found = state(whole)
    # An epoch of 12 clips has 3 batches; none begins after the last step.
    assert found["objective/occasions/0/times"] == 1
    assert found["objective/occasions/1/times"] == 2
    assert found["objective/occasions/1/last_step"] == 6
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


@pytest.mark.parametrize("batch", [3, 9])
def test_a_run_that_is_killed_in_the_middle_of_one_ends_with_the_same_bits(
    whole, records, tmp_path, monkeypatch, batch
):
    with monkeypatch.context() as patch:
        killed_at(patch, batch)
        with pytest.raises(KilledError):
            run(tmp_path, records, EVERY_EPOCH)
    # The first occasion is at the start, the third after step 6; there are 3 batches in each.
    saved = tf.train.latest_checkpoint(str(tmp_path / "model" / "checkpoints"))
    assert saved.endswith({3: "step-0", 9: "step-6"}[batch])
    seen = killed_at(monkeypatch, 0)
    assert run(tmp_path, records, EVERY_EPOCH)
    # The batch before was on its way; those before it are not computed again.
    assert seen[0] == {3: 8, 9: 2}[batch]
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

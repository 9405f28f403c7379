"""Runs of an objective that keeps something for each clip."""

import json

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf
import tiny_run

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.training.run import train

BANK = """
import clip_bank
Recipe.objective = @ClipBank
Recipe.views = {'broad_audio': @broad_audio/AudioView()}
ClipBank.backbones = {'broad_audio': @broad_audio/audio_light()}
broad_audio/audio_light.widths = (8,)
broad_audio/audio_light.blocks = (1,)
train.deterministic = True
train.strategy = 'one_device'
train.batch_size = 5
"""
STEPS = 6


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny_run.write_records(tmp_path_factory.mktemp("records"))


def run(folder, records, *bindings, name="model", allow_changes=False):
    folder.mkdir(exist_ok=True)
    recipe = tiny_run.write_recipe(folder, records)
    recipe.write_text(recipe.read_text().split("Recipe.views")[0] + BANK + tail(recipe))
    config.load_config([str(recipe)], list(bindings), for_training=True)
    return train(str(folder / name), allow_changes)


def tail(recipe):
    """What the tiny recipe binds of training and of sound."""
    kept = ("train.", "sgd.", "broad_audio/AudioView", "broad_audio/LogMel")
    lines = recipe.read_text().splitlines()
    mine = ("train.batch_size",)
    return "\n".join(line for line in lines if line.startswith(kept) and not line.startswith(mine))


def state(folder, name="model"):
    path = tf.train.latest_checkpoint(str(folder / name / "checkpoints"))
    reader = tf.train.load_checkpoint(path)
    return {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map()}


def value(found, name):
    (key,) = (key for key in found if f"/{name}/" in key and "optimizer" not in key)
    return found[key]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("whole")
    assert run(folder, records, "train.held_out_split = 'test'")
    return folder


def test_each_step_has_other_rows_and_the_checkpoint_says_of_what(whole):
    found = state(whole)
    # Two batches of five to an epoch of twelve clips.
    assert value(found, "times").sum() == 5 * STEPS
    assert value(found, "times").max() <= 3
    manifest = json.loads((whole / "model" / "checkpoints" / f"step-{STEPS}.json").read_text())
    assert manifest["rows"]["count"] == 12 and len(manifest["rows"]["digest"]) == 64
    # All clips were written with one path.
    assert len(set(value(found, "groups")[value(found, "times") > 0])) == 1


def test_a_resumed_run_ends_as_one_that_was_not_disturbed(whole, records, tmp_path):
    run(tmp_path, records, "train.held_out_split = 'test'", "train.num_steps = 4")
    run(tmp_path, records, "train.held_out_split = 'test'")
    found, expected = state(tmp_path), state(whole)
    assert found.keys() == expected.keys()
    for key in found:
        if isinstance(found[key], np.ndarray):
            np.testing.assert_array_equal(found[key], expected[key], err_msg=key)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        (13, "rows of 12 clips, but there are 13 now"),
        (12, r"rows of 12 clips too, but others or in another order \(digest"),
    ],
)
def test_a_run_does_not_go_on_with_other_clips(records, tmp_path, clips, message):
    run(tmp_path, records, "train.num_steps = 2")
    other = tmp_path / "other"
    sound = np.random.default_rng(0).normal(0, 0.1, 6400).astype(np.float32)
    made = [
        record_fixtures.record(audio=sound, sample_rate=8000.0, path=f"{number}.wav")
        for number in range(clips)
    ]
    settings = {"audio": "float", "sample_rate": 8000}
    record_fixtures.write_shards(other, made, 2, settings=settings)
    with pytest.raises(UserError, match=message):
        run(tmp_path, other, f"ClipBank.num_clips = {clips}", allow_changes=True)


def test_an_objective_for_another_number_of_clips(records, tmp_path):
    with pytest.raises(UserError, match="ClipBank.num_clips = 11: 12 clips of split 'train'"):
        run(tmp_path, records, "ClipBank.num_clips = 11")
    assert not list(tmp_path.glob("model/checkpoints/*"))
    with pytest.raises(UserError, match="ClipBank.num_clips = 12: 8 clips .* Bind that number"):
        run(tmp_path, records, "train.held_out_every = 3", name="held_out")


def test_a_batch_larger_than_the_split(records, tmp_path):
    with pytest.raises(UserError, match="has 12 clips, but 16 of each batch"):
        run(tmp_path, records, "train.batch_size = 16")

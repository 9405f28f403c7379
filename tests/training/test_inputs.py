"""Which clips a process of a run is given for which step."""

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from brave_tf import config
from brave_tf.training.inputs import Inputs
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

SOUND_ALONE = "Recipe.views = {'broad_audio': @broad_audio/AudioView()}"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny_run.write_records(tmp_path_factory.mktemp("records"))


@pytest.fixture
def inputs(tmp_path, records):
    """Makes the input of a run."""

    def make(*bindings):
        path = tiny_run.write_recipe(tmp_path, records)
        config.load_config([str(path)], ["train.batch_size = 8", SOUND_ALONE, *bindings])
        return Inputs(bound(Settings), bound(Recipe))

    return make


def read(batches, count):
    """Returns the sound of so many batches."""
    return [batch["broad_audio"] for batch in batches.take(count).as_numpy_iterator()]


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        ([], 12),
        (["train.split = 'train+test'"], 24),
        (["train.split = '*'"], 24),
        (["train.held_out_every = 5"], 9),
        (["train.held_out_split = 'test'"], 12),
    ],
)
def test_clips_that_are_trained_on_are_counted(inputs, bindings, expected):
    assert inputs(*bindings).num_clips() == expected


def test_all_splits_are_read(inputs):
    both = [
        np.sort(
            np.concatenate(
                read(
                    inputs(f"train.split = '{split}'").training(0, tf.distribute.InputContext()), 3
                )
            ),
            0,
        )
        for split in ("*", "train+test")
    ]
    np.testing.assert_array_equal(*both)


def test_a_step_in_parts_has_the_clips_of_the_whole_step(inputs):
    alone = tf.distribute.InputContext()
    whole = read(inputs().training(0, alone), 3)
    cut = inputs("train.accumulate_steps = 4")
    for step in (0, 2):
        parts = read(cut.training(step, alone), 4)
        assert [len(part) for part in parts] == [2] * 4
        np.testing.assert_array_equal(np.concatenate(parts), whole[step])


def test_devices_of_one_process_divide_a_batch(inputs):
    whole = read(inputs().training(1, tf.distribute.InputContext()), 1)[0]
    two = tf.distribute.InputContext(1, 0, num_replicas_in_sync=2)
    np.testing.assert_array_equal(np.concatenate(read(inputs().training(1, two), 2)), whole)


def test_processes_share_no_clip_and_resume_where_they_were(inputs):
    seen = []
    for process in (0, 1):
        context = tf.distribute.InputContext(2, process, num_replicas_in_sync=2)
        straight = read(inputs().training(0, context), 3)
        assert [len(batch) for batch in straight] == [4] * 3
        np.testing.assert_array_equal(read(inputs().training(1, context), 2), straight[1:])
        # An epoch of 12 clips in two shards: six for each process.
        seen += [clip.tobytes() for clip in np.concatenate(straight)[:6]]
    assert len(set(seen)) == 12


def test_each_measurement_has_the_same_clips(inputs):
    held = inputs(
        "train.held_out_split = 'test'", "train.held_out_batches = 2", "train.accumulate_steps = 2"
    )
    assert held.holds_out and held.held_out_batches == 4
    # Four batches for each of two devices.
    context = tf.distribute.InputContext(1, 0, num_replicas_in_sync=2)
    batches = read(held.held_out(context), 16)
    assert {len(batch) for batch in batches} == {2}
    np.testing.assert_array_equal(batches[:8], batches[8:])
    assert len({batch.tobytes() for batch in batches[:8]}) == 8

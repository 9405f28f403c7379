"""Networks that see the clips of one process at a time, against a loop over processes."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf import errors
from brave_tf.models.norm import batch_norm
from brave_tf.objectives import processes

CLIPS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
ORDER = np.array([3, 6, 0, 2, 7, 5, 1, 4], np.int32)


def norm_of_each():
    return batch_norm(over_replicas=False, averages="plain", epsilon=1e-6)


def normalised(x):
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-6)


def test_statistics_are_of_a_process_and_the_averages_of_the_first():
    norm = norm_of_each()
    encode = lambda x: (norm(x, training=True), x)  # noqa: E731
    got, same = processes.by_process(encode, tf.constant(CLIPS), 4)
    expected = np.concatenate([normalised(each) for each in np.split(CLIPS, 2)])
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(same, CLIPS)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * CLIPS[:4].mean(axis=0), rtol=1e-4)
    whole, _ = processes.by_process(encode, tf.constant(CLIPS), None)
    np.testing.assert_allclose(whole, normalised(CLIPS), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("replicas", [1, 2])
def test_clips_meet_others_and_come_back_to_their_places(replicas):
    expected = np.zeros_like(CLIPS)
    for share in np.split(ORDER, 4):
        expected[share] = normalised(CLIPS[share])
    strategy = two_replicas() if replicas == 2 else tf.distribute.get_strategy()
    with strategy.scope():
        norm = norm_of_each()
        norm.build((None, 3))

    def encode(clips):
        def network(x):
            return norm(x, training=True)

        return processes.shuffled(network, clips, 2, lambda count: tf.constant(ORDER[:count]))

    shares = np.split(CLIPS, replicas)
    values = strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(shares[context.replica_id_in_sync_group])
    )
    found = tf.function(lambda: strategy.run(encode, args=(values,)))()
    got = np.concatenate(strategy.experimental_local_results(found))
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("size", "replicas"), [(0, 1), (3, 1), (8, 2)])
def test_processes_that_do_not_fit_a_device_are_refused(size, replicas):
    processes.check_partition("A.clips_per_process", None, 8, replicas)
    processes.check_partition("A.clips_per_process", 4, 8, replicas)
    with pytest.raises(errors.UserError, match=f"A.clips_per_process = {size}: expected a divisor"):
        processes.check_partition("A.clips_per_process", size, 8, replicas)


def test_normalisations_that_do_not_suit_processes_are_refused():
    of_each, of_all = (
        tf.keras.Sequential([tf.keras.Input((3,)), batch_norm(over_replicas=over)])
        for over in (False, True)
    )
    without = tf.keras.Sequential([tf.keras.Input((3,)), tf.keras.layers.Dense(2)])
    processes.check_norms("A.clips_per_process", 4, [of_each, without])
    processes.check_norms("A.clips_per_process", None, [of_all, without])
    with pytest.raises(errors.UserError, match="A.clips_per_process = 4, but .* over all devices"):
        processes.check_norms("A.clips_per_process", 4, [without, of_all])
    with pytest.raises(errors.UserError, match="A.clips_per_process = None, but .* by itself"):
        processes.check_norms("A.clips_per_process", None, [of_each])

"""A step over several batches is the step over all their clips."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas
from toy_models import dense_backbone

from brave_tf.objectives import base

CLIPS, STEPS = 12, 3
CLIP = np.random.default_rng(0).normal(size=(STEPS * CLIPS, 4)).astype(np.float32)


class Spread(base.Objective):
    """Without batch normalisation."""

    term_names = ("closeness",)

    def terms(self, batch, training):
        features = self(batch, training=training)
        norm = tf.reduce_sum(features["narrow"] ** 2, axis=-1)
        return base.Terms({"closeness": 1 / (1 + norm)}, features, {})


def train(parts, strategy=None, wrap=lambda optimizer: optimizer, **options):
    """Takes three steps of 12 clips, each in so many parts; returns loss of each, and the weights."""
    strategy = strategy or tf.distribute.get_strategy()
    tf.keras.utils.set_random_seed(0)
    with strategy.scope():
        objective = Spread({"narrow": dense_backbone(4, 3)})
        optimizer = tf.keras.optimizers.SGD(0.5, momentum=0.9, global_clipnorm=0.05)
        objective.compile(wrap(optimizer), parts, **options)
    size = CLIPS // parts // strategy.num_replicas_in_sync
    clips = tf.data.Dataset.from_tensor_slices({"narrow": CLIP, "label": np.zeros(len(CLIP))})
    # Just as many batches as the steps take.
    batches = strategy.distribute_datasets_from_function(lambda context: clips.batch(size))
    history = objective.fit(batches, steps_per_epoch=1, epochs=STEPS, verbose=0).history
    assert objective.step == STEPS
    return np.array(history["loss"]), objective


@pytest.fixture(scope="module")
def whole():
    loss, objective = train(1)
    return loss, [weight.numpy() for weight in objective.weights]


def check(whole, loss, objective):
    np.testing.assert_allclose(loss, whole[0], rtol=1e-6)
    assert len(objective.weights) == len(whole[1])
    for got, expected in zip(objective.weights, whole[1]):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_parts_of_a_step_equal_the_large_batch(whole, parts):
    check(whole, *train(parts))


def test_with_two_replicas(whole):
    check(whole, *train(3, two_replicas()))


def test_with_loss_scaling(whole):
    check(whole, *train(3, wrap=tf.keras.mixed_precision.LossScaleOptimizer))


def test_compiled_with_xla(whole):
    check(whole, *train(2, jit_compile=True))


def test_gradients_that_overflow_in_one_part_skip_the_step_and_are_forgotten():
    scale = tf.keras.mixed_precision.LossScaleOptimizer
    _, objective = train(3, wrap=lambda inner: scale(inner, initial_scale=2.0**40))
    clips = {"narrow": CLIP[:CLIPS].copy(), "label": np.zeros(CLIPS)}
    clips["narrow"][0] = np.inf
    before = [weight.numpy() for weight in objective.trainable_weights]
    data = tf.data.Dataset.from_tensor_slices(clips).batch(4)
    objective.fit(data, steps_per_epoch=1, verbose=0)
    for weight, value in zip(objective.trainable_weights, before):
        np.testing.assert_array_equal(weight, value)
    assert objective.step == STEPS + 1
    clips["narrow"][0] = 0
    data = tf.data.Dataset.from_tensor_slices(clips).batch(4)
    objective.fit(data, steps_per_epoch=1, verbose=0)
    assert all(np.isfinite(weight).all() for weight in objective.weights)


def test_checkpoints_hold_no_sums(tmp_path):
    names = []
    for parts in (1, 3):
        _, objective = train(parts)
        checkpoint = tf.train.Checkpoint(objective=objective, optimizer=objective.optimizer)
        path = checkpoint.save(str(tmp_path / str(parts)))
        names.append([name for name, _ in tf.train.list_variables(path)])
    assert names[0] == names[1]

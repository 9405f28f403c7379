import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf.errors import UserError
from brave_tf.models.gradient_checkpointing import backbone
from brave_tf.models.tsm_light import tsm_light


def build(stages, seed=0):
    tf.keras.utils.set_random_seed(seed)
    return tsm_light((8, 16, 16), (2, 1, 1), stem_stride=2, checkpoint_stages=stages)


def clips(size=4):
    return np.random.default_rng(0).random((size, 3, 20, 20, 3), np.float32)


def step(model, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(x, training=True) ** 3)
    return tape.gradient(loss, model.trainable_variables)


def statistics(model):
    return [w.numpy() for layer in model.layers for w in layer.non_trainable_weights]


def assert_equal(found, expected, tolerance=1e-6):
    assert len(found) == len(expected) > 10
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("stages", "eager"), [(True, False), ((1, 3), True), ([2], True)])
def test_gradients_and_statistics_after_several_steps(stages, eager):
    expected, found = build(False), build(stages)
    assert type(expected) is not type(found)
    for model in (expected, found):
        compiled = tf.function(lambda x, model=model: step(model, x))
        if eager:
            compiled = compiled.python_function
        for _ in range(3):
            gradients = compiled(clips())
            for variable, gradient in zip(model.trainable_variables, gradients):
                variable.assign_sub(0.1 * gradient)
    assert_equal([w.numpy() for w in found.weights], [w.numpy() for w in expected.weights])
    assert max(np.abs(a).max() for a in statistics(found)) > 0.1


def test_with_xla():
    compiled = [
        tf.function(lambda x, model=model: step(model, x), jit_compile=True)(clips())
        for model in (build(False), build(True))
    ]
    assert_equal(compiled[1], compiled[0], 1e-4)


def test_with_keras_batch_normalisation():
    def build(stages):
        tf.keras.utils.set_random_seed(0)
        inputs = tf.keras.Input((5,))
        x = tf.keras.layers.Dense(8, name="stem")(inputs)
        x = tf.keras.layers.BatchNormalization()(x)
        x = tf.keras.layers.Dense(8, "tanh", name="stage_1")(x)
        return backbone(inputs, tf.keras.layers.Dense(2)(x), "keras", stages)

    x = np.random.default_rng(0).normal(3, 1, (16, 5)).astype("f4")
    expected, found = build(False), build(True)
    for a, b in zip(step(found, x), step(expected, x)):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    for a, b in zip(statistics(found), statistics(expected)):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_over_two_replicas():
    strategy = two_replicas()
    results = []
    for stages in (False, True):
        with strategy.scope():
            tf.keras.utils.set_random_seed(0)
            # Two CPU devices of one process are not safe with narrower convolutions.
            model = tsm_light((16, 16), (1, 1), checkpoint_stages=stages)
        data = tf.data.Dataset.from_tensors(clips(6)).unbatch().batch(6)
        batch = next(iter(strategy.experimental_distribute_dataset(data)))

        @tf.function
        def run(batch, model=model):
            gradients = strategy.run(lambda x: step(model, x), args=(batch,))
            return [strategy.reduce("SUM", g, axis=None) for g in gradients]

        results.append([g.numpy() for g in run(batch)] + statistics(model))
    assert_equal(results[1], results[0], 1e-5)


@pytest.mark.parametrize(("saved", "restored"), [(False, True), (True, False)])
def test_checkpoints_fit_either_way(saved, restored, tmp_path):
    first, second = build(saved), build(restored, seed=1)
    step(first, clips())
    assert [w.name for w in first.weights] == [w.name for w in second.weights]
    path = tf.train.Checkpoint(model=first).save(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(model=second).restore(path).assert_consumed()
    np.testing.assert_array_equal(second(clips()), first(clips()))
    first.save_weights(str(tmp_path / "first.weights.h5"))
    third = build(restored, seed=2)
    third.load_weights(str(tmp_path / "first.weights.h5"))
    np.testing.assert_array_equal(third(clips()), first(clips()))


def test_unusable_stages_are_refused():
    for stages in ([4], (0,), 2, ["stage_1"]):
        with pytest.raises(UserError, match="expected True, False or a list of some of its stages"):
            build(stages)
    inputs = tf.keras.Input((5,))
    x = tf.keras.layers.Dense(8, name="stem")(inputs)
    x = tf.keras.layers.Dropout(0.5, name="drop")(x)
    x = tf.keras.layers.Dense(8, name="stage_1")(x)
    with pytest.raises(UserError, match="drop would not drop the same values"):
        backbone(inputs, x, "dropping", True)


_PEAK = """
import json, resource, sys
import numpy as np
import tensorflow as tf
from brave_tf.models.tsm_light import tsm_light

model = tsm_light((16, 64, 256), (3, 3, 3), stem_stride=2, checkpoint_stages=json.loads(sys.argv[1]))

@tf.function
def step(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x, training=True))
    return [tf.reduce_sum(g) for g in tape.gradient(loss, model.trainable_variables)]

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

step(tf.zeros((1, 8, 16, 16, 3)))
before = peak()
step(tf.zeros((8, 8, 96, 96, 3)))
print(json.dumps(peak() - before))
"""


@pytest.mark.long
def test_a_step_takes_less_memory():
    """Three stages of equal activations: two thirds of them need not be kept."""
    peaks = []
    # oneDNN is off on older processors. Without it, gradients of convolutions fill the cache with buffers.
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"}
    for stages in ("false", "true"):
        # By way of a shell: what is started directly begins with the peak of this process.
        command = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", _PEAK, stages]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        peaks.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"MB above what is there before: {peaks[0]:.0f} without, {peaks[1]:.0f} with")
    assert peaks[0] > 300
    assert peaks[1] < 0.7 * peaks[0]

"""What every objective gets from the base class, shown by one defined outside the package."""

import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives import base


class Spread(base.Objective):
    """Pushes features away from zero: one short class is a whole objective."""

    term_names = ("closeness", "offset")

    def terms(self, batch, training):
        features = self(batch, training=training)
        norm = tf.reduce_sum(features["narrow"] ** 2, axis=-1)
        return base.Terms({"closeness": 1 / (1 + norm), "offset": norm * 0 + 3}, features, {})


def batch(clips=8):
    x = np.random.default_rng(0).normal(size=(clips, 4)).astype(np.float32)
    return {"narrow": x, "label": np.zeros(clips, np.int64)}


def make(**kwargs):
    tf.keras.utils.set_random_seed(0)
    return Spread({"narrow": dense_backbone(4, 3)}, **kwargs)


def test_loss_is_scaled_mean_over_terms_and_clips():
    objective = make(loss_scale=5.0)
    objective.compile(tf.keras.optimizers.SGD(0.0))
    features = objective.backbones["narrow"](batch()["narrow"]).numpy()
    closeness = np.mean(1 / (1 + np.sum(features**2, -1)))
    logs = objective.train_on_batch(batch(), return_dict=True)
    np.testing.assert_allclose(logs["loss"], 5 * (closeness + 3) / 2, rtol=1e-5)
    np.testing.assert_allclose(logs["loss/closeness"], closeness, rtol=1e-5)


def test_a_step_on_two_replicas_equals_one_on_the_whole_batch():
    results = []
    for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
        strategy = tf.distribute.MirroredStrategy(devices)
        with strategy.scope():
            objective = make()
            objective.compile(tf.keras.optimizers.SGD(0.5))
        data = tf.data.Dataset.from_tensors(batch())
        logs = objective.fit(data, verbose=0).history
        results.append((logs["loss"][0], objective.trainable_weights[0].numpy()))
    np.testing.assert_allclose(results[0][0], results[1][0], rtol=1e-5)
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-5)


def test_loss_scaling_leaves_the_step_as_it_is():
    weights = []
    for wrap in (lambda o: o, tf.keras.mixed_precision.LossScaleOptimizer):
        objective = make()
        objective.compile(wrap(tf.keras.optimizers.SGD(0.5)))
        objective.train_on_batch(batch())
        weights.append(objective.trainable_weights[0].numpy())
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-5)


def test_embed_is_the_backbone_in_inference_mode():
    objective = make()
    x = batch()["narrow"]
    np.testing.assert_allclose(objective.embed("narrow", x), objective.backbones["narrow"](x))
    assert objective.feature_size("narrow") == 3


def test_hooks_that_do_nothing_are_traced_in_silence():
    # AutoGraph warns of a function once in a process.
    code = "import test_base; test_base.make_a_step()"
    command = [sys.executable, "-c", code]
    folders = [str(pathlib.Path(__file__).parent), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "AutoGraph" not in done.stderr


def make_a_step():
    objective = make()
    objective.compile(tf.keras.optimizers.SGD(0.1))
    objective.train_on_batch(batch())


def test_no_backbone_is_an_error():
    with pytest.raises(errors.UserError, match="Spread.backbones is empty"):
        Spread({})


def test_a_step_shows_features_projections_and_clips():
    objective = make()
    objective.compile(tf.keras.optimizers.SGD(0.0))
    assert objective.seen is None
    objective.train_on_batch(batch())
    features = objective.backbones["narrow"](batch()["narrow"])
    np.testing.assert_allclose(objective.seen.features["narrow"], features, rtol=1e-5)
    np.testing.assert_array_equal(objective.seen.clips["narrow"], batch()["narrow"][:2])
    assert objective.seen.projections == {}
    assert 0 <= float(objective.seen.waited) < 10


def test_the_time_until_a_batch_is_there_is_measured():
    def late(x):
        time.sleep(1)
        return x

    data = tf.data.Dataset.from_tensors(batch())
    slow = data.map(lambda b: {**b, "narrow": tf.numpy_function(late, [b["narrow"]], tf.float32)})
    slow = slow.map(lambda b: {**b, "narrow": tf.ensure_shape(b["narrow"], (8, 4))})
    waited = []
    for each in (data, slow):
        objective = make()
        objective.compile(tf.keras.optimizers.SGD(0.0))
        objective.fit(each, verbose=0)
        waited.append(float(objective.seen.waited))
    assert waited[0] < 1 <= waited[1]


@pytest.mark.parametrize("compiled", [False, True])
def test_the_norm_of_gradients_is_logged(compiled):
    objective = make()
    objective.compile(tf.keras.optimizers.SGD(0.0), jit_compile=compiled)
    with tf.GradientTape() as tape:
        terms = objective.terms(batch(), training=True).losses
        loss = tf.reduce_mean(terms["closeness"] + terms["offset"]) / 2
    gradients = tape.gradient(loss, objective.trainable_variables)
    expected = np.sqrt(sum(np.sum(g.numpy() ** 2) for g in gradients))
    logs = objective.train_on_batch(batch(), return_dict=True)
    np.testing.assert_allclose(logs[base.GRADIENT_NORM], expected, rtol=1e-5)
    assert base.GRADIENT_NORM not in objective.test_on_batch(batch(), return_dict=True)


def test_gradients_that_are_not_finite_change_nothing():
    objective = make()
    objective.compile(tf.keras.optimizers.SGD(0.5))
    before = [w.numpy() for w in objective.weights]
    bad = batch()
    bad["narrow"][3] = np.nan
    logs = objective.train_on_batch(bad, return_dict=True)
    assert np.isnan(logs["loss"]) and np.isnan(logs[base.GRADIENT_NORM])
    for weight, old in zip(objective.weights, before):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_what_loss_scaling_leaves_out_is_no_part_of_the_norm():
    objective = make(loss_scale=1e6)
    optimizer = tf.keras.optimizers.SGD(0.5)
    scaled = tf.keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=2.0**120)
    objective.compile(scaled)
    before = objective.weights[0].numpy()
    logs = objective.train_on_batch(batch(), return_dict=True)
    assert np.isfinite(logs["loss"]) and np.isnan(logs[base.GRADIENT_NORM])
    assert base.GRADIENT_NORM not in objective.figures(logs) and "loss" in objective.figures(logs)
    np.testing.assert_array_equal(objective.weights[0].numpy(), before)
    assert float(scaled.loss_scale) == 2.0**119

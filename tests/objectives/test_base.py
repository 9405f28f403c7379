"""What every objective gets from the base class, shown by one defined outside the package."""

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


def test_no_backbone_is_an_error():
    with pytest.raises(errors.UserError, match="Spread.backbones is empty"):
        Spread({})


def test_feature_std_is_0_when_collapsed_and_1_when_spread():
    rng = np.random.default_rng(0)
    collapsed = np.repeat(rng.normal(size=(1, 64)), 32, axis=0).astype(np.float32)
    spread = rng.normal(size=(512, 64)).astype(np.float32)
    np.testing.assert_allclose(base.feature_std(collapsed), 0, atol=1e-5)
    np.testing.assert_allclose(base.feature_std(spread), 1, atol=0.02)
    unit = spread / np.linalg.norm(spread, axis=-1, keepdims=True)
    np.testing.assert_allclose(base.feature_std(spread), unit.std(0).mean() * 8, rtol=1e-4)

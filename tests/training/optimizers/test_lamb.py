import bank_contrast
import numpy as np
import tensorflow as tf
from toy_models import dense_backbone

from brave_tf.training.optimizers.lamb import lamb


def test_step_is_as_long_as_the_weights_and_multiplied_afterwards():
    rng = np.random.default_rng(0)
    start = rng.normal(size=(4, 3)).astype("f4")
    gradient = tf.constant(rng.normal(size=(4, 3)), tf.float32)
    plain, fast = (tf.Variable(start, name=f"{n}/kernel") for n in ("plain", "predictor"))
    bias = tf.Variable(start, name="plain/bias")
    optimizer = lamb(0.01, weight_decay=0.0, multipliers={"predictor/": 10.0})
    optimizer.build([plain, fast, bias])
    optimizer.apply_gradients([(gradient, plain), (gradient, fast), (gradient, bias)])

    length = np.linalg.norm(plain.numpy() - start)
    np.testing.assert_allclose(length, 0.01 * np.linalg.norm(start), rtol=1e-3)
    np.testing.assert_allclose(fast.numpy() - start, 10 * (plain.numpy() - start), rtol=1e-3)
    # Adam's first step has the size of the learning rate in every entry.
    np.testing.assert_allclose(np.abs(bias.numpy() - start), 0.01, rtol=1e-3)


def test_biases_do_not_decay():
    kernel, bias = (tf.Variable([2.0, -1.0], name=f"dense/{n}") for n in ("kernel", "bias"))
    optimizer = lamb(0.1, weight_decay=0.5)
    optimizer.apply_gradients([(tf.zeros(2), kernel), (tf.zeros(2), bias)])
    np.testing.assert_array_equal(bias, [2.0, -1.0])
    # The direction is the decay alone, as long as the weights.
    np.testing.assert_allclose(kernel, [1.8, -0.9], rtol=1e-6)


def trained(precision):
    """The weights of a small objective after three steps, and its optimizer."""
    tf.keras.mixed_precision.set_global_policy(precision)
    tf.keras.utils.set_random_seed(0)
    backbones = {view: dense_backbone(4, 3) for view in ("narrow", "broad_audio")}
    objective = bank_contrast.BankContrast(backbones, bank_size=16, temperature=1.0)
    start = [weight.numpy() for weight in objective.trainable_weights]
    objective.compile(lamb(0.05))
    rng = np.random.default_rng(0)
    batch = {view: rng.normal(size=(8, 4)).astype("f4") for view in backbones}
    batch["label"] = np.zeros(8)
    objective.fit(tf.data.Dataset.from_tensors(batch).repeat(), steps_per_epoch=3, verbose=0)
    assert objective.step == 3
    return start, [weight.numpy() for weight in objective.trainable_weights], objective.optimizer


def test_mixed_float16_takes_nearly_the_same_steps():
    start, expected, plain = trained("float32")
    again, found, scaled = trained("mixed_float16")
    loss_scaling = tf.keras.mixed_precision.LossScaleOptimizer
    assert isinstance(scaled, loss_scaling) and not isinstance(plain, loss_scaling)
    for before, same, weight, half in zip(start, again, expected, found):
        np.testing.assert_array_equal(before, same)
        assert np.abs(weight - before).max() > 0.01
        np.testing.assert_allclose(half, weight, atol=5e-3)

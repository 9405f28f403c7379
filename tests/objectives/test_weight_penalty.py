import numpy as np
import peer_values
import pytest
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.objectives.weight_penalty import weight_penalty


def test_it_is_half_the_sum_of_squares_of_the_kernels():
    rng = np.random.default_rng(0)
    names = ("a/kernel", "a/bias", "norm/gamma", "b/kernel")
    values = [rng.normal(size=(3, 2)) for _ in names]
    variables = [tf.Variable(v, name=n, dtype=tf.float32) for n, v in zip(names, values)]
    with tf.GradientTape() as tape:
        penalty = weight_penalty(variables, 0.3)
    expected = 0.15 * (np.sum(values[0] ** 2) + np.sum(values[3] ** 2))
    assert float(penalty) == pytest.approx(expected, rel=1e-6)
    gradients = tape.gradient(penalty, variables)
    np.testing.assert_allclose(gradients[0], 0.3 * values[0], rtol=1e-5)
    assert gradients[1] is None and gradients[2] is None
    one = weight_penalty(variables, 2.0, pattern="^norm/")
    assert float(one) == pytest.approx(np.sum(values[2] ** 2), rel=1e-6)


def test_it_is_cvrls(shared_dir):
    golden, x, constants = peer_values.case(shared_dir, "cvrl", "contrastive")
    names = {"kernel0": "dense/kernel", "bias0": "dense/bias", "kernel1": "dense_1/kernel"}
    variables = [tf.Variable(x[key], name=name) for key, name in names.items()]
    found = weight_penalty(variables, constants["weight_decay_in_case"])
    expected = golden["contrastive/one_replica/reg_loss"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_pattern_without_variables_is_refused():
    variable = tf.Variable([1.0], name="dense/kernel")
    with pytest.raises(UserError, match="'kernels'.*dense/kernel"):
        weight_penalty([variable], 0.1, pattern="kernels")
    with pytest.raises(UserError, match="weight decay -1"):
        weight_penalty([variable], -1.0)

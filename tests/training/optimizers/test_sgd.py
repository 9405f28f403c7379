import numpy as np
import pytest
import tensorflow as tf

from brave_tf.training.optimizers.sgd import sgd


def test_momentum_l2_decay_and_multipliers():
    rng = np.random.default_rng(0)
    names = {"a/kernel": 1.0, "a/bias": 1.0, "head/kernel": 5.0}
    expected = {name: rng.normal(size=(3, 2)) for name in names}
    variables = {n: tf.Variable(x, name=n, dtype=tf.float32) for n, x in expected.items()}
    momentum = dict.fromkeys(names, 0.0)
    optimizer = sgd(0.1, momentum=0.8, weight_decay=0.3, multipliers={"^head/": 5.0})
    for _ in range(4):
        gradients = {name: rng.normal(size=(3, 2)) for name in names}
        optimizer.apply_gradients(
            [(tf.constant(gradients[n], tf.float32), variables[n]) for n in names]
        )
        for name, factor in names.items():
            decay = 0.0 if name.endswith("bias") else 0.3
            g = gradients[name] + decay * expected[name]
            momentum[name] = 0.8 * momentum[name] + 0.1 * g
            expected[name] = expected[name] - factor * momentum[name]

    for name, variable in variables.items():
        np.testing.assert_allclose(variable, expected[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("jit", [False, True])
def test_the_rate_outside_of_the_accumulation(nesterov, jit):
    """PyTorch's rule, with a rate that changes, all parameters decaying."""
    rng = np.random.default_rng(1)
    rates = [0.6, 0.6, 0.3, 0.1]
    schedule = tf.keras.optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.6, 0.3, 0.1])
    w = {name: rng.normal(size=(3, 2)) for name in ("a/kernel", "a/bias")}
    variables = [tf.Variable(x, name=n, dtype=tf.float32) for n, x in w.items()]
    options = {"weight_decay": 0.3, "decay_all": True, "rate_inside": False}
    optimizer = sgd(schedule, nesterov=nesterov, **options)
    optimizer.build(variables)
    step = tf.function(
        lambda gradients: optimizer.apply_gradients(zip(gradients, variables)), jit_compile=jit
    )
    momentum = dict.fromkeys(w, 0.0)
    for rate in rates:
        gradients = [rng.normal(size=(3, 2)) for _ in w]
        step([tf.constant(g, tf.float32) for g in gradients])
        for name, g in zip(w, gradients):
            g = g + 0.3 * w[name]
            momentum[name] = 0.9 * momentum[name] + g
            w[name] = w[name] - rate * (g + 0.9 * momentum[name] if nesterov else momentum[name])
    for variable, expected in zip(variables, w.values()):
        np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=1e-6)


def test_biases_and_norms_decay_where_all_do():
    for decay_all, expected in ((False, 2.0), (True, 2.0 - 0.5 * 0.1 * 2.0)):
        variable = tf.Variable([2.0], name="norm/gamma")
        optimizer = sgd(0.5, weight_decay=0.1, decay_all=decay_all)
        optimizer.apply_gradients([(tf.zeros(1), variable)])
        np.testing.assert_allclose(variable, [expected])
        copy = type(optimizer).from_config(optimizer.get_config())
        assert (copy.decay_all, copy.l2_decay, copy.rate_inside) == (decay_all, 0.1, True)

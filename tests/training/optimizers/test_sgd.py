import numpy as np
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

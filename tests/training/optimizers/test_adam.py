import numpy as np
import reference
import tensorflow as tf

from brave_tf.training.optimizers import schedules
from brave_tf.training.optimizers.adam import adam, adamw

KERAS_NAMES = {"w": "kernel", "b": "bias", "scale": "gamma", "offset": "beta"}


def adam_steps(w, gradients, lr, b1=0.9, b2=0.999, eps=1e-8, decay=0.0):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        step = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
        w = w - lr * (step + decay * w)
    return w


def test_adamw_decays_weights_only():
    rng = np.random.default_rng(0)
    names = ["dense/kernel", "dense/bias", "norm/gamma", "norm/beta"]
    initial = [rng.normal(size=(4, 3)) for _ in names]
    gradients = rng.normal(size=(5, 4, 4, 3))
    variables = [tf.Variable(x, name=n, dtype=tf.float32) for x, n in zip(initial, names)]
    optimizer = adamw(0.01, weight_decay=0.5)
    for step in gradients:
        optimizer.apply_gradients(zip(tf.unstack(tf.cast(step, tf.float32)), variables))

    for i, variable in enumerate(variables):
        expected = adam_steps(initial[i], gradients[:, i], 0.01, decay=0.5 if i == 0 else 0.0)
        np.testing.assert_allclose(variable, expected, rtol=1e-4, atol=1e-6)


def test_coupled_decay_is_part_of_the_gradient():
    """L2 regularisation as PyTorch's Adam has it: the moments see the decay."""
    rng = np.random.default_rng(2)
    for decay_all in (False, True):
        variables, expected = [], []
        all_gradients = rng.normal(size=(5, 2, 4, 3))
        for i, name in enumerate(("dense/kernel", "dense/bias")):
            w = rng.normal(size=(4, 3))
            variables.append(tf.Variable(w, name=name, dtype=tf.float32))
            decay = 0.5 if decay_all or i == 0 else 0.0
            m = v = 0.0
            for t, gradient in enumerate(all_gradients[:, i], start=1):
                g = gradient + decay * w
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                w = w - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            expected.append(w)
        optimizer = adam(0.01, weight_decay=0.5, decay_all=decay_all)
        for gradients in all_gradients:
            pairs = zip(tf.unstack(tf.cast(gradients, tf.float32)), variables)
            optimizer.apply_gradients(pairs)
        for variable, w in zip(variables, expected):
            np.testing.assert_allclose(variable, w, rtol=1e-4, atol=1e-6)
        copy = type(optimizer).from_config(optimizer.get_config())
        assert (copy.l2_decay, copy.decoupled_decay, copy.decay_all) == (0.5, 0.0, decay_all)


def test_decoupled_decay_of_all():
    variable = tf.Variable([2.0], name="dense/bias")
    adamw(0.1, weight_decay=0.5, decay_all=True).apply_gradients([(tf.zeros(1), variable)])
    np.testing.assert_allclose(variable, [2.0 - 0.1 * 0.5 * 2.0], rtol=1e-6)


def test_adam_does_not_decay():
    variable = tf.Variable([2.0, -3.0], name="dense/kernel")
    adam(0.1).apply_gradients([(tf.zeros(2), variable)])
    np.testing.assert_array_equal(variable, [2.0, -3.0])


def test_multiplier_scales_adams_step_and_decay():
    gradients = np.random.default_rng(1).normal(size=(3, 2, 2))
    slow, fast = (tf.Variable(tf.ones((2, 2)), name=f"{n}/kernel") for n in ("slow", "fast"))
    optimizer = adamw(0.01, weight_decay=0.1, multipliers={"fast/": 10.0})
    gradient = tf.constant(gradients[0], tf.float32)
    optimizer.apply_gradients([(gradient, slow), (gradient, fast)])
    np.testing.assert_allclose(fast.numpy() - 1, 10 * (slow.numpy() - 1), rtol=1e-4)
    np.testing.assert_allclose(slow, adam_steps(1.0, gradients[:1], 0.01, decay=0.1), rtol=1e-5)


def test_global_clipnorm_bounds_all_gradients_together():
    variables = [tf.Variable([0.0], name="a/kernel"), tf.Variable([0.0], name="b/kernel")]
    # Without memory and with a huge epsilon Adam's step is lr * gradient / epsilon.
    optimizer = adam(1e6, beta_1=0.0, beta_2=0.0, epsilon=1e6, global_clipnorm=1.0)
    optimizer.apply_gradients(
        [(tf.constant([3.0]), variables[0]), (tf.constant([4.0]), variables[1])]
    )
    np.testing.assert_allclose([v.numpy()[0] for v in variables], [-0.6, -0.8], rtol=1e-2)


def test_adamw_follows_reference_with_corrected_masks(golden_dir):
    golden, cases = reference.values(golden_dir, "optimizer")
    recipe, case = reference.recipe(golden_dir), cases["adam_short_negated_masks"]
    kwargs = case["scheduler_kwargs"]
    schedule = schedules.warmup_cosine(
        peak=kwargs["peak_value"],
        warmup_steps=kwargs["warmup_steps"],
        total_steps=kwargs["decay_steps"],
    )
    # Without multipliers: the reference has them on the gradients, where Adam cancels them.
    optimizer = adamw(schedule, weight_decay=case["weight_decay"])
    shapes = [(module, name, tuple(shape)) for module, name, shape in cases["shapes"]]
    initial = [recipe.optimizer_param(*shape) for shape in shapes]
    variables = [
        tf.Variable(value, name=f"{module}/{KERAS_NAMES[name]}")
        for value, (module, name, _) in zip(initial, shapes)
    ]
    for step in range(cases["num_steps"]):
        gradients = [tf.constant(recipe.optimizer_grad(*shape, step)) for shape in shapes]
        optimizer.apply_gradients(zip(gradients, variables))
        for start, variable, (module, name, _) in zip(initial, variables, shapes):
            path = f"adam_short_negated_masks/params/{module}/{name}"
            expected = golden[path][step] - start
            # Keras' epsilon is not bias-corrected: up to 1e-8 / (0.03 |g|) of a step.
            atol = 2e-4 * np.abs(expected).max() + 3e-7
            np.testing.assert_allclose(variable - start, expected, atol=atol, rtol=0)

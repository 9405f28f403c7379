import numpy as np
import peer_values
import pytest
import reference
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.training.optimizers import schedules
from brave_tf.training.optimizers.lars import lars

KERAS_NAMES = {"w": "kernel", "b": "bias", "scale": "gamma", "offset": "beta"}


def reference_variables(recipe, cases):
    """Reference (module, name, shape) -> variable with its initial value and Keras' name."""
    return {
        (module, name, tuple(shape)): tf.Variable(
            recipe.optimizer_param(module, name, shape), name=f"{module}/{KERAS_NAMES[name]}"
        )
        for module, name, shape in cases["shapes"]
    }


def schedule_of(case):
    kwargs = case["scheduler_kwargs"]
    if case["scheduler_name"] == "cosine_decay":
        return schedules.warmup_cosine(
            peak=kwargs["peak_value"],
            warmup_steps=kwargs["warmup_steps"],
            total_steps=kwargs["decay_steps"],
        )
    values = kwargs["init_value"] * np.cumprod([1, *kwargs["boundaries_and_scales"].values()])
    return schedules.piecewise(values, [int(k) for k in kwargs["boundaries_and_scales"]])


def searched(regex):
    """A reference pattern matches from the start of the name, ours anywhere in it."""
    return regex if regex.startswith(".*") else f"^{regex}"


def run(golden_dir, run_name, compat):
    """Runs a reference trajectory; yields (path, name, got, expected) changes of each step."""
    golden, cases = reference.values(golden_dir, "optimizer")
    recipe, case = reference.recipe(golden_dir), cases[run_name]
    variables = reference_variables(recipe, cases)
    names = [variable.name for variable in variables.values()]
    multipliers = {searched(k): v for k, v in case["scale_learning_rate_by_regex"]}
    # The reference ignores patterns that match nothing; here they are an error.
    multipliers.pop("^linear.*", None)
    assert not any(name.startswith("linear") for name in names)
    optimizer = lars(
        schedule_of(case),
        weight_decay=case["weight_decay"],
        multipliers=multipliers,
        compat=compat,
        **case["optimizer_kwargs"],
    )
    initial = {key: variable.numpy() for key, variable in variables.items()}
    for step in range(cases["num_steps"]):
        gradients = [recipe.optimizer_grad(*key, step) for key in variables]
        optimizer.apply_gradients(zip(map(tf.constant, gradients), variables.values()))
        for key, variable in variables.items():
            module, name, _ = key
            expected = golden[f"{run_name}/params/{module}/{name}"][step]
            yield module, name, variable.numpy() - initial[key], expected - initial[key]


def assert_close(got, expected):
    # Differences of float32 parameters: half a unit in the last place of values around 1.
    np.testing.assert_allclose(got, expected, atol=1e-5 * np.abs(expected).max() + 3e-7, rtol=0)


@pytest.mark.parametrize(
    "run_name",
    [
        "lars_default",
        "lars_short",
        "lars_short_no_nesterov",
        "lars_short_two_regex",
        "lars_piecewise",
    ],
)
def test_released_lars_follows_reference(golden_dir, run_name):
    moved = 0.0
    for _, _, got, expected in run(golden_dir, run_name, "released"):
        assert_close(got, expected)
        moved = max(moved, np.abs(expected).max())
    assert moved > 1e-4


def test_correct_lars_follows_reference_with_corrected_masks(golden_dir):
    compared = 0
    for module, name, got, expected in run(golden_dir, "lars_short_negated_masks", "correct"):
        # There the factor of a predictor's weights is on the gradient, where the ratio cancels it.
        if not ("predictor" in module and name == "w"):
            assert_close(got, expected)
            compared += 1
    assert compared == 6 * 17


def test_correct_lars_multiplies_the_step_after_the_trust_ratio():
    rng = np.random.default_rng(0)
    w0, b0 = rng.normal(size=(5, 3)).astype("f4"), rng.normal(size=3).astype("f4")
    w, b = tf.Variable(w0, name="predictor/kernel"), tf.Variable(b0, name="predictor/bias")
    optimizer = lars(0.5, weight_decay=0.1, trust_coefficient=0.01, multipliers={"predictor/": 10})

    momentum_w, momentum_b = np.zeros_like(w0), np.zeros_like(b0)
    for _ in range(4):
        gw, gb = rng.normal(size=(5, 3)).astype("f4"), rng.normal(size=3).astype("f4")
        optimizer.apply_gradients([(tf.constant(gw), w), (tf.constant(gb), b)])
        u = gw + 0.1 * w0
        u = u * 0.01 * np.linalg.norm(w0) / np.linalg.norm(u)
        momentum_w = 0.9 * momentum_w + 0.5 * u
        w0 = w0 - 10 * (0.9 * momentum_w + 0.5 * u)
        momentum_b = 0.9 * momentum_b + 0.5 * gb
        b0 = b0 - 10 * (0.9 * momentum_b + 0.5 * gb)

    np.testing.assert_allclose(w, w0, rtol=1e-5)
    np.testing.assert_allclose(b, b0, rtol=1e-5)


def test_zero_norms_leave_the_direction_as_it_is():
    zero = tf.Variable(tf.zeros((2, 2)), name="zero/kernel")
    still = tf.Variable(tf.ones((2, 2)), name="still/kernel")
    optimizer = lars(0.1, momentum=0.0, nesterov=False, weight_decay=0.0)
    optimizer.apply_gradients([(tf.ones((2, 2)), zero), (tf.zeros((2, 2)), still)])
    np.testing.assert_allclose(zero, np.full((2, 2), -0.1), rtol=1e-6)
    np.testing.assert_array_equal(still, np.ones((2, 2)))


@pytest.mark.parametrize("jit", [False, True])
def test_slowfasts_lars_follows_reference(shared_dir, jit):
    golden, x, constants = peer_values.case(shared_dir, "rho_byol", "lars")
    rates = constants["lr"]
    changes = [i for i in range(1, len(rates)) if rates[i] != rates[i - 1]]
    optimizer = lars(
        schedules.piecewise([rates[0], *(rates[i] for i in changes)], changes),
        momentum=constants["momentum"],
        nesterov=False,
        trust_coefficient=constants["trust_coefficient"],
        weight_decay=constants["weight_decay"],
        compat="slowfast",
    )
    names = {"w": "net/kernel", "b": "net/bias", "bn": "norm/gamma"}
    variables = {key: tf.Variable(x[key], name=name) for key, name in names.items()}
    optimizer.build(list(variables.values()))
    apply = tf.function(
        lambda gradients: optimizer.apply_gradients(zip(gradients, variables.values())),
        jit_compile=jit,
    )
    for step in range(len(rates)):
        apply([tf.constant(x[f"grads_{key}"][step]) for key in names])
        for key, variable in variables.items():
            expected = golden[f"lars/step{step}/{key}"]
            np.testing.assert_allclose(variable, expected, rtol=1e-5, atol=1e-6)


def test_slowfasts_lars_divides_by_a_sum_of_norms():
    """Unlike the others', which takes the norm of the sum; weights with one axis are left alone."""
    rng = np.random.default_rng(0)
    w, g, b = (rng.normal(size=shape).astype("f4") for shape in ((5, 3), (5, 3), (3,)))
    for kind in ("slowfast", "correct"):
        kernel = tf.Variable(w, name="net/kernel")
        vector = tf.Variable(b, name="net/positions")
        options = {"momentum": 0.0, "nesterov": False, "weight_decay": 0.7, "compat": kind}
        lars(0.5, **options).apply_gradients([(tf.constant(g), kernel), (tf.ones(3), vector)])
        u, norm = g + 0.7 * w, np.linalg.norm
        length = norm(g) + 0.7 * norm(w) if kind == "slowfast" else norm(u)
        np.testing.assert_allclose(kernel, w - 0.5 * u * 1e-3 * norm(w) / length, rtol=1e-5)
        plain = kind == "slowfast"
        assert np.allclose(b - vector.numpy(), 0.5, rtol=1e-4) == plain


def test_slowfasts_lars_leaves_zero_norms_alone():
    zero = tf.Variable(tf.zeros((2, 2)), name="zero/kernel")
    still = tf.Variable(tf.ones((2, 2)), name="still/kernel")
    optimizer = lars(0.1, momentum=0.0, nesterov=False, weight_decay=0.5, compat="slowfast")
    optimizer.apply_gradients([(tf.ones((2, 2)), zero), (tf.zeros((2, 2)), still)])
    np.testing.assert_allclose(zero, np.full((2, 2), -0.1), rtol=1e-6)
    np.testing.assert_array_equal(still, np.ones((2, 2)))


def test_unknown_compat_is_refused():
    with pytest.raises(UserError, match="correct, released, slowfast"):
        lars(0.1, compat="relased")

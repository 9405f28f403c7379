"""What holds for every optimizer: graphs, replicas, checkpoints, schedules, helpful errors."""

import gin
import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf.errors import UserError
from brave_tf.training.optimizers import schedules
from brave_tf.training.optimizers.adam import adam, adamw
from brave_tf.training.optimizers.lamb import lamb
from brave_tf.training.optimizers.lars import lars
from brave_tf.training.optimizers.sgd import sgd

FACTORIES = [
    lars,
    lambda rate, **kw: lars(rate, compat="released", **kw),
    lambda rate, **kw: lars(rate, compat="slowfast", nesterov=False, **kw),
    adam,
    lambda rate, **kw: adam(rate, weight_decay=0.1, decay_all=True, **kw),
    adamw,
    sgd,
    lambda rate, **kw: sgd(rate, weight_decay=0.1, decay_all=True, rate_inside=False, **kw),
    lamb,
]
IDS = [
    "lars",
    "lars_released",
    "lars_slowfast",
    "adam",
    "adam_coupled",
    "adamw",
    "sgd",
    "sgd_rate_outside",
    "lamb",
]
every_optimizer = pytest.mark.parametrize("factory", FACTORIES, ids=IDS)
MULTIPLIERS = {"predictor/.*kernel$": 3.0}


def make_variables():
    rng = np.random.default_rng(0)
    shapes = {"net/kernel": (3, 4), "predictor/kernel": (4, 2), "net/bias": (4,)}
    return [tf.Variable(rng.normal(size=s), name=n, dtype=tf.float32) for n, s in shapes.items()]


def gradients_at(step, variables):
    return [tf.cos(variable * (step + 1.0)) for variable in variables]


def steps(optimizer, variables, first, last):
    @tf.function
    def apply(gradients):
        optimizer.apply_gradients(zip(gradients, variables))

    for step in range(first, last):
        apply(gradients_at(step, variables))


def cosine():
    return schedules.warmup_cosine(peak=0.1, warmup_steps=2, total_steps=10)


@every_optimizer
def test_graph_and_eager_steps_agree(factory):
    eager, graph = make_variables(), make_variables()
    optimizer = factory(cosine(), multipliers=MULTIPLIERS)
    for step in range(4):
        optimizer.apply_gradients(zip(gradients_at(step, eager), eager))
    optimizer = factory(cosine(), multipliers=MULTIPLIERS)
    optimizer.build(graph)
    steps(optimizer, graph, 0, 4)
    for a, b, start in zip(eager, graph, make_variables()):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
        assert np.abs(a - start).max() > 1e-4


@every_optimizer
def test_restored_optimizer_continues_exactly(factory, tmp_path):
    straight = make_variables()
    optimizer = factory(cosine(), multipliers=MULTIPLIERS)
    optimizer.build(straight)
    steps(optimizer, straight, 0, 3)
    checkpoint = tf.train.Checkpoint(optimizer=optimizer, variables=straight)
    path = checkpoint.save(str(tmp_path / "checkpoint"))
    steps(optimizer, straight, 3, 6)

    resumed = make_variables()
    optimizer = factory(cosine(), multipliers=MULTIPLIERS)
    optimizer.build(resumed)
    restored = tf.train.Checkpoint(optimizer=optimizer, variables=resumed).restore(path)
    restored.assert_existing_objects_matched()
    assert int(optimizer.iterations) == 3
    steps(optimizer, resumed, 3, 6)
    for a, b in zip(straight, resumed):
        np.testing.assert_array_equal(a, b)


@every_optimizer
def test_replicas_step_as_one(factory):
    single = make_variables()
    optimizer = factory(cosine(), multipliers=MULTIPLIERS)
    optimizer.build(single)
    steps(optimizer, single, 0, 3)

    strategy = two_replicas()
    with strategy.scope():
        mirrored = make_variables()
        optimizer = factory(cosine(), multipliers=MULTIPLIERS)
        optimizer.build(mirrored)

    def replica_step(step):
        # Replicas' gradients are summed; each has half.
        gradients = [gradient / 2 for gradient in gradients_at(step, mirrored)]
        optimizer.apply_gradients(zip(gradients, mirrored))

    run = tf.function(lambda step: strategy.run(replica_step, args=(step,)))
    for i in range(3):
        run(tf.constant(i, tf.float32))
    for a, b in zip(single, mirrored):
        copies = strategy.experimental_local_results(b)
        assert len(copies) == 2
        for copy in copies:
            np.testing.assert_allclose(a, copy, rtol=1e-5, atol=1e-6)


@every_optimizer
@pytest.mark.parametrize("scaled", [False, True], ids=["plain", "loss_scaling"])
def test_the_norm_of_all_replicas_gradients_together_is_clipped(factory, scaled):
    expected = make_variables()
    optimizer = factory(0.5)
    gradients = [gradient.numpy() for gradient in gradients_at(0, expected)]
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    assert norm > 1
    for _ in range(2):
        optimizer.apply_gradients(zip([tf.constant(g / norm) for g in gradients], expected))

    strategy = two_replicas()
    with strategy.scope():
        variables = make_variables()
        optimizer = factory(0.5, global_clipnorm=1.0)
        optimizer.build(variables)
        if scaled:
            optimizer = tf.keras.mixed_precision.LossScaleOptimizer(optimizer)

    def replica_step():
        # The replicas' parts of the gradients differ; each alone is longer than their sum.
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        parts = [tf.where(replica == 0, 3 * gradient, -2 * gradient) for gradient in gradients]
        optimizer.apply_gradients(zip(parts, variables))

    step = tf.function(lambda: strategy.run(replica_step))
    for _ in range(2):
        step()
    for a, b, start in zip(expected, variables, make_variables()):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)
        assert np.abs(a - start).max() > 1e-4


@every_optimizer
def test_pattern_without_a_variable_is_refused(factory):
    optimizer = factory(0.1, multipliers={"predictr": 10.0})
    with pytest.raises(UserError, match="'predictr'.*predictor/kernel"):
        optimizer.build(make_variables())


def test_objectives_may_have_no_predictors():
    kernel, *_ = make_variables()
    optimizer = sgd(0.1, multipliers={"predictor/": 3.0})
    optimizer.build([kernel])
    assert optimizer.multiplier(kernel) == 1.0


def test_factors_of_all_patterns_found_multiply():
    optimizer = sgd(0.1, multipliers={"predictor/": 3.0, "kernel": 2.0})
    kernel, predictor, bias = make_variables()
    assert [optimizer.multiplier(v) for v in (kernel, predictor, bias)] == [2.0, 6.0, 1.0]


def test_recipes_bind_optimizer_schedule_and_multipliers():
    gin.clear_config()
    gin.parse_config("""
        lars.learning_rate = @warmup_cosine()
        lars.multipliers = {'predictor/': 10.0}
        warmup_cosine.peak = 1.0
        warmup_cosine.warmup_steps = 4
        warmup_cosine.total_steps = 8
    """)
    try:
        optimizer = lars()
    finally:
        gin.clear_config()
    variables = make_variables()
    optimizer.build(variables)
    steps(optimizer, variables, 0, 3)
    assert float(optimizer.learning_rate) == pytest.approx(0.5)
    assert optimizer.multiplier(variables[1]) == 10.0


def test_checkpoint_does_not_depend_on_multipliers(tmp_path):
    variables = make_variables()
    optimizer = lars(0.1, multipliers=MULTIPLIERS)
    optimizer.build(variables)
    steps(optimizer, variables, 0, 2)
    path = tf.train.Checkpoint(optimizer=optimizer).save(str(tmp_path / "checkpoint"))
    other = lars(0.1, multipliers={"net/": 2.0, "bias": 3.0})
    other.build(variables)
    tf.train.Checkpoint(optimizer=other).restore(path).assert_consumed()
    for a, b in zip(optimizer.variables, other.variables):
        np.testing.assert_array_equal(a, b)


def test_loss_scaling_wraps_the_optimizer():
    variables = make_variables()
    optimizer = tf.keras.mixed_precision.LossScaleOptimizer(sgd(0.1, multipliers=MULTIPLIERS))
    optimizer.build(variables)
    gradients = [gradient * optimizer.loss_scale for gradient in gradients_at(0, variables)]
    optimizer.apply_gradients(zip(optimizer.get_unscaled_gradients(gradients), variables))
    expected = make_variables()
    steps(sgd(0.1, multipliers=MULTIPLIERS), expected, 0, 1)
    for a, b in zip(variables, expected):
        np.testing.assert_allclose(a, b, rtol=1e-5)


@pytest.mark.parametrize("factory", FACTORIES[:-1], ids=IDS[:-1])
def test_config_makes_the_same_optimizer(factory):
    optimizer = factory(cosine(), multipliers=MULTIPLIERS)
    config = tf.keras.optimizers.serialize(optimizer)
    copy = tf.keras.optimizers.deserialize(config)
    assert type(copy) is type(optimizer)
    assert copy.get_config() == optimizer.get_config()
    a, b = make_variables(), make_variables()
    for opt, variables in ((optimizer, a), (copy, b)):
        opt.build(variables)
        steps(opt, variables, 0, 2)
    for x, y in zip(a, b):
        np.testing.assert_array_equal(x, y)

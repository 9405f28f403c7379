import numpy as np
import peer_values
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf.errors import UserError
from brave_tf.models import norm
from brave_tf.models.norm import batch_norm

DECAY = 0.9


def batches(shape, count=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(i + 1, i + 2, shape).astype("f4") for i in range(count)]


def normalised(x):
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + 1e-5)


def debiased(statistics):
    """Weighted mean of the statistics, the newest first: what zero-debiasing computes."""
    weights = DECAY ** np.arange(len(statistics))
    return np.tensordot(weights / weights.sum(), np.stack(statistics[::-1]), 1)


def assert_averages(layer, seen, rtol=1e-5):
    axes = tuple(range(seen[0].ndim - 1))
    means, variances = [x.mean(axes) for x in seen], [x.var(axes) for x in seen]
    np.testing.assert_allclose(layer.moving_mean, debiased(means), rtol=rtol, atol=rtol)
    np.testing.assert_allclose(layer.moving_variance, debiased(variances), rtol=rtol)
    total = 1 - DECAY ** len(seen)
    np.testing.assert_allclose(layer.averaging.hidden_mean, total * debiased(means), rtol=10 * rtol)
    assert int(tf.convert_to_tensor(layer.averaging.updates)) == len(seen)


@pytest.mark.parametrize("shape", [(16, 7), (3, 5, 7), (4, 5, 6, 7), (2, 3, 4, 5, 7), (1, 1, 2, 7)])
@pytest.mark.parametrize("jit", [False, True])
def test_training_and_inference(shape, jit):
    layer = batch_norm()
    layer.build(shape)
    call = tf.function(lambda x: layer(x, training=True), jit_compile=jit)
    seen = batches(shape)
    for x in seen:
        np.testing.assert_allclose(call(x), normalised(x), atol=2e-5)
    assert_averages(layer, seen)
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    expected = (seen[0] - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(layer(seen[0]), expected, atol=1e-5)
    assert_averages(layer, seen)


def test_one_step_makes_the_averages_those_of_the_batch():
    layer = batch_norm()
    (x,) = batches((8, 4), 1)
    layer(x, training=True)
    np.testing.assert_allclose(layer.moving_mean, x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, x.var(0), rtol=1e-5)


def test_before_the_first_update_inference_changes_nothing():
    layer = batch_norm()
    (x,) = batches((8, 4), 1)
    np.testing.assert_allclose(layer(x), x / np.sqrt(1 + 1e-5), rtol=1e-6)


def test_a_single_value_has_no_variance():
    layer = batch_norm()
    np.testing.assert_array_equal(
        layer(tf.ones((1, 1, 1, 3)), training=True), np.zeros((1, 1, 1, 3))
    )
    np.testing.assert_array_equal(layer.moving_variance, np.zeros(3))


def test_the_fused_kernel_and_its_gradients_equal_plain_arithmetic():
    x, weights = batches((4, 5, 6, 7), 2)
    results = []
    for dtype in ("float32", "float64"):
        layer = batch_norm(dtype=dtype)
        values = tf.constant(x.astype(dtype))
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = layer(values, training=True)
            loss = tf.reduce_sum(y**3 * weights.astype(dtype))
        results.append([y, *tape.gradient(loss, [values, layer.gamma, layer.beta])])
    for got, expected in zip(*results):
        largest = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, atol=1e-5 * largest)
    graph = tf.function(lambda x: batch_norm_once(x)).get_concrete_function(x)
    assert "FusedBatchNormV3" in {op.type for op in graph.graph.get_operations()}


def batch_norm_once(x, made=[]):  # noqa: B006 (the layer's variables are made in the first call only)
    made or made.append(batch_norm())
    return made[0](x, training=True)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_statistics_are_float32_in_mixed_precision(policy):
    tf.keras.mixed_precision.set_global_policy(policy)
    layer = batch_norm()
    x = batches((16, 4, 4, 3), 1)[0]
    y = layer(x, training=True)
    assert y.dtype == layer.compute_dtype != tf.float32
    assert {v.dtype for v in layer.variables} == {tf.float32}
    np.testing.assert_allclose(tf.cast(y, tf.float32), normalised(x), atol=0.05)
    np.testing.assert_allclose(layer.moving_variance, x.var((0, 1, 2)), rtol=0.02)


@pytest.mark.parametrize("shape", [(8, 3, 3, 4), (8, 4)])
def test_statistics_are_taken_over_all_replicas(shape):
    seen = batches(shape)
    for x in seen:
        x[4:] += 5.0
    strategy = two_replicas()
    with strategy.scope():
        layer = batch_norm()
        layer.build(shape)
    run = tf.function(lambda part: strategy.run(lambda p: layer(p, training=True), args=(part,)))
    for x in seen:
        halves = tf.data.Dataset.from_tensor_slices(x).batch(8)
        half = next(iter(strategy.experimental_distribute_dataset(halves)))
        y = np.concatenate(strategy.experimental_local_results(run(half)))
        np.testing.assert_allclose(y, normalised(x), atol=1e-4)
    assert_averages(layer, seen, rtol=1e-4)


def test_a_frozen_layer_uses_and_keeps_its_averages():
    layer = batch_norm()
    seen = batches((8, 4))
    layer(seen[0], training=True)
    layer.trainable = False
    np.testing.assert_array_equal(layer(seen[1], training=True), layer(seen[1]))
    assert_averages(layer, seen[:1])


def test_averages_can_be_kept():
    layer = batch_norm()
    seen = batches((8, 4))
    layer(seen[0], training=True)
    with norm.averages_kept():
        np.testing.assert_allclose(layer(seen[1], training=True), normalised(seen[1]), atol=1e-5)
    layer(seen[2], training=True)
    assert_averages(layer, [seen[0], seen[2]])


@pytest.mark.parametrize("shape", [(6, 4), (3, 5, 6, 4)])
@pytest.mark.parametrize("averages", ["plain", "unbiased"])
def test_averages_of_other_libraries(shape, averages):
    """Those of Keras and of PyTorch, which begin with 0 and 1."""
    layer = batch_norm(averages=averages)
    mean, variance, axes = 0.0, 1.0, tuple(range(len(shape) - 1))
    for x in batches(shape):
        np.testing.assert_allclose(layer(x, training=True), normalised(x), atol=2e-5)
        mean = DECAY * mean + (1 - DECAY) * x.mean(axes)
        drawn = x.var(axes, ddof=int(averages == "unbiased"))
        variance = DECAY * variance + (1 - DECAY) * drawn
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)
    copy = norm.BatchNorm.from_config(layer.get_config())
    assert (copy.averages, copy.over_replicas) == (averages, True)


def test_a_single_value_has_no_unbiased_variance():
    layer = batch_norm(averages="unbiased")
    layer(tf.ones((1, 3)), training=True)
    np.testing.assert_allclose(layer.moving_variance, np.full(3, DECAY), rtol=1e-6)


def test_averages_are_those_of_a_published_projector(shared_dir):
    """PyTorch's layer, one step each, from 0 and 1 on."""
    golden, inputs, _ = peer_values.case(shared_dir, "rho_byol", "rho2")
    prefix = "rho2/step0/online_after_projector_moving"
    layer = batch_norm(averages="unbiased")
    for clip in ("clip0", "clip1"):
        layer(inputs[clip][0, 0] @ inputs["projector_w1"], training=True)
    np.testing.assert_allclose(layer.moving_mean, golden[f"{prefix}_mean"], atol=1e-5)
    np.testing.assert_allclose(layer.moving_variance, golden[f"{prefix}_variance"], rtol=1e-5)


@pytest.mark.parametrize("shape", [(8, 3, 3, 4), (8, 4)])
def test_statistics_can_stay_in_a_replica(shape):
    (x,) = batches(shape, 1)
    x[4:] += 5.0
    strategy = two_replicas()
    with strategy.scope():
        layer = batch_norm(over_replicas=False, averages="unbiased")
        layer.build(shape)
    run = tf.function(lambda part: strategy.run(lambda p: layer(p, training=True), args=(part,)))
    halves = tf.data.Dataset.from_tensor_slices(x).batch(8)
    half = next(iter(strategy.experimental_distribute_dataset(halves)))
    y = np.concatenate(strategy.experimental_local_results(run(half)))
    expected = np.concatenate([normalised(x[:4]), normalised(x[4:])])
    np.testing.assert_allclose(y, expected, atol=1e-4)
    mean = (1 - DECAY) * x[:4].mean(tuple(range(x.ndim - 1)))
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-4)


@pytest.mark.parametrize("shape", [(16, 4), (4, 5, 6, 4)])
def test_without_scale_and_center_there_are_no_weights(shape):
    (x,) = batches(shape, 1)
    layer = batch_norm(scale=False, center=False)
    np.testing.assert_allclose(layer(x, training=True), normalised(x), atol=2e-5)
    assert not layer.trainable_variables
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    np.testing.assert_allclose(layer(x), (x - mean) / np.sqrt(variance + 1e-5), atol=2e-5)


def test_unknown_averages_are_refused():
    with pytest.raises(UserError, match="averages = 'torch': expected one of debiased"):
        batch_norm(averages="torch")


def model():
    x = tf.keras.Input((5, 6, 4))
    return tf.keras.Model(x, batch_norm()(x))


def test_weights_are_those_of_the_keras_layer():
    names = [weight.name.split("/")[1] for weight in model().weights]
    assert names == ["gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"]
    assert model().count_params() == 16


@pytest.mark.parametrize("kind", ["checkpoint", "weights", "model"])
def test_averages_go_on_where_they_were_saved(tmp_path, kind):
    seen = batches((3, 5, 6, 4))
    saved, again = model(), model()
    saved(seen[0], training=True)
    if kind == "checkpoint":
        path = tf.train.Checkpoint(model=saved).write(str(tmp_path / "c"))
        tf.train.Checkpoint(model=again).read(path).assert_consumed()
    elif kind == "weights":
        saved.save_weights(tmp_path / "m.weights.h5")
        again.load_weights(tmp_path / "m.weights.h5")
    else:
        saved.save(tmp_path / "m.keras")
        again = tf.keras.models.load_model(tmp_path / "m.keras")
    for x in seen[1:]:
        again(x, training=True)
    assert_averages(again.layers[1], seen)


def test_weights_of_a_keras_layer_can_be_loaded(tmp_path):
    x = tf.keras.Input((5, 6, 4))
    plain = tf.keras.Model(x, tf.keras.layers.BatchNormalization(epsilon=1e-5)(x))
    plain(batches((3, 5, 6, 4))[0], training=True)
    plain.save_weights(tmp_path / "m.weights.h5")
    ours = model()
    ours.layers[1].load_own_variables({str(i): v.numpy() for i, v in enumerate(plain.weights)})
    value = batches((3, 5, 6, 4))[1]
    np.testing.assert_allclose(ours(value), plain(value), atol=1e-4)

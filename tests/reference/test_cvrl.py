"""CVRL's own training step, and the parts of its recipe, against the values of its released code."""

import drawn_windows
import gin
import golden_peers
import numpy as np
import tensorflow as tf
from replicas import two_replicas

from brave_tf import config
from brave_tf.data.augment.color_jitter import jitter_colors
from brave_tf.data.augment.gaussian_blur import apply_blur
from brave_tf.data.augment.random_gray import gray
from brave_tf.data.augment.random_solarization import solarize
from brave_tf.data.views.falling_gap import gap_of
from brave_tf.data.views.rgb import RgbView
from brave_tf.objectives.cvrl import CVRL
from brave_tf.training.optimizers.warmup import whole_cosine

KEY = "contrastive/"
RECIPE = "k600_cvrl_r3d50"


class WithKernels(tf.keras.layers.Layer):
    """What goes in; the weights of a case beside it."""

    def __init__(self, inputs):
        super().__init__()
        for name in ("kernel0", "kernel1", "bias0"):
            value = tf.keras.initializers.Constant(inputs[name])
            setattr(self, name, self.add_weight(name, inputs[name].shape, initializer=value))

    def call(self, x):
        return tf.identity(x)


def with_kernels(inputs):
    layers = []

    def projector(size, name):
        # Views have one projector each, the weights are there once.
        layers.append(tf.keras.layers.Lambda(tf.identity) if layers else WithKernels(inputs))
        return tf.keras.Sequential([tf.keras.Input((size,)), layers[-1]], name=name)

    return projector


def make(first, second, temperature, **options):
    """The objective on features (N, D) of its two views, which a step of SGD with rate 1 changes."""
    backbones = {
        "narrow": golden_peers.feature_table(first, "first"),
        "second": golden_peers.feature_table(second, "second"),
    }
    objective = CVRL(backbones, temperature=temperature, **options)
    objective.compile(tf.keras.optimizers.SGD(1.0))
    return objective


def gradients(objective, *before):
    """What the step followed: what it took off the features."""
    return [
        value - objective.backbones[view].get_weights()[0]
        for view, value in zip(("narrow", "second"), before)
    ]


def recorded(objective):
    """The terms of the steps that follow."""
    found, terms = [], objective.terms

    def record(batch, training):
        found.append(terms(batch, training))
        return found[-1]

    objective.terms = record
    return found


def batch(rows, count):
    one_hot = np.eye(count, dtype=np.float32)[rows]
    return {
        "narrow": one_hot,
        "second": one_hot,
        "label": np.zeros(len(rows), np.int64),
    }


def check_one_replica(golden):
    inputs, constants = golden.case("contrastive")
    first, second = inputs["first"][0], inputs["second"][0]
    options = {"projector": with_kernels(inputs)}
    plain = make(first, second, constants["temperature"], **options)
    terms = recorded(plain)
    clips = len(first)
    logs, _ = plain.train_step(batch(np.arange(clips), clips))
    key = f"{KEY}one_replica/"
    golden.check(f"{key}contrastive_loss", logs["loss"])
    golden.check(f"{key}contrast_acc", logs["accuracy/contrast"])
    golden.check(f"{key}contrast_entropy", logs["entropy/contrast"])
    assert set(terms[0].losses) == {"first_to_second", "second_to_first"}
    for name, gradient in zip(("first", "second"), gradients(plain, first, second)):
        golden.check(f"{key}grad_{name}", gradient, golden_peers.GRADIENTS)


def check_decay(golden):
    inputs, constants = golden.case("contrastive")
    first, second = inputs["first"][0], inputs["second"][0]
    options = {"projector": with_kernels(inputs), "weight_decay": constants["weight_decay_in_case"]}
    decayed = make(first, second, constants["temperature"], **options)
    # The features stand for clips, no weights of the peer's.
    for view in ("narrow", "second"):
        decayed.backbones[view].trainable = False
    decayed.compile(tf.keras.optimizers.SGD(1.0))
    logs, _ = decayed.train_step(batch(np.arange(len(first)), len(first)))
    key = f"{KEY}one_replica/"
    golden.check(f"{key}reg_loss", logs["loss/weight_decay"])
    golden.check(f"{key}total_loss", logs["loss"])


def check_two_replicas_on_one_device(golden):
    """Each replica's figures are means over its clips; the peer's gradients are R times the mean's."""
    inputs, constants = golden.case("contrastive")
    replicas, clips = inputs["first"].shape[:2]
    first, second = (
        inputs[name].reshape(replicas * clips, -1).copy() for name in ("first", "second")
    )
    options = {"projector": with_kernels(inputs), "loss_scale": float(replicas)}
    objective = make(first, second, constants["temperature"], **options)
    terms = recorded(objective)
    objective.train_step(batch(np.arange(replicas * clips), replicas * clips))
    (terms,) = terms
    figures = {
        "contrastive_loss": sum(terms.losses.values()),
        "contrast_acc": terms.monitors["accuracy/contrast"],
        "contrast_entropy": terms.monitors["entropy/contrast"],
    }
    for replica in range(replicas):
        key, own = (
            f"{KEY}two_replicas/replica{replica}/",
            slice(replica * clips, (replica + 1) * clips),
        )
        for name, value in figures.items():
            golden.check(f"{key}{name}", np.mean(value[own]))
        for name, gradient in zip(("first", "second"), gradients(objective, first, second)):
            golden.check(f"{key}grad_{name}", gradient[own], golden_peers.GRADIENTS)
    return gradients(objective, first, second), float(np.mean(figures["contrastive_loss"]))


def check_sampling(golden):
    """The rule draws by `gap_of` and `places`, in records of the frame rate of the view."""
    steps, stride = (int(golden.read(f"sampling/{name}")) for name in ("num_steps", "stride"))
    view = RgbView(num_frames=steps, frame_step=stride)
    shares = tf.constant(golden.read("sampling/u"), tf.float64)

    def frames(clip, start):
        return view.frame_indices(clip, tf.constant(start / 25, tf.float64)).numpy()

    for length in golden.read("sampling/lengths"):
        clip, key = drawn_windows.clip(length), f"sampling/{length}"
        places = view.places(clip)
        if places.starts > 0:
            gaps = gap_of(shares, places.starts).numpy()
            limits, last = places.starts - gaps, gaps[-1]
        else:
            # No window fits: both start anywhere in the record.
            gaps, limits, last = np.full(shares.shape, -1), np.full(shares.shape, places.length), 0
        golden.check_exactly(f"{key}/gap", gaps)
        golden.check_exactly(f"{key}/first_start_limit", limits)
        both = [*frames(clip, 0), *frames(clip, last)]
        golden.check_exactly(f"{key}/frames_of_start_0_and_gap", both)
    for key in golden.keys("sampling/indices/"):
        length, offset = map(int, key.rpartition("length")[2].split("_offset"))
        golden.check_exactly(key, frames(drawn_windows.clip(length), offset))


def check_augmentations(golden):
    inputs, constants = golden.case("augment")
    amounts = [constants[key] for key in ("brightness", "contrast", "saturation", "hue")]
    video = tf.constant(inputs["image"])[tf.newaxis]
    golden.check("augment/solarize", solarize(video, 0.5)[0])
    golden.check("augment/gray", gray(video)[0])
    blurred = apply_blur(video, constants["sigma"], constants["kernel_size"])
    golden.check("augment/blur", blurred[0])
    for key in golden.keys("augment/jitter_order_"):
        order = [int(digit) for digit in key.rpartition("_")[2]]
        golden.check(key, jitter_colors(video, order, amounts, "tensorflow", "clip")[0])
    # It was noted before it is clipped.
    brighter = jitter_colors(video, [0], amounts, "tensorflow", "clip")[0]
    np.testing.assert_allclose(
        brighter, np.minimum(golden.read("augment/brightness"), 1), atol=1e-6
    )


def check_recipe(golden):
    """The rates of pre-training and of the linear layer, and the head."""
    config.load_config([RECIPE])
    rates = {"pretrain": gin.get_configurable("whole_cosine")()}
    head = gin.get_configurable("projector/mlp_head")(2048)
    config.load_config([RECIPE, "gin/evaluation/cvrl_linear.gin"])
    # What the peer's file has in place of epochs.
    linear = {"peak": 32.0, "warmup_steps": 1787, "total_steps": 35_744}
    with gin.config_scope("linear"):
        rates["linear"] = whole_cosine(**linear)
    for row, schedule in rates.items():
        steps = golden.read(f"schedule/{row}/steps")
        found = np.array([float(schedule(step)) for step in steps])
        golden.check(f"schedule/{row}/lr", found)
    weights = sum(v.shape.num_elements() for v in head.trainable_weights)
    golden.check_exactly("head/trainable_parameters", weights)
    norms = [layer for layer in head.layers if "batch_norm" in layer.name]
    golden.check_exactly("head/statistics", sum(2 * norm.gamma.shape[0] for norm in norms))
    golden.check_exactly("head/layers", ["global average pool", *map(described, head.layers[1:])])


def described(layer):
    """A layer in the words of the file."""
    if "linear" in layer.name:
        return f"dense {layer.units} with{'' if layer.use_bias else 'out'} bias"
    if "batch_norm" in layer.name:
        return f"batch norm momentum {layer.momentum} eps {layer.epsilon:.0e}".replace("-0", "-")
    return "ReLU"


def test_every_key(shared_dir):
    golden = golden_peers.Golden(shared_dir, "cvrl")
    check_one_replica(golden)
    check_decay(golden)
    check_two_replicas_on_one_device(golden)
    check_sampling(golden)
    check_augmentations(golden)
    check_recipe(golden)
    golden.check_all_used()


def test_two_replicas_take_the_same_step(shared_dir):
    golden = golden_peers.Golden(shared_dir, "cvrl")
    expected, loss = check_two_replicas_on_one_device(golden)
    inputs, constants = golden.case("contrastive")
    clips = inputs["first"].shape[1]
    first, second = (inputs[name].reshape(2 * clips, -1) for name in ("first", "second"))
    strategy = two_replicas()
    with strategy.scope():
        objective = make(
            first,
            second,
            constants["temperature"],
            projector=with_kernels(inputs),
            loss_scale=2.0,
        )
    data = tf.data.Dataset.from_tensor_slices(batch(np.arange(2 * clips), 2 * clips))
    data = strategy.distribute_datasets_from_function(lambda _: data.batch(clips))
    history = objective.fit(data, steps_per_epoch=1, verbose=0).history
    np.testing.assert_allclose(history["loss"], 2 * loss, rtol=1e-5)
    for got, gradient in zip(gradients(objective, first, second), expected):
        np.testing.assert_allclose(got, gradient, atol=1e-4 * max(1, np.abs(gradient).max()))

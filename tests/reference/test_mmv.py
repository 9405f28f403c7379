"""MMV's own training step against the values of its published re-implementation."""

import functools

import golden_peers
import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf.models.heads import mlp_head
from brave_tf.models.norm import batch_norm
from brave_tf.objectives.mmv import MMV

LOSSES = ("asymmetric", "symmetric")


class FromTable(tf.keras.layers.Layer):
    """Rows (N, D) of a trainable table: for each input, that of the same place in `keys`, (N, E).

    The case gives the embedding for text by itself; the objective computes it from the one for sound.
    """

    def __init__(self, keys, values):
        super().__init__()
        self.keys = tf.constant(keys)
        start = tf.keras.initializers.Constant(values)
        self.table = self.add_weight("table", values.shape, initializer=start)

    def call(self, x):
        distances = tf.reduce_sum((x[:, tf.newaxis] - self.keys[tf.newaxis]) ** 2, axis=-1)
        return tf.gather(self.table, tf.argmin(distances, axis=-1))


def model_of(layer, size, name):
    return tf.keras.Sequential([tf.keras.Input((size,)), layer], name=name)


def identity(size, name):
    return model_of(tf.keras.layers.Lambda(tf.identity), size, name)


def make(inputs, constants, loss):
    """The objective on given embeddings, which a step of SGD with rate 1 changes."""

    def joint_head(size, name):
        return model_of(FromTable(inputs["video"], inputs["video_to_text"]), size, name)

    names = {"narrow": "video", "broad_audio": "audio", "text": "text"}
    backbones = {v: golden_peers.feature_table(inputs[n], n) for v, n in names.items()}
    heads = dict.fromkeys(("video_head", "audio_head", "text_head"), identity)
    temperature, weights = constants["temperature"], constants["weights"]
    objective = MMV(
        backbones,
        **heads,
        joint_head=joint_head,
        temperature=temperature,
        loss=loss,
        weights=weights,
    )
    objective.compile(tf.keras.optimizers.SGD(1.0))
    return objective


def batch(inputs, texts):
    clips = len(inputs["video"])
    rows = np.eye(clips, dtype=np.float32)
    masks = {
        f"{view}_mask": inputs[f"{name}_mask"]
        for view, name in (("broad_audio", "audio"), ("text", "text"))
        if f"{name}_mask" in inputs
    }
    text = np.eye(clips * texts, dtype=np.float32).reshape(clips, texts, -1)
    label = np.zeros(clips, np.int64)
    return {"narrow": rows, "broad_audio": rows, "text": text, "label": label, **masks}


def gradients(objective, inputs):
    """What the step followed: what it took off the embeddings."""
    after = {
        "video": objective.backbones["narrow"],
        "audio": objective.backbones["broad_audio"],
        "text": objective.backbones["text"],
        "video_to_text": objective.joint_head,
    }
    return {name: inputs[name] - model.get_weights()[0] for name, model in after.items()}


def check_case(golden, case, loss):
    inputs, constants = golden.case(case)
    objective, key = make(inputs, constants, loss), f"{case}/{loss}/"
    whole = batch(inputs, constants["texts_per_clip"])
    terms = objective.terms(whole, training=True)
    logs, _ = objective.train_step(whole)
    golden.check(f"{key}loss", logs["loss"])
    for name in ("video_audio", "video_text"):
        golden.check(f"{key}{name}", logs[f"loss/{name}"])
    for name, gradient in gradients(objective, inputs).items():
        golden.check(f"{key}grad_{name}", gradient, golden_peers.GRADIENTS)
    if constants["replicas"] > 1:
        of_clips = sum(objective.term_weights[n] * x for n, x in terms.losses.items())
        shares = np.split(of_clips, constants["replicas"])
        golden.check(f"{key}loss_per_replica", np.mean(shares, axis=1))


# Weights of the case -> the layer of the heads.
DENSE = {
    "vid_to_hid": ("video", "video_head/linear"),
    "hid_to_va": ("video", "video_head/linear_1"),
    "va_to_vat": ("joint", "joint_head/linear"),
    "aud_to_va": ("audio", "audio_head/linear"),
    "txt_to_vat": ("text", "text_head/linear"),
}
NORMS = {
    "bn_hid": ("video", "video_head/batch_norm"),
    "bn_va": ("video", "video_head/batch_norm_1"),
    "bn_vat": ("joint", "joint_head/batch_norm"),
}
BIASES = {"aud_to_va": "aud_bias", "txt_to_vat": "txt_bias"}


def with_heads(inputs, constants):
    """The objective with the heads of the case, and those by name."""
    norm = functools.partial(
        batch_norm,
        momentum=constants["batch_norm_momentum"],
        epsilon=constants["batch_norm_epsilon"],
        averages="plain",
    )
    hidden, space = inputs["vid_to_hid"].shape[1], inputs["hid_to_va"].shape[1]
    joint = inputs["va_to_vat"].shape[1]
    normed = functools.partial(mlp_head, norm=norm, last_norm=norm, last_bias=False)
    names = {"narrow": "video", "broad_audio": "audio", "text": "text"}
    objective = MMV(
        {view: golden_peers.feature_table(inputs[name], name) for view, name in names.items()},
        video_head=functools.partial(normed, widths=(hidden, space), hidden_bias=False),
        joint_head=functools.partial(normed, widths=(joint,), activate_input=True),
        audio_head=functools.partial(mlp_head, widths=(space,)),
        text_head=functools.partial(mlp_head, widths=(joint,)),
        temperature=constants["temperature"],
    )
    heads = {name: objective.heads[view] for view, name in names.items()}
    heads["joint"] = objective.joint_head
    for weight, (head, layer) in DENSE.items():
        bias = [inputs[BIASES[weight]]] if weight in BIASES else []
        heads[head].get_layer(layer).set_weights([inputs[weight], *bias])
    for norm, (head, layer) in NORMS.items():
        given = heads[head].get_layer(layer)
        given.gamma.assign(inputs[f"{norm}_scale"])
        given.beta.assign(inputs[f"{norm}_offset"])
    objective.compile(tf.keras.optimizers.SGD(1.0))
    return objective, heads


def check_heads(golden):
    inputs, constants = golden.case("fac_head")
    objective, heads = with_heads(inputs, constants)
    found, compute = [], objective.terms
    objective.terms = lambda *args, **kwargs: found.append(compute(*args, **kwargs)) or found[-1]
    logs, _ = objective.train_step(batch(inputs, constants["texts_per_clip"]))
    key, (terms,) = "fac_head/", found
    projections = {
        "video_to_audio": "narrow",
        "video_to_text": "joint",
        "audio_to_video": "broad_audio",
        "text_to_video": "text",
    }
    for name, projection in projections.items():
        golden.check(f"{key}{name}", terms.projections[projection])
    golden.check(f"{key}loss", logs["loss"])
    for name in ("video_audio", "video_text"):
        golden.check(f"{key}{name}", logs[f"loss/{name}"])
    for view, name in (("narrow", "video"), ("broad_audio", "audio"), ("text", "text")):
        gradient = inputs[name] - objective.backbones[view].get_weights()[0]
        golden.check(f"{key}grad_{name}", gradient, golden_peers.GRADIENTS)
    for weight, (head, layer) in DENSE.items():
        gradient = inputs[weight] - heads[head].get_layer(layer).get_weights()[0]
        golden.check(f"{key}grad_{weight}", gradient, golden_peers.GRADIENTS)
    for norm, (head, layer) in NORMS.items():
        given = heads[head].get_layer(layer)
        golden.check(f"{key}{norm}_moving_mean", given.moving_mean)
        golden.check(f"{key}{norm}_moving_variance", given.moving_variance)


def count_parameters(**options):
    """Of the heads on an S3D's features and those of the peer's sound and text networks."""
    sizes = {"narrow": 1024, "broad_audio": 2048, "text": 2048}
    backbones = {
        view: tf.keras.Sequential([tf.keras.Input((size,)), tf.keras.layers.Lambda(tf.identity)])
        for view, size in sizes.items()
    }
    objective = MMV(backbones, **options)
    return sum(int(tf.size(weight)) for weight in objective.trainable_weights)


def test_every_key(shared_dir):
    golden = golden_peers.Golden(shared_dir, "mmv")
    for case in ("nce", "nce_masked", "nce_two_replicas"):
        for loss in LOSSES:
            check_case(golden, case, loss)
    check_heads(golden)
    released = functools.partial(
        mlp_head, widths=(512, 512), last_norm=batch_norm, last_bias=False, hidden_bias=False
    )
    golden.check("head/parameters_deepmind_s3d", count_parameters())
    golden.check("head/parameters_vatt_s3d", count_parameters(video_head=released))
    golden.check_all_used()


@pytest.mark.parametrize("loss", LOSSES)
def test_two_replicas_take_the_same_step(shared_dir, loss):
    golden = golden_peers.Golden(shared_dir, "mmv")
    inputs, constants = golden.case("nce_two_replicas")
    strategy = two_replicas()
    with strategy.scope():
        objective = make(inputs, constants, loss)
    data = tf.data.Dataset.from_tensor_slices(batch(inputs, constants["texts_per_clip"]))
    clips = len(inputs["video"]) // 2
    data = strategy.distribute_datasets_from_function(lambda _: data.batch(clips))
    history = objective.fit(data, steps_per_epoch=1, verbose=0).history
    key = f"nce_two_replicas/{loss}/"
    golden.check(f"{key}loss", np.float32(history["loss"][0]))
    for name, gradient in gradients(objective, inputs).items():
        golden.check(f"{key}grad_{name}", gradient, golden_peers.GRADIENTS)

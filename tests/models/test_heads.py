import functools
import re

import gin
import numpy as np
import peer_values
import pytest
import reference
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.interop.deepmind.weights import load_haiku
from brave_tf.models.heads import mlp_head, predictor, projector
from brave_tf.models.norm import batch_norm

# Input size and arguments of published heads, in the order of the table of docs/backbones.md.
PUBLISHED = {
    "CoCLR": [(1024, {"widths": (1024, 128), "norm": None})],
    "CVRL": [(2048, {"widths": (2048, 2048, 2048, 128)})],
    "rho-BYOL, projector": [(2048, {"widths": (4096, 256), "hidden_bias": False})],
    "rho-BYOL, predictor": [(256, {"widths": (4096, 256), "hidden_bias": False})],
    "AVID, CMA": [(512, {"widths": (512, 512, 128), "norm": None})],
    "GDT": [(512, {"widths": (512, 256), "hidden_bias": False, "dropout": 0.3})],
    "MMV": [
        (
            1024,
            {
                "widths": (512, 512),
                "last_norm": batch_norm,
                "hidden_bias": False,
                "last_bias": False,
            },
        ),
        (
            512,
            {
                "widths": (256,),
                "activate_input": True,
                "last_norm": batch_norm,
                "last_bias": False,
            },
        ),
        (2048, {"widths": (512,)}),
        (2048, {"widths": (256,)}),
    ],
    "XDC": [(512, {"widths": (400,)})],
}
PARAMETERS = {
    "CoCLR": ("coclr", "head/parameters_1024_to_128", 1_180_800),
    "CVRL": ("cvrl", "head/trainable_parameters", 12_863_616),
    "rho-BYOL, projector": ("rho_byol", "head/projector_parameters", 9_445_632),
    "rho-BYOL, predictor": ("rho_byol", "head/predictor_parameters", 2_105_600),
    "AVID, CMA": ("avid", "head/parameters", 590_976),
    "GDT": ("gdt", "head/parameters", 394_496),
    "MMV": ("mmv", "head/parameters_vatt_s3d", 2_493_696),
    "XDC": ("xdc", "backbone/classifier_400", 205_200),
}


@pytest.fixture(scope="module")
def reference_heads(golden_dir):
    checkpoint = reference.recipe(golden_dir).make_checkpoint(
        str(golden_dir / "spec_v_a_1x.json"), ["shared_project"]
    )
    models = {"projector": projector(2048), "predictor": predictor(128)}
    for name, model in models.items():
        load_haiku(model, checkpoint["params"], checkpoint["state"], f"shared_project/{name}")
    return models["projector"], models["predictor"]


@pytest.mark.parametrize(
    ("key", "training", "tolerance"), [("eval", False, 1e-5), ("train_first", True, 1e-4)]
)
def test_heads_agree_with_reference(golden_dir, reference_heads, key, training, tolerance):
    golden, cases = reference.values(golden_dir, "forward_train_1x")
    first = cases["project"]["first"]
    features = reference.recipe(golden_dir).features_input(first["seed"], first["shape"])
    project, predict = reference_heads
    weights = project.get_weights(), predict.get_weights()
    z = project(features, training=training)
    h = predict(z, training=training)
    project.set_weights(weights[0])
    predict.set_weights(weights[1])
    assert reference.error(z.numpy(), golden[f"project/{key}/z_f64"]) < tolerance
    assert reference.error(h.numpy(), golden[f"project/{key}/h_f64"]) < tolerance


def test_sizes():
    assert projector(2048).count_params() == 2048 * 4096 + 4096 * 5 + 4096 * 128 + 128 * 5
    assert predictor(128).count_params() == 128 * 4096 + 4096 * 5 + 4096 * 128 + 128
    assert projector(64, hidden=32, output=16).output_shape == (None, 16)
    assert predictor(16, hidden=32).output_shape == (None, 16)
    assert predictor(16, hidden=32, output=8).output_shape == (None, 8)


def test_names_of_variables_tell_the_head_inside_a_model():
    class Pair(tf.keras.Model):
        def __init__(self):
            super().__init__()
            self.project = projector(8, hidden=16, output=4, name="narrow_projector")
            self.predict_ = predictor(4, hidden=16, name="narrow_predictor")

        def call(self, x):
            return self.predict_(self.project(x))

    model = Pair()
    model(tf.zeros((2, 8)))
    names = [v.name for v in model.trainable_variables]
    assert sum(bool(re.search("projector/", name)) for name in names) == 8
    assert sum(bool(re.search("predictor/", name)) for name in names) == 6
    assert len(names) == len(set(names)) == 14


def test_projections_are_normalised_over_the_batch():
    x = np.random.default_rng(0).normal(size=(64, 8)).astype("f4")
    z = projector(8, hidden=32, output=4)(x, training=True).numpy()
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(0), 1, atol=1e-2)


def test_outputs_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    z = projector(8, hidden=16, output=4)(tf.ones((2, 8)))
    assert z.dtype == tf.float32
    assert predictor(4, hidden=16)(z).dtype == tf.float32


def trainable(model):
    return sum(variable.shape.num_elements() for variable in model.trainable_variables)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_heads_have_as_many_parameters_as_stated(name):
    assert sum(trainable(mlp_head(size, **k)) for size, k in PUBLISHED[name]) == PARAMETERS[name][2]


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_numbers_of_parameters_are_those_of_the_code_of_the_publication(shared_dir, name):
    file, key, expected = PARAMETERS[name]
    assert int(peer_values.arrays(shared_dir, file)[key]) == expected


def test_deepminds_head_of_mmv_has_a_bias_more():
    (size, arguments), *rest = PUBLISHED["MMV"]
    first = mlp_head(size, **{**arguments, "hidden_bias": True})
    assert trainable(first) + sum(trainable(mlp_head(n, **k)) for n, k in rest) == 2_494_208


def test_the_heads_of_mmv_agree_with_reference(shared_dir):
    """Outputs in training mode and moving statistics, the graph of heads that MMV calls FAC."""
    golden, x, constants = peer_values.case(shared_dir, "mmv", "fac_head")
    norm = functools.partial(
        batch_norm,
        momentum=constants["batch_norm_momentum"],
        epsilon=constants["batch_norm_epsilon"],
        averages="plain",
    )
    hidden, joint, small = (x[key].shape[1] for key in ("vid_to_hid", "hid_to_va", "va_to_vat"))
    no_bias = {"hidden_bias": False, "last_bias": False, "last_norm": norm}
    heads = {
        "video_to_audio": mlp_head(x["video"].shape[1], (hidden, joint), norm=norm, **no_bias),
        "video_to_text": mlp_head(joint, (small,), activate_input=True, **no_bias),
        "audio_to_video": mlp_head(x["audio"].shape[1], (joint,)),
        "text_to_video": mlp_head(x["text"].shape[1], (small,)),
    }
    weights = {
        "video_to_audio": "vid_to_hid bn_hid_scale bn_hid_offset hid_to_va bn_va_scale bn_va_offset",
        "video_to_text": "va_to_vat bn_vat_scale bn_vat_offset",
        "audio_to_video": "aud_to_va aud_bias",
        "text_to_video": "txt_to_vat txt_bias",
    }
    for name, keys in weights.items():
        for variable, key in zip(heads[name].trainable_variables, keys.split()):
            variable.assign(x[key])
    inputs = {
        "video_to_audio": x["video"],
        "audio_to_video": x["audio"],
        "text_to_video": x["text"],
        "video_to_text": golden["fac_head/video_to_audio"],
    }
    for name, values in inputs.items():
        found = heads[name](values, training=True).numpy()
        assert reference.error(found, golden[f"fac_head/{name}"]) < 1e-5
    norms = {
        "hid": heads["video_to_audio"].get_layer("head/batch_norm"),
        "va": heads["video_to_audio"].get_layer("head/batch_norm_1"),
        "vat": heads["video_to_text"].get_layer("head/batch_norm"),
    }
    for name, layer in norms.items():
        for kind in ("mean", "variance"):
            expected = golden[f"fac_head/bn_{name}_moving_{kind}"]
            found = getattr(layer, f"moving_{kind}").numpy()
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_head_computes_what_it_says():
    rng = np.random.default_rng(0)
    head = mlp_head(5, (7, 6, 3), last_norm=batch_norm, activate_input=True, name="g")
    for variable in head.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    values = {variable.name: variable.numpy() for variable in head.trainable_variables}
    x = rng.normal(size=(16, 5)).astype("f4")

    def normalised(y, layer):
        y = (y - y.mean(0)) / np.sqrt(y.var(0) + 1e-5)
        return y * values[f"g/{layer}/gamma:0"] + values[f"g/{layer}/beta:0"]

    y = np.maximum(x, 0)
    for index in ("", "_1", "_2"):
        y = y @ values[f"g/linear{index}/kernel:0"] + values[f"g/linear{index}/bias:0"]
        y = normalised(y, f"batch_norm{index}")
        y = y if index == "_2" else np.maximum(y, 0)
    np.testing.assert_allclose(head(x, training=True), y, atol=1e-4)
    assert len(values) == 12


def test_dropout_comes_before_each_linear_layer_in_training_alone():
    head = mlp_head(4000, (4000, 1), norm=None, dropout=0.3, activation="linear")
    for variable in head.trainable_variables:
        ones = variable.name.endswith("linear_1/kernel:0")
        value = 1 / 4000 if ones else np.eye(*variable.shape) if "kernel" in variable.name else 0
        variable.assign(np.broadcast_to(value, variable.shape))
    x = np.ones((1, 4000), np.float32)
    np.testing.assert_allclose(head(x), [[1]], rtol=1e-4)
    dropped = np.array([head(x, training=True) for _ in range(20)])
    # A product of two that are 1 / 0.7 with a chance of 0.7.
    assert abs(dropped.mean() - 1) < 0.02
    assert 0.5 < dropped.std() / np.sqrt((1 / 0.49 - 1) / 4000) < 1.6


def test_weights_are_drawn_as_asked_for():
    tf.keras.utils.set_random_seed(0)
    torch = mlp_head(400, (300, 200), norm=None, initializer="uniform_by_inputs")
    for variable, inputs in zip(torch.trainable_variables, (400, 400, 300, 300)):
        values = variable.numpy() * np.sqrt(inputs)
        assert 0.97 < np.abs(values).max() <= 1.0001
        assert abs(np.mean(values**2) - 1 / 3) < 0.06
    kernel, bias, *_ = mlp_head(400, (300, 200)).trainable_variables
    assert abs(kernel.numpy().std() * 20 - 1) < 0.02
    assert not bias.numpy().any()


def test_a_recipe_builds_heads_by_scope():
    gin.parse_config("""
        import brave_tf.models.heads
        video/mlp_head.widths = (6, 3)
        video/mlp_head.norm = @hidden/batch_norm
        hidden/batch_norm.momentum = 0.997
        hidden/batch_norm.scale = False
        sound/mlp_head.widths = (3,)
        sound/mlp_head.last_bias = False
    """)
    with gin.config_scope("video"):
        video = mlp_head(4, name="video_head")
    with gin.config_scope("sound"):
        sound = mlp_head(5, name="sound_head")
    assert [v.name for v in video.trainable_variables] == [
        "video_head/linear/kernel:0",
        "video_head/linear/bias:0",
        "video_head/batch_norm/beta:0",
        "video_head/linear_1/kernel:0",
        "video_head/linear_1/bias:0",
    ]
    assert video.get_layer("video_head/batch_norm").momentum == 0.997
    assert [tuple(v.shape) for v in sound.trainable_variables] == [(5, 3)]


def test_heads_are_float32_in_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    for last_norm in (None, batch_norm):
        head = mlp_head(8, (16, 4), last_norm=last_norm)
        assert head(tf.ones((2, 8))).dtype == tf.float32
        assert head.get_layer("head/linear").compute_dtype == "bfloat16"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": ()}, "widths = .*one layer or more"),
        ({"widths": (8, 0)}, "widths = .*one layer or more"),
        ({"widths": (8,), "dropout": 1.0}, "dropout = 1.0: expected 0 <= dropout < 1"),
        ({"widths": (8,), "activation": "rleu"}, "activation = 'rleu'"),
        ({"widths": (8,), "initializer": "lecun"}, "initializer = 'lecun'.*uniform_by_inputs"),
    ],
)
def test_unusable_arguments_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        mlp_head(4, **arguments)

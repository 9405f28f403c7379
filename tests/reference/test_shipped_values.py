"""The numbers that are kept beside the tests: without the reference values they say what the code computes.

They are of quarter-width networks, see `seeded_values`. With the reference values, the same functions are
shown to give those: what is kept was computed by code that agrees with them.
"""

import gin
import numpy as np
import pytest
import reference
import seeded_values
import tensorflow as tf
from seeded_values import compute, disagreements, kept

from brave_tf.interop.deepmind import runs
from brave_tf.interop.deepmind.weights import load_haiku
from brave_tf.models import temporal
from brave_tf.models.heads import predictor, projector
from brave_tf.objectives import regression
from brave_tf.training.optimizers import schedules
from brave_tf.training.optimizers.lars import lars

# Of float64: what processors and versions of libraries add up in another order.
CLOSE = 1e-7
# Of float32, through 50 layers.
SINGLE = 1e-4


def test_every_part_is_kept():
    assert list(kept()) == list(seeded_values.PARTS)
    assert seeded_values.PATH.stat().st_size < 200_000


@pytest.mark.parametrize("part", seeded_values.PARTS)
def test_the_code_computes_what_is_kept(part):
    found, expected = compute(part), kept()[part]
    assert found.keys() == expected.keys()
    assert disagreements(found, expected, CLOSE) == []


@pytest.mark.parametrize("kind", seeded_values.BACKBONES)
def test_backbones_in_float32(kind):
    """Inference in float32 has kernels of its own, such as the fused normalisation."""
    expected = {"inference": kept()[kind]["inference"]}
    assert disagreements(seeded_values.inference(kind), expected, SINGLE) == []


def _bind(binding):
    def apply(monkeypatch):
        gin.parse_config(binding)

    return apply


def _shift_the_other_way(monkeypatch):
    exchange = temporal._exchange
    backwards = lambda x, moved: exchange(x[:, ::-1], moved)[:, ::-1]  # noqa: E731
    monkeypatch.setattr(temporal, "_exchange", backwards)


def _keep_channels_in_place(monkeypatch):
    exchange = temporal._exchange

    def shift(clips, moved):
        shifted = exchange(clips, moved)
        parts = shifted[..., -moved:], shifted[..., moved:-moved], shifted[..., :moved]
        return tf.concat(parts, axis=-1)

    monkeypatch.setattr(temporal, "_exchange", shift)


def _let_the_target_learn(monkeypatch):
    monkeypatch.setattr(regression.tf, "stop_gradient", lambda x: x)


def _add_epsilon(monkeypatch):
    add = lambda x, epsilon: x / (tf.norm(x, axis=-1, keepdims=True) + epsilon)  # noqa: E731
    monkeypatch.setattr(regression, "_normalise", add)


# What is wrong -> how it is done, the part, and the numbers that say so.
FAULTS = {
    "shift the other way": (_shift_the_other_way, "tsm_resnet/flow", {"inference", "training"}),
    "channels in place": (_keep_channels_in_place, "tsm_resnet/flow", {"inference", "training"}),
    "epsilon of norms": (_bind("batch_norm.epsilon = 1e-3"), "audio_resnet", {"inference"}),
    "decay of norms": (_bind("batch_norm.momentum = 0.99"), "audio_resnet", {"averages"}),
    "epsilon of norms in heads": (
        _bind("batch_norm.epsilon = 1e-3"),
        "heads",
        {"projector/inference", "predictor/training"},
    ),
    "decay of norms in heads": (
        _bind("batch_norm.momentum = 0.99"),
        "heads",
        {"projector/averages", "predictor/averages"},
    ),
    "target learns": (_let_the_target_learn, "losses", {"brave/shared/gradients"}),
    "epsilon is added": (_add_epsilon, "losses", {"regression/losses", "regression/gradient"}),
    "scale of the loss": (_bind("BraVe.loss_scale = 0.5"), "losses", {"brave/per_view/loss"}),
    "momentum": (_bind("lars.momentum = 0.99"), "lars", {"correct/plain/dense/bias"}),
    "trust ratio": (
        _bind("lars.trust_coefficient = 2e-3"),
        "lars",
        {"correct/plain/dense/kernel", "released/plain/dense/bias"},
    ),
    "weight decay": (
        _bind("lars.weight_decay = 0.0"),
        "lars",
        {"correct/nesterov/dense/kernel", "released/nesterov/norm/gamma"},
    ),
}


def _marked(fault):
    part = FAULTS[fault][1]
    return pytest.param(fault, marks=[pytest.mark.long] * (part in seeded_values.BACKBONES))


@pytest.mark.parametrize("fault", map(_marked, FAULTS))
def test_what_is_kept_catches(fault, monkeypatch):
    apply, part, wrong = FAULTS[fault]
    apply(monkeypatch)
    assert wrong <= set(disagreements(compute(part), kept()[part], 1e-4))


@pytest.mark.parametrize(
    ("case", "module"),
    [
        pytest.param("audio/A", "broad_audio_embedding", marks=pytest.mark.long),
        pytest.param("narrow/A", "narrow_video_embedding", marks=pytest.mark.long),
    ],
)
def test_backbones_by_the_same_function_agree_with_the_reference(golden_dir, case, module):
    golden, cases = reference.values(golden_dir, "forward_eval_1x")
    checkpoint = reference.make_checkpoint(golden_dir, cases[case]["spec"], module)
    (model,) = runs.build(checkpoint).models.values()
    x = reference.model_input(golden_dir, cases[case]["input"])
    found = seeded_values.outputs(model, x, training=False)
    assert reference.error(found, golden[f"{case}/embedding_f64"]) < 1e-5
    # The network of which numbers are kept differs by its width alone.
    kind = {"audio/A": "audio_resnet", "narrow/A": "tsm_resnet/rgb"}[case]
    quarter = seeded_values.BACKBONES[kind][0]()
    assert [type(layer) for layer in quarter.layers] == [type(layer) for layer in model.layers]
    assert disagreements(seeded_values.inference(kind), _only(kind, "inference"), SINGLE) == []


def _only(part, name):
    return {name: kept()[part][name]}


def test_heads_by_the_same_function_agree_with_the_reference(golden_dir):
    golden, cases = reference.values(golden_dir, "forward_train_1x")
    case = cases["project"]
    checkpoint = reference.make_checkpoint(golden_dir, case["spec"], "shared_project")
    tf.keras.backend.set_floatx("float64")
    models = {"z": projector(2048), "h": predictor(128)}
    for name, module in (("z", "projector"), ("h", "predictor")):
        path = f"shared_project/{module}"
        load_haiku(models[name], checkpoint.params, checkpoint.state, path)
    first = reference.model_input(golden_dir, case["first"]).astype(np.float64)
    for key, training in (("eval", False), ("train_first", True)):
        x = first
        for name, model in models.items():
            x = seeded_values.outputs(model, x, training)
            assert reference.error(x, golden[f"project/{key}/{name}_f64"]) < 1e-5
    assert disagreements(compute("heads"), kept()["heads"], CLOSE) == []


@pytest.mark.parametrize("case", ["plain", "zero_rows", "tiny", "epsilon_1e-1"])
def test_losses_by_the_same_function_agree_with_the_reference(golden_dir, case):
    golden = np.load(golden_dir / "ops.npz")
    x, y, loss, gradient = (
        golden[f"regression_loss/{case}/{n}"] for n in ("x", "y", "loss", "grad_x")
    )
    options = {"epsilon": 0.1} if case == "epsilon_1e-1" else {}
    losses, found = seeded_values.distance(x, y, **options)
    # The reference takes half the squared distance and the mean over clips.
    np.testing.assert_allclose(losses.mean() / 2, loss, rtol=1e-5, atol=1e-6)
    scale = max(np.abs(gradient).max(), 1e-2)
    np.testing.assert_allclose(found / 2 / len(x) / scale, gradient / scale, atol=1e-4)
    assert disagreements(compute("losses"), kept()["losses"], CLOSE) == []


def test_lars_by_the_same_function_agrees_with_the_reference(golden_dir):
    golden, cases = reference.values(golden_dir, "optimizer")
    recipe, case = reference.recipe(golden_dir), cases["lars_short_no_nesterov"]
    keras = {"w": "kernel", "b": "bias", "scale": "gamma", "offset": "beta"}
    named = {
        f"{module}/{keras[name]}": (module, name, shape) for module, name, shape in cases["shapes"]
    }
    kwargs = case["scheduler_kwargs"]
    schedule = schedules.warmup_cosine(
        peak=kwargs["peak_value"],
        warmup_steps=kwargs["warmup_steps"],
        total_steps=kwargs["decay_steps"],
    )
    optimizer = lars(
        schedule,
        weight_decay=case["weight_decay"],
        multipliers=dict(case["scale_learning_rate_by_regex"]),
        compat="released",
        **case["optimizer_kwargs"],
    )
    found = seeded_values.trajectory(
        optimizer,
        {name: recipe.optimizer_param(*key) for name, key in named.items()},
        lambda name, step: recipe.optimizer_grad(*named[name], step),
        cases["num_steps"],
    )
    for name, (module, parameter, shape) in named.items():
        initial = recipe.optimizer_param(module, parameter, shape)
        expected = golden[f"lars_short_no_nesterov/params/{module}/{parameter}"] - initial
        limit = 1e-5 * np.abs(expected).max() + 3e-7
        np.testing.assert_allclose(found[name], expected, atol=limit, rtol=0)
    assert disagreements(compute("lars"), kept()["lars"], CLOSE) == []

"""Every case of the reference in train mode: embeddings, heads and the state of batch normalisation.

Batch statistics of random networks are badly conditioned, so float64 is compared at 1e-5 and float32 at
ten times the rounding noise of the float32 reference.
"""

import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.interop.deepmind import runs
from brave_tf.interop.deepmind.weights import load_haiku, to_haiku
from brave_tf.models.heads import predictor, projector

SERIES = pytest.mark.series
FILES = {"1x": "forward_train_1x", "2x": "forward_train_2x"}


def assert_backbone_agrees(golden_dir, file, case):
    """Embedding and state after one call, from the recipe's state and from a fresh one."""
    golden, cases = reference.values(golden_dir, file)
    recipe = reference.recipe(golden_dir)
    module = f"{cases[case]['forward']}_embedding"
    checkpoint = reference.make_checkpoint(golden_dir, cases[case]["spec"], module)
    x = reference.model_input(golden_dir, cases[case]["input"])

    tf.keras.backend.set_floatx("float64")
    (model,) = runs.build(checkpoint).models.values()
    assert all(weight.dtype == tf.float64 for weight in model.weights)
    call = tf.function(lambda x: model(x, training=True))
    for variant in ("recipe_state", "fresh_state"):
        if variant == "fresh_state":
            fresh = recipe.fresh_state(checkpoint.state)
            load_haiku(model, checkpoint.params, fresh, module)
        got = call(x).numpy()
        assert reference.error(got, golden[f"{case}/embedding_f64"]) < 1e-5
        state = full_state(model, module)
        reference.assert_state_agrees(
            golden, f"{case}/state_after/{variant}", state, recipe, rtol=1e-5
        )

    tf.keras.backend.set_floatx("float32")
    (model,) = runs.build(checkpoint).models.values()
    noise = reference.noise(golden)
    got = tf.function(lambda x: model(x, training=True))(x).numpy()
    expected = golden[f"{case}/embedding_f64"]
    assert reference.error(got, expected) < 10 * noise[f"{case}/embedding"]
    state = to_haiku([(model, module)])[1]
    key = f"{case}/state_after/recipe_state"
    reference.assert_state_agrees(golden, key, state, recipe, rtol=1e-3)


def full_state(model, module):
    """The state in the precision of the model's variables."""
    return to_haiku([(model, module)], dtype=np.float64)[1]


@pytest.mark.parametrize(
    "case",
    ["audio/A", *(pytest.param(case, marks=SERIES) for case in ("narrow/A", "broad_video/A"))],
)
def test_backbone(golden_dir, case):
    assert_backbone_agrees(golden_dir, FILES["1x"], case)


@pytest.mark.series
def test_wide_backbone(golden_dir):
    assert_backbone_agrees(golden_dir, FILES["2x"], "narrow/A")


@pytest.mark.parametrize("file", FILES.values())
@pytest.mark.parametrize("floatx", ["float64", "float32"])
def test_heads(golden_dir, file, floatx):
    """Projector and predictor in both modes, and the state that two calls leave."""
    golden, cases = reference.values(golden_dir, file)
    noise, case = reference.noise(golden), cases["project"]
    recipe = reference.recipe(golden_dir)
    checkpoint = reference.make_checkpoint(golden_dir, case["spec"], "shared_project")
    first, second = (reference.model_input(golden_dir, case[k]) for k in ("first", "second"))

    tf.keras.backend.set_floatx(floatx)
    heads = [projector(2048), predictor(128)]
    modules = ["shared_project/projector", "shared_project/predictor"]

    def load(state):
        for model, module in zip(heads, modules):
            load_haiku(model, checkpoint.params, state, module)

    def assert_agrees(key, x, training):
        z = heads[0](x, training=training)
        values = {"z": z, "h": heads[1](z, training=training)}
        for name, value in values.items():
            rtol = 1e-5 if floatx == "float64" else 10 * noise[f"project/{key}/{name}"]
            expected = golden[f"project/{key}/{name}_f64"]
            assert reference.error(value.numpy(), expected) < rtol, (key, name)

    def assert_state(key):
        state = to_haiku(zip(heads, modules), dtype=floatx)[1]
        reference.assert_state_agrees(golden, f"project/{key}", state, recipe, rtol=2e-5)

    states = {"recipe_state": checkpoint.state, "fresh_state": recipe.fresh_state(checkpoint.state)}
    load(checkpoint.state)
    assert_agrees("eval", first, training=False)
    for variant, state in states.items():
        load(state)
        assert_agrees("train_first", first, training=True)
        assert_state(f"state_after_first/{variant}")
        assert_agrees("train_second", second, training=True)
        assert_state(f"state_after_second/{variant}")
    assert_agrees("eval_after_two_fresh", first, training=False)

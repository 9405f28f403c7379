"""The objective's loss, its terms, gradients and the state it leaves, against the reference."""

import numpy as np
import pytest
import reference
import tensorflow as tf
from of_a_kind import some_long

from brave_tf.interop.deepmind import runs
from brave_tf.interop.deepmind.weights import parts, slots_of, to_haiku

# The reference numbers the broad views: 1 is video, 2 is audio.
TERMS = {
    "loss_n_to_b_1": "narrow_to_broad_video",
    "loss_b_to_n_1": "broad_video_to_narrow",
    "loss_n_to_b_2": "narrow_to_broad_audio",
    "loss_b_to_n_2": "broad_audio_to_narrow",
}
VIEWS = {"narrow_video": "narrow"}


def objective_and_batch(golden_dir, spec):
    """The objective of a checkpoint in the released format, and the reference's batch."""
    golden, cases = reference.values(golden_dir, f"loss_{spec}")
    inputs = cases["loss"]["inputs"]
    checkpoint = reference.make_checkpoint(golden_dir, spec)
    objective = runs.build(checkpoint).objective
    batch = {
        VIEWS.get(name, name): tf.constant(reference.model_input(golden_dir, made))
        for name, made in inputs.items()
    }
    assert set(batch) == set(objective.backbones)
    return golden, objective, batch


def differentiate(objective, batch):
    """Terms, loss and gradients of a training step, by the objective's own variables."""

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            terms = objective.terms(batch, training=True).losses
            means = {name: tf.reduce_mean(values) for name, values in terms.items()}
            loss = objective.loss_scale * tf.reduce_mean(tf.stack(list(means.values())))
        return means, loss, tape.gradient(loss, objective.trainable_variables)

    return step(batch)


def gradients_by_path(objective, gradients):
    """Haiku path -> gradient, in Haiku's shape."""
    by_variable = {v.ref(): g for v, g in zip(objective.trainable_variables, gradients)}
    found = {}
    for model, module in parts(objective):
        for slot in slots_of(model, module):
            if slot.collection == "params":
                gradient = by_variable[slot.variable.ref()].numpy()
                axes = (1,) * (slot.axes - gradient.ndim)
                found[slot.path] = gradient.reshape(axes + gradient.shape).astype("f8")
    return found


def assert_terms_agree(golden, terms, loss, tolerance):
    noise = reference.noise(golden)
    names = {field.split("/")[-1] for field in noise if field.startswith("loss/metrics/loss_")}
    assert {TERMS[name] for name in names} == set(terms)
    for name in names:
        # The released code halves the squared distance of each term.
        expected = golden[f"loss/metrics/{name}_f64"]
        limit = tolerance(noise[f"loss/metrics/{name}"])
        np.testing.assert_allclose(terms[TERMS[name]] / 2, expected, rtol=limit)
    limit = tolerance(noise["loss/metrics/loss"])
    np.testing.assert_allclose(loss, golden["loss/metrics/loss_f64"], rtol=limit)


@pytest.mark.parametrize("spec", some_long(["v_a_1x", "v_v_1x", "v_va_1x"], ["v_a_1x"]))
def test_loss_gradients_and_state_in_float64(golden_dir, spec):
    tf.keras.backend.set_floatx("float64")
    golden, objective, batch = objective_and_batch(golden_dir, spec)
    terms, loss, gradients = differentiate(objective, batch)
    assert_terms_agree(golden, terms, loss, lambda noise: 1e-5)

    found = gradients_by_path(objective, gradients)
    paths = [str(path) for path in golden["loss/grad/paths"]]
    assert set(paths) == set(found)
    recipe = reference.recipe(golden_dir)
    norms = np.array([np.linalg.norm(found[path]) for path in paths])
    # Gradients that are zero but for rounding, in front of a normalisation, are compared absolutely.
    tiny = 1e-9 * norms.max()
    expected = golden["loss/grad/l2_f64"]
    np.testing.assert_allclose(norms, expected, rtol=1e-5, atol=tiny)
    probes = [np.sum(found[path] * recipe.probe(path, found[path].shape)) for path in paths]
    assert np.all(np.abs(probes - golden["loss/grad/probe_f64"]) < 1e-5 * norms + tiny)
    first = np.stack([np.resize(found[path].ravel(), 8) for path in paths])
    largest = np.abs(first).max(axis=1, keepdims=True)
    assert np.all(np.abs(first - golden["loss/grad/first8_f64"]) < 1e-5 * largest + tiny)
    global_norm = np.sqrt(np.sum(norms**2))
    np.testing.assert_allclose(global_norm, golden["loss/grad/global_norm_f64"], rtol=1e-5)

    state = to_haiku(parts(objective), dtype=np.float64)[1]
    reference.assert_state_agrees(golden, "loss/state_after/recipe_state", state, recipe, rtol=1e-5)


@pytest.mark.series
def test_loss_in_float32(golden_dir):
    golden, objective, batch = objective_and_batch(golden_dir, "v_a_1x")
    noise = reference.noise(golden)
    terms, loss, gradients = differentiate(objective, batch)
    assert_terms_agree(golden, terms, loss, lambda noise: 10 * noise)
    global_norm = tf.linalg.global_norm(gradients)
    limit = 10 * noise["loss/grad/global_norm"]
    np.testing.assert_allclose(global_norm, golden["loss/grad/global_norm_f64"], rtol=limit)

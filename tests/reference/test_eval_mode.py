"""Every case of the reference in eval mode: embeddings and end points, float32 within 1e-5."""

import functools

import numpy as np
import pytest
import reference
import tensorflow as tf

from brave_tf.interop.deepmind import runs


@functools.lru_cache(maxsize=1)
def backbone(golden_dir, spec, module):
    checkpoint = reference.make_checkpoint(golden_dir, spec, module)
    (model,) = runs.build(checkpoint).models.values()
    return model


def keras_name(end_point):
    """Layer that gives one of the reference's end points."""
    if end_point.endswith("stem"):
        return "stem"
    if end_point == "last_conv":
        return end_point
    return f"stage_{int(end_point[-1]) + 1}"


def assert_cases_agree(golden_dir, file, module, kind):
    golden, cases = reference.values(golden_dir, file)
    cases = {key: case for key, case in cases.items() if key.startswith(kind)}
    assert cases
    for key, case in cases.items():
        model = backbone(golden_dir, case["spec"], module)
        names = {field.split("/")[3] for field in golden.files if f"{key}/endpoint/" in field}
        layers = [model.get_layer(keras_name(name)).output for name in sorted(names)]
        values = tf.keras.Model(model.input, [model.output, *layers])(
            reference.model_input(golden_dir, case["input"])
        )
        embedding, *outputs = (value.numpy() for value in values)
        assert reference.error(embedding, golden[f"{key}/embedding_f64"]) < 1e-5, key
        for name, output in zip(sorted(names), outputs):
            assert_summary_agrees(golden_dir, golden, f"{key}/endpoint/{name}", output)


def assert_summary_agrees(golden_dir, golden, key, got):
    got = got.reshape(golden[f"{key}/shape"]).astype("f8")
    largest = np.abs(got).max()
    np.testing.assert_allclose(got.mean(), golden[f"{key}/mean_f64"], atol=1e-5 * largest)
    np.testing.assert_allclose(got.std(), golden[f"{key}/std_f64"], atol=1e-5 * largest)
    first = golden[f"{key}/first16_f64"]
    np.testing.assert_allclose(got.ravel()[:16], first, atol=1e-5 * largest)
    probe = reference.recipe(golden_dir).probe(key, got.shape)
    np.testing.assert_allclose(
        np.sum(got * probe), golden[f"{key}/probe_f64"], atol=1e-5 * np.linalg.norm(got)
    )


def test_narrow_video(golden_dir):
    assert_cases_agree(golden_dir, "forward_eval_1x", "narrow_video_embedding", "narrow/")


def test_broad_video(golden_dir):
    assert_cases_agree(golden_dir, "forward_eval_1x", "broad_video_embedding", "broad_video/")


def test_broad_audio(golden_dir):
    assert_cases_agree(golden_dir, "forward_eval_1x", "broad_audio_embedding", "audio/")


@pytest.mark.long
def test_wide_narrow_video(golden_dir):
    assert_cases_agree(golden_dir, "forward_eval_2x", "narrow_video_embedding", "narrow/")

"""Exported models against the Keras models that they were made from."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.interop import saved_model
from brave_tf.models.audio_light import audio_light
from brave_tf.models.tsm_light import tsm_light

VIEWS = {
    "narrow": RgbView(num_frames=4, size=16),
    "broad_flow": FlowView(num_frames=4, size=16),
    "broad_audio": AudioView(duration=0.5, log_mel=LogMel(8000, mel_bins=12, upper_hz=3800.0)),
}
SMALL = {"widths": (8, 16), "blocks": (1, 1)}


def make_backbones():
    """Backbones whose normalisations have seen data."""
    tf.keras.utils.set_random_seed(0)
    backbones = {
        "narrow": tsm_light(**SMALL, name="narrow"),
        "broad_flow": tsm_light(**SMALL, channels=2, name="broad_flow"),
        "broad_audio": audio_light(**SMALL, name="broad_audio"),
    }
    for name, backbone in backbones.items():
        backbone(tf.random.stateless_normal((4, *VIEWS[name].shape), (1, 2)), training=True)
    return backbones


@pytest.fixture(scope="module")
def backbones():
    return make_backbones()


@pytest.fixture(scope="module")
def output(backbones, tmp_path_factory):
    output = tmp_path_factory.mktemp("model") / "exported"
    saved_model.export(backbones, VIEWS, str(output), config="# a recipe\n", step=300)
    return output


@pytest.fixture(scope="module")
def signatures(output):
    # The model owns the variables that the signatures read.
    model = tf.saved_model.load(str(output / "saved_model"))
    yield model.signatures


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_the_folder(output):
    assert sorted(path.name for path in output.iterdir()) == [
        "config.gin",
        "keras",
        "saved_model",
        "weights",
    ]
    assert (output / "config.gin").read_text() == "# a recipe\n"
    assert saved_model.Embedder(str(output)).step == 300


def test_signatures(signatures):
    found = {
        name: {argument: (spec.dtype, spec.shape.as_list()) for argument, spec in inputs.items()}
        for name, signature in signatures.items()
        for inputs in [signature.structured_input_signature[1]]
    }
    clip = [None] * 4
    assert found == {
        "narrow": {"video": (tf.float32, [*clip, 3])},
        "narrow_uint8": {"video": (tf.uint8, [*clip, 3])},
        "narrow_frames": {"video": (tf.uint8, [*clip, 3])},
        "broad_flow": {"video": (tf.float32, [*clip, 2])},
        "broad_flow_uint8": {"video": (tf.uint8, [*clip, None])},
        "broad_flow_frames": {"video": (tf.uint8, [*clip, None])},
        "broad_audio": {"pcm": (tf.float32, [None, None])},
        "broad_audio_spectrogram": {"spectrogram": (tf.float32, [None, None, 12])},
    }
    for signature in signatures.values():
        (embedding,) = signature.structured_outputs.items()
        assert embedding[0] == "embedding"
        assert embedding[1].dtype == tf.float32


@pytest.mark.parametrize("shape", [(1, 16, 224, 224), (3, 9, 80, 96), (2, 1, 17, 5)])
@pytest.mark.parametrize(("view", "channels"), [("narrow", 3), ("broad_flow", 2)])
def test_values_of_any_size_go_to_the_backbone_as_they_are(
    backbones, signatures, view, channels, shape
):
    low = -1.0 if view == "broad_flow" else 0.0
    values = tf.random.stateless_uniform((*shape, channels), (3, 4), low, 1.0)
    found = signatures[view](video=values)["embedding"]
    assert found.shape == (shape[0], 16)
    assert_close(found, backbones[view](values, training=False))


@pytest.mark.parametrize(("view", "channels"), [("narrow", 3), ("broad_flow", 2)])
def test_bytes_as_floats_are_refused(signatures, view, channels):
    video = tf.fill((1, 2, 16, 16, channels), 255.0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"in \[.*, 1\].*{view}_uint8"):
        signatures[view](video=video)


@pytest.mark.parametrize("shape", [(1, 16, 224, 224), (3, 9, 80, 96)])
def test_uint8_is_scaled(backbones, signatures, shape):
    video = pixels(*shape, 3)
    found = signatures["narrow_uint8"](video=tf.constant(video))["embedding"]
    assert_close(found, backbones["narrow"](video.astype(np.float32) / 255, training=False))


def test_uint8_flow_is_read_as_records_store_it(backbones, signatures):
    flow = np.random.default_rng(0).uniform(-20, 20, (2, 4, 16, 16, 2)).astype(np.float32)
    stored = np.round((flow + 20) * 255 / 40).astype(np.uint8)
    read = (stored.astype(np.float32) * 40 / 255 - 20) / 20
    assert np.abs(read - flow / 20).max() <= 1 / 255
    expected = backbones["broad_flow"](read, training=False)
    for channels in (stored, np.concatenate([stored, np.full_like(stored[..., :1], 128)], -1)):
        found = signatures["broad_flow_uint8"](video=tf.constant(channels))["embedding"]
        assert_close(found, expected)


def test_frames_of_the_views_size_are_not_resized(signatures):
    video = tf.constant(pixels(2, 4, 16, 16, 3))
    frames = signatures["narrow_frames"](video=video)["embedding"]
    assert_close(frames, signatures["narrow_uint8"](video=video)["embedding"])


@pytest.mark.parametrize(("height", "width"), [(32, 48), (48, 32), (12, 8), (33, 32)])
def test_frames_are_resized_by_the_shorter_side_and_cropped_to_the_centre(
    signatures, height, width
):
    video = pixels(2, 3, height, width, 3)
    short = min(height, width)
    size = [max(16, side * 16 // short) for side in (height, width)]
    resized = tf.image.resize(video.reshape(6, height, width, 3), size).numpy()
    top, left = (size[0] - 16) // 2, (size[1] - 16) // 2
    cropped = resized[:, top : top + 16, left : left + 16].reshape(2, 3, 16, 16, 3)
    expected = signatures["narrow"](video=tf.constant(cropped / 255))["embedding"]
    assert_close(signatures["narrow_frames"](video=tf.constant(video))["embedding"], expected)


def test_flow_of_resized_frames_is_scaled_with_them(signatures):
    video = np.broadcast_to(np.uint8([200, 90, 128]), (1, 4, 64, 32, 3))
    values = np.broadcast_to(np.float32([200, 90]) * 2 / 255 - 1, (1, 4, 16, 16, 2)) / 2
    expected = signatures["broad_flow"](video=tf.constant(values))["embedding"]
    assert_close(signatures["broad_flow_frames"](video=tf.constant(video))["embedding"], expected)
    small = np.broadcast_to(np.uint8([255, 128]), (1, 4, 8, 8, 2))  # enlarged beyond the bound
    values = np.broadcast_to(np.float32([1, 2 / 255]), (1, 4, 16, 16, 2))
    expected = signatures["broad_flow"](video=tf.constant(values))["embedding"]
    assert_close(signatures["broad_flow_frames"](video=tf.constant(small))["embedding"], expected)


@pytest.mark.parametrize("samples", [800, 801, 4000, 20_000])
def test_sound_of_any_length_becomes_a_spectrogram(backbones, signatures, samples):
    pcm = np.random.default_rng(0).normal(0, 0.1, (3, samples)).astype(np.float32)
    spectrogram = VIEWS["broad_audio"].log_mel(pcm)
    expected = backbones["broad_audio"](spectrogram, training=False)
    assert_close(signatures["broad_audio"](pcm=tf.constant(pcm))["embedding"], expected)
    found = signatures["broad_audio_spectrogram"](spectrogram=spectrogram)["embedding"]
    assert_close(found, expected)


def test_too_short_sound_is_refused(signatures):
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least 800 samples"):
        signatures["broad_audio"](pcm=tf.zeros((1, 799)))


def test_gradients_reach_the_weights(backbones, output):
    model = tf.saved_model.load(str(output / "saved_model"))
    video = tf.random.stateless_uniform((2, 4, 16, 16, 3), (5, 6))
    signature = model.signatures["narrow"]
    pairs = zip(backbones["narrow"].variables, model.backbones["narrow"])
    expected, variables = zip(*[pair for pair in pairs if pair[0].trainable])
    with tf.GradientTape() as tape:
        tape.watch(variables)
        loss = tf.reduce_sum(signature(video=video)["embedding"] ** 2)
    gradients = tape.gradient(loss, variables)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(backbones["narrow"](video, training=False) ** 2)
    for a, b in zip(gradients, tape.gradient(loss, expected)):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3)


def test_plain_tensorflow_reads_it(backbones, output, tmp_path):
    """A process that cannot import brave_tf gets the embeddings of the Keras model."""
    clips = [pixels(1, 16, 224, 224, 3), pixels(3, 9, 80, 96, 3)]
    np.savez(tmp_path / "clips.npz", *clips)
    code = """
import json, sys
sys.modules["brave_tf"] = None
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
clips = np.load(sys.argv[2])
answers = [model.signatures["narrow_uint8"](video=tf.constant(clips[name]))["embedding"] for name in clips]
assert sys.modules["brave_tf"] is None
assert not [name for name in sys.modules if name.startswith("brave_tf.")]
print(json.dumps([answer.numpy().tolist() for answer in answers]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(output / "saved_model"), str(tmp_path / "clips.npz")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "gradient" not in done.stderr
    for clip, answer in zip(clips, json.loads(done.stdout.splitlines()[-1])):
        assert_close(answer, backbones["narrow"](clip.astype(np.float32) / 255, training=False))


def test_keras_weights_fit_the_backbones(backbones, output):
    tf.keras.utils.set_random_seed(9)
    for name, fresh in make_backbones().items():
        for weight in fresh.weights:
            weight.assign(tf.zeros_like(weight))
        fresh.load_weights(str(output / "weights" / f"{name}.weights.h5"))
        for weight, expected in zip(fresh.weights, backbones[name].weights):
            np.testing.assert_array_equal(weight, expected)


def test_the_backbones_are_left_as_they_are(tmp_path):
    backbones = make_backbones()
    before = [w.numpy() for model in backbones.values() for w in model.weights]
    saved_model.export(backbones, VIEWS, str(tmp_path / "out"), config="")
    after = [w.numpy() for model in backbones.values() for w in model.weights]
    for a, b in zip(before, after):
        np.testing.assert_array_equal(a, b)
    assert saved_model.Embedder(str(tmp_path / "out")).step is None


def test_a_failed_export_leaves_what_was_there(backbones, output, tmp_path, monkeypatch):
    target = tmp_path / "out"
    saved_model.export(backbones, VIEWS, str(target), config="old", step=1)

    def fail(*args, **kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(saved_model.tf.saved_model, "save", fail)
    with pytest.raises(UserError, match=r"could not be written: no space left"):
        saved_model.export(backbones, VIEWS, str(target), config="new", step=2, overwrite=True)
    monkeypatch.undo()
    assert (target / "config.gin").read_text() == "old"
    assert saved_model.Embedder(str(target)).step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]

    with pytest.raises(UserError, match="overwrite = False: .* is not empty.*another folder"):
        saved_model.export(backbones, VIEWS, str(target), config="new", step=2)
    saved_model.export(backbones, VIEWS, str(target), config="new", step=2, overwrite=True)
    assert (target / "config.gin").read_text() == "new"
    assert saved_model.Embedder(str(target)).step == 2


def test_what_another_export_wrote_meanwhile_is_left_alone(backbones, tmp_path, monkeypatch):
    target, write = tmp_path / "out", saved_model._write

    def write_late(*args):
        monkeypatch.undo()
        saved_model.export(backbones, VIEWS, str(target), config="first", step=1)
        write(*args)

    monkeypatch.setattr(saved_model, "_write", write_late)
    with pytest.raises(UserError, match="overwrite = False: .* is not empty.*another folder"):
        saved_model.export(backbones, VIEWS, str(target), config="second", step=2)
    assert (target / "config.gin").read_text() == "first"
    assert saved_model.Embedder(str(target)).step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_cannot_be_read_is_named(output, tmp_path):
    with pytest.raises(UserError, match="cannot be read as a SavedModel"):
        saved_model.Embedder(str(tmp_path))
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(UserError, match="cannot be read as a SavedModel"):
        saved_model.Embedder(str(tmp_path))
    with pytest.raises(UserError, match="no signature 'broad'.*narrow"):
        saved_model.Embedder(str(output)).embed("broad", VIEWS["narrow"])

"""Each backbone of the package, exported and read back by TensorFlow alone."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from small_backbones import BACKBONES, SOUND

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.interop import saved_model
from brave_tf.models.endpoints import endpoints

pytestmark = pytest.mark.long

RGB = RgbView(num_frames=4, size=32)
AUDIO = AudioView(duration=0.5, log_mel=LogMel(8000, mel_bins=SOUND[1], upper_hz=3800.0))
END_POINTS = ["stage_1", "last_conv"]


def view_of(name):
    return AUDIO if BACKBONES[name][1] == SOUND else RGB


def batch(name):
    return np.random.default_rng(0).random((2, *BACKBONES[name][1]), np.float32)


@pytest.fixture(scope="module")
def backbones():
    """Backbones with random statistics of normalisation; every other one checkpoints its stages."""
    models = {}
    for index, (name, (build, _)) in enumerate(BACKBONES.items()):
        models[name] = build(name=name, checkpoint_stages=index % 2 == 0)
        for number, weight in enumerate(models[name].non_trainable_weights):
            if weight.dtype.is_floating:
                weight.assign(tf.random.stateless_uniform(weight.shape, (index, number), 0.5, 1.5))
    return models


@pytest.fixture(scope="module")
def output(backbones, tmp_path_factory):
    output = tmp_path_factory.mktemp("model") / "exported"
    views = {name: view_of(name) for name in backbones}
    saved_model.export(backbones, views, str(output), config="", end_points=END_POINTS)
    return output


_READER = """
import importlib.abc, sys

class NoPackage(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("brave_tf", "keras_cv", "gin"):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, NoPackage())
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
answers = {}
for name, values in np.load(sys.argv[2]).items():
    signature = model.signatures[name]
    (argument,) = signature.structured_input_signature[1]
    for key, value in signature(**{argument: tf.constant(values)}).items():
        answers[f"{name}/{key}"] = value.numpy()
np.savez(sys.argv[3], **answers)
"""


def test_plain_tensorflow_answers_as_the_backbones(backbones, output, tmp_path):
    inputs = {}
    for name in backbones:
        inputs[name + ("_spectrogram" if view_of(name) is AUDIO else "")] = batch(name)
    np.savez(tmp_path / "inputs.npz", **inputs)
    places = [output / "saved_model", tmp_path / "inputs.npz", tmp_path / "answers.npz"]
    done = subprocess.run(
        [sys.executable, "-c", _READER, *map(str, places)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = np.load(tmp_path / "answers.npz")
    for signature, name in zip(inputs, backbones):
        expected = endpoints(backbones[name], [*END_POINTS, "embedding"])(batch(name))
        for key, value in expected.items():
            found = answers[f"{signature}/{key}"]
            np.testing.assert_allclose(found, value, rtol=1e-4, atol=1e-5)


def test_raw_input_of_every_backbone(backbones, output):
    model = tf.saved_model.load(str(output / "saved_model"))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, 4, 40, 48, 3), np.uint8)
    pcm = rng.normal(0, 0.1, (1, 4000)).astype("f4")
    for name, backbone in backbones.items():
        if view_of(name) is AUDIO:
            found = model.signatures[name](pcm=tf.constant(pcm))
            expected = backbone(AUDIO.log_mel(pcm))
        else:
            found = model.signatures[f"{name}_frames"](video=tf.constant(pixels))
            cut = pixels[:, :, 4:36, 8:40] / np.float32(255)
            uint8 = model.signatures[f"{name}_uint8"](video=tf.constant(pixels[:, :, 4:36, 8:40]))
            np.testing.assert_allclose(uint8["embedding"], backbone(cut), rtol=1e-4, atol=1e-5)
            assert found["last_conv"].shape[:2] == uint8["last_conv"].shape[:2]
            expected = backbone(resized(pixels))
        assert set(found) == {"embedding", *END_POINTS}
        np.testing.assert_allclose(found["embedding"], expected, rtol=1e-3, atol=1e-4)


def resized(pixels):
    """The shorter side, 40, to 32 pixels, and the centre 32 x 32 of 32 x 38."""
    images = tf.image.resize(pixels[0], (32, 38)).numpy()
    return images[None, :, :, 3:35] / 255


def test_keras_files_hold_the_backbones(backbones, output):
    for name, backbone in backbones.items():
        restored = tf.keras.models.load_model(output / "keras" / f"{name}.keras")
        for weight, expected in zip(restored.weights, backbone.weights):
            np.testing.assert_array_equal(weight, expected)
        np.testing.assert_array_equal(restored(batch(name)), backbone(batch(name)))


def test_an_unknown_end_point_is_named_before_anything_is_written(backbones, tmp_path):
    with pytest.raises(UserError, match="'stage_7' of r3d: expected some of stem, stage_1"):
        saved_model.export(
            {"r3d": backbones["r3d"]},
            {"r3d": RGB},
            str(tmp_path / "out"),
            config="",
            end_points=["stage_7"],
        )
    assert not (tmp_path / "out").exists()

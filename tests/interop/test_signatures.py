"""What exported signatures refuse and what they answer to no clip, under plain TensorFlow."""

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
from brave_tf.interop import saved_model
from brave_tf.models.audio_light import audio_light
from brave_tf.models.audio_resnet import audio_resnet
from brave_tf.models.tsm_light import tsm_light
from brave_tf.models.tsm_resnet import tsm_resnet

VIEWS = {
    "narrow": RgbView(num_frames=4, size=16),
    "flow": FlowView(num_frames=4, size=16),
    "sound": AudioView(duration=0.5, log_mel=LogMel(8000, mel_bins=12, upper_hz=3800.0)),
}
# Signature -> an input that is good but for its number of clips.
INPUTS = {
    "narrow": (4, 16, 16, 3),
    "narrow_uint8": (4, 16, 16, 3),
    "narrow_frames": (4, 20, 24, 3),
    "flow": (4, 16, 16, 2),
    "flow_uint8": (4, 16, 16, 3),
    "flow_frames": (4, 20, 24, 3),
    "sound": (4000,),
    "sound_spectrogram": (50, 12),
}
FLOATS = [name for name in INPUTS if not name.endswith(("uint8", "frames"))]
VIDEOS = [name for name in INPUTS if len(INPUTS[name]) == 4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    tf.keras.utils.set_random_seed(0)
    small = {"widths": (8, 16), "blocks": (1, 1)}
    backbones = {
        "narrow": tsm_light(**small),
        "flow": tsm_light(**small, channels=2),
        "sound": audio_light(**small),
    }
    output = tmp_path_factory.mktemp("model") / "exported"
    points = ["last_conv"]
    saved_model.export(backbones, VIEWS, str(output), config="", end_points=points)
    return output


@pytest.fixture(scope="module")
def model(folder):
    return tf.saved_model.load(str(folder / "saved_model"))


def call(model, name, values):
    signature = model.signatures[name]
    ((argument, spec),) = signature.structured_input_signature[1].items()
    return signature(**{argument: tf.cast(values, spec.dtype)})


def refused(model, name, values, *parts):
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        call(model, name, values)
    for part in parts:
        assert part in error.value.message, error.value.message


def good(name, clips=2):
    return np.random.default_rng(0).uniform(0, 1, (clips, *INPUTS[name])).astype(np.float32)


def test_every_signature_is_tried(model):
    assert set(model.signatures) == set(INPUTS)


@pytest.mark.parametrize("name", INPUTS)
def test_no_clip_has_no_embedding(model, name):
    none, one = call(model, name, good(name, 0)), call(model, name, good(name, 1))
    assert set(none) == {"embedding", "last_conv"}
    for key, answer in none.items():
        assert answer.shape == (0, *one[key].shape[1:])
        assert answer.dtype == tf.float32


@pytest.mark.long
def test_the_published_networks_have_no_embedding_of_no_clip_either(tmp_path):
    backbones = {"narrow": tsm_resnet(18, 0.125), "sound": audio_resnet(18, 0.125)}
    views = {name: VIEWS[name] for name in backbones}
    saved_model.export(backbones, views, str(tmp_path / "exported"), config="")
    published = tf.saved_model.load(str(tmp_path / "exported" / "saved_model"))
    for name in published.signatures:
        found = call(published, name, good(name, 0))["embedding"]
        assert found.shape == (0, call(published, name, good(name, 1))["embedding"].shape[1])
    one_frame = call(published, "sound_spectrogram", np.zeros((2, 1, 12)))
    assert one_frame["embedding"].shape[0] == 2


@pytest.mark.parametrize("name", INPUTS)
def test_clips_do_not_depend_on_the_others(model, name):
    values = good(name, 3) * (255 if "uint8" in name or "frames" in name else 1)
    each = [call(model, name, values[i : i + 1])["embedding"] for i in range(3)]
    together = call(model, name, values)["embedding"]
    np.testing.assert_allclose(together, np.concatenate(each), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("clip", [0, 1])
@pytest.mark.parametrize(
    ("value", "said"), [(np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")]
)
@pytest.mark.parametrize("name", FLOATS)
def test_one_value_that_is_not_finite_is_refused(model, name, value, said, clip):
    values = good(name)
    values[clip].reshape(-1)[-1] = value
    refused(model, name, values, f"holds {said}", "expected")


@pytest.mark.parametrize("name", FLOATS)
def test_values_of_integers_are_refused(model, name):
    values = good(name)
    values[1].reshape(-1)[3] = -20_000.0 if "video" not in name else 255.0
    refused(model, name, values, "far beyond", "expected")


def test_samples_of_16_bits_are_told_how_they_become_floats(model):
    samples = np.random.default_rng(0).integers(-3000, 3000, (1, 4000))
    refused(model, "sound", samples, "pcm holds values far beyond 1", "divide", "32768")


@pytest.mark.parametrize("name", VIDEOS)
@pytest.mark.parametrize(
    ("axis", "said"), [(1, "no frames, T = 0"), (2, "no pixels"), (3, "no pixels")]
)
def test_videos_without_frames_or_pixels_are_refused(model, name, axis, said):
    shape = [2, *INPUTS[name]]
    shape[axis] = 0
    refused(model, name, np.zeros(shape), f"video holds {'frames of ' * ('pix' in said)}{said}")


def test_sound_without_enough_samples_or_frames_is_refused(model):
    for samples in (0, 799):
        refused(model, "sound", np.zeros((2, samples)), "pcm is shorter than 0.1 s: at least 800")
    refused(model, "sound_spectrogram", np.zeros((2, 0, 12)), "spectrogram holds no frames")
    assert call(model, "sound_spectrogram", np.zeros((2, 1, 12)))["embedding"].shape[0] == 2


@pytest.mark.parametrize("name", ["flow_uint8", "flow_frames"])
def test_flow_needs_two_channels(model, name):
    values = np.zeros((1, *INPUTS[name][:-1], 1))
    refused(model, name, values, "video has too few channels: expected 2 or more")


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_of_another_rank_is_refused_with_the_right_one(model, name):
    (spec,) = model.signatures[name].structured_input_signature[1].values()
    expected = [None, *spec.shape[1:]]
    said = f"expected shape [{','.join('?' if size is None else str(size) for size in expected)}]"
    refused(model, name, good(name)[0], "not compatible", said)


SCRIPT = """
import json, sys
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
said = []
for name, argument, shape in (("narrow", "video", (1, 4, 16, 16, 3)), ("sound", "pcm", (1, 4000))):
    values = np.zeros(shape, np.float32)
    values[..., -1] = np.nan
    try:
        model.signatures[name](**{argument: tf.constant(values)})
    except tf.errors.InvalidArgumentError as error:
        said.append(error.message)
assert not any(name.startswith("brave_tf") for name in sys.modules)
print(json.dumps(said))
"""


@pytest.mark.long
@pytest.mark.parametrize("onednn", ["0", "1"])
def test_nan_is_refused_by_tensorflow_alone_whatever_library_computes(folder, tmp_path, onednn):
    environment = {"TF_ENABLE_ONEDNN_OPTS": onednn, "PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder / "saved_model")],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env=environment,
    )
    video, pcm = json.loads(found.stdout)
    assert "video holds NaN" in video and "pcm holds NaN" in pcm

"""Models and optimizers that an earlier version saved, read by Keras and by TensorFlow alone."""

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import written_files
from small_backbones import BACKBONES

HELPERS = str(written_files.COMPATIBILITY.parent / "helpers")
# Each in a process of its own, which has imported nothing of the package but what is told.
ALONE = """
import json, pathlib, sys
sys.path.append({helpers!r})
{imports}
import written_files
folder = pathlib.Path(sys.argv[1])
print(json.dumps({{name: written_files.features(path) for name, path in written_files.keras_files(folder)}}))
"""
PLAIN = """
import json, sys
sys.modules["brave_tf"] = None  # It cannot be imported.
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1] + "/exported/saved_model")
answers = {}
for view in ("narrow", "broad_flow", "broad_audio_spectrogram"):
    signature = model.signatures[view]
    ((name, spec),) = signature.structured_input_signature[1].items()
    shape = [1, *(size or 16 for size in spec.shape[1:])]
    batch = np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    answers[view.replace("_spectrogram", "")] = signature(**{name: batch})["embedding"][0].numpy().tolist()
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the user has."""
    return written_files.unpack(tmp_path_factory.mktemp("models"))


@pytest.fixture
def expected(folder):
    """The numbers of then."""
    return json.loads((folder / "expected.json").read_text())


def answers_of(code, folder):
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("imports", ["import brave_tf", ""])
def test_keras_files_are_read(imports, folder, expected):
    found = answers_of(ALONE.format(helpers=HELPERS, imports=imports), folder)
    assert found.keys() == expected["keras"].keys() == set(written_files.VIEWS)
    for view, features in expected["keras"].items():
        np.testing.assert_allclose(found[view], features, rtol=1e-4, atol=1e-5)


def test_the_saved_model_needs_tensorflow_alone(folder, expected):
    found = answers_of(PLAIN, folder)
    for view, features in found.items():
        assert len(features) == len(expected["keras"][view])
    # Those of frames are of the very windows that the Keras files were given.
    np.testing.assert_allclose(found["narrow"], expected["keras"]["narrow"], rtol=1e-4, atol=1e-5)


LATER = {"slow", "avid_video", "avid_audio", "audio_resnet_v1", "r2plus1d_torch"}
WRITTEN = sorted(set(BACKBONES) - LATER)


@pytest.mark.parametrize("name", [*WRITTEN, "checkpointed"])
def test_a_backbone_is_made_from_what_keras_kept(name, folder, expected):
    models = json.loads((folder / "layers.json").read_text())["models"]
    assert models.keys() == expected["layers"].keys()
    model = written_files.fill(tf.keras.utils.deserialize_keras_object(models[name]))
    answers = written_files.answers(model)
    np.testing.assert_allclose(answers, expected["layers"][name], rtol=1e-3, atol=1e-4)


def test_every_optimizer_is_made_from_what_keras_kept(folder):
    kept = json.loads((folder / "layers.json").read_text())["optimizers"]
    for name, optimizer in kept.items():
        # Keras changes what it is given.
        made = tf.keras.optimizers.deserialize(copy.deepcopy(optimizer))
        again = tf.keras.optimizers.serialize(made)
        # Where its class is defined may change, what it does may not.
        assert plain(again) == plain(optimizer), name


def plain(config):
    """Returns what Keras kept of an object, without the names of modules."""
    if isinstance(config, dict):
        return {name: plain(value) for name, value in config.items() if name != "module"}
    return config

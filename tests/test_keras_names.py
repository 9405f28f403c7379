"""Saved models are read where only the package is named, or nothing of it."""

import importlib
import json
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from small_backbones import BACKBONES

import brave_tf
from brave_tf import keras_names

# Each file in a process of its own: what one imports is not there for the next.
READ = """
import json, os, sys
import numpy as np
for module in sys.argv[1].split(","):
    module and __import__(module)
assert ("tensorflow" in sys.modules) == ("tensorflow" in sys.argv[1])
import tensorflow as tf
for path in sys.argv[2:]:
    child = os.fork()
    if not child:
        try:
            assert not any(name.startswith("brave_tf.models") for name in sys.modules)
            model = tf.keras.models.load_model(path)
            shape = [size or 4 for size in model.input_shape]
            batch = np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
            answer = model(batch).numpy().tolist()
        except Exception as error:
            answer = repr(error)
        print(json.dumps(answer), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def read(modules, paths):
    command = [sys.executable, "-c", READ, modules, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line[:1] in '["']


def answers(model):
    shape = [size or 4 for size in model.input_shape]
    return model(np.linspace(0, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)).numpy()


def save(folder, names, built_on):
    """Saves each backbone, or as users build on it, a layer of another model; returns path -> model."""
    models = {}
    for index, name in enumerate(names):
        build, shape = BACKBONES[name]
        model = build(name=name, checkpoint_stages=index % 2 == 0)
        if built_on:
            inputs = tf.keras.Input(shape, name="views")
            model = tf.keras.Model(inputs, tf.keras.layers.Dense(3)(model(inputs)))
        model.save(folder / f"{name}.keras")
        models[folder / f"{name}.keras"] = model
    return models


@pytest.mark.parametrize(
    ("modules", "built_on", "names"),
    [
        ("brave_tf", False, ["tsm_light"]),
        pytest.param("tensorflow,brave_tf", True, ["audio_light"], marks=pytest.mark.long),
        pytest.param("brave_tf", True, BACKBONES, marks=pytest.mark.series),
        pytest.param("", False, BACKBONES, marks=pytest.mark.series),
    ],
)
def test_files_are_read_after_the_import_of_the_package_alone_or_none(
    modules, built_on, names, tmp_path
):
    models = save(tmp_path, names, built_on)
    found = read(modules, models)
    assert len(found) == len(names)
    for answer, (path, model) in zip(found, models.items()):
        assert not isinstance(answer, str), f"{path.name}: {answer}"
        np.testing.assert_allclose(answer, answers(model), rtol=1e-4, atol=1e-5)


def test_every_class_that_is_saved_is_known():
    for info in pkgutil.walk_packages(brave_tf.__path__, "brave_tf."):
        if info.name.startswith(("brave_tf.models", "brave_tf.training", "brave_tf.objectives")):
            importlib.import_module(info.name)
    registered = {
        (thing.__module__, thing.__name__)
        for name, thing in tf.keras.utils.get_custom_objects().items()
        if name.startswith("brave_tf>") and isinstance(thing, type)
    }
    listed = {(m, name) for m, names in keras_names.CLASSES.items() for name in names}
    assert registered == listed


def test_the_package_is_light():
    code = "import sys, brave_tf; print({'tensorflow', 'keras', 'numpy', 'gin'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

"""Recipes and plug-ins that users wrote for an earlier version."""

import importlib
import json
import subprocess
import sys

import command
import gin
import numpy as np
import pytest
import tensorflow as tf
import written_files

from brave_tf import config, moved
from brave_tf.cli import eval as eval_command
from brave_tf.cli import export as export_command
from brave_tf.cli import train as train_command
from brave_tf.configuration import trust

NAMES = json.loads((written_files.USERS / "names.json").read_text())
# One process for each import: none finds there what another has imported.
EACH_ALONE = """
import importlib, json, os, sys
import absl.flags, av, cv2, gin, keras_cv, numpy, sklearn.pipeline, sklearn.svm, tensorflow
for module, names in json.loads(sys.argv[1]).items():
    child = os.fork()
    if not child:
        try:
            found = importlib.import_module(module)
            missing = [name for name in names if getattr(found, name, None) is None]
            assert not missing, f"without {missing}"
        except BaseException as error:
            print(f"cannot import {module}: {error!r}", flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the user has, as the present folder, from which Python imports."""
    monkeypatch.chdir(written_files.unpack(tmp_path / "user"))
    monkeypatch.syspath_prepend(str(tmp_path / "user"))
    monkeypatch.setattr(trust, "_named", set())
    return tmp_path / "user"


def test_every_name_that_was_written_about_is_imported():
    lines = [sys.executable, "-c", EACH_ALONE, json.dumps(NAMES)]
    done = subprocess.run(lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("cannot import")] == []


def test_the_recipe_has_the_parts_that_its_modules_define(folder):
    config.load_config(["recipe.gin"], for_training=True)
    recipe = gin.get_configurable("Recipe")()
    assert list(recipe.views) == ["narrow", "broad_audio", "broad_flow"]
    for module, names in NAMES.items():
        for name in names:
            by_name = getattr(importlib.import_module(module), name)
            if not gin.config._REGISTRY.matching_selectors(name):
                continue
            # Under its own name and, as texts of gin are read, under that of the module of then.
            for selector in (name, moved.present_text(f"{module}.{name}")):
                found = gin.config._REGISTRY.get_match(selector)
                assert found.wrapper is by_name or found.wrapped is by_name, selector
    batch = {view: np.ones((2, *spec.shape), np.float32) for view, spec in recipe.views.items()}
    losses = recipe.build(seed=0).terms(batch, training=False).losses
    assert len(losses) == 4
    assert all(np.isfinite(loss).all() for loss in losses.values())


def test_bindings_by_the_names_of_modules(folder):
    bindings = [
        "brave_tf.models.heads.projector.hidden = 24",
        "broad_audio/brave_tf.data.log_mel.LogMel.mel_bins = 20",
    ]
    config.load_config(["recipe.gin"], bindings)
    assert gin.query_parameter("projector.hidden") == 24
    assert gin.query_parameter("broad_audio/LogMel.mel_bins") == 20


def test_the_parts_of_a_plug_in_are_trained_evaluated_and_exported(folder, capsys):
    rows = [f"{label},{split}" for split in ("train", "test") for label in (0, 1, 2, 0, 1, 2)]
    (folder / "list.colours").write_text("\n".join(rows) + "\n")
    assert command.run(train_command, "--gin_file=users_parts.gin", "--model_dir=runs/parts") == 0
    run = ("--model_dir=runs/parts", "--trust=users_parts")
    tasks = "--task=users/nearest_mean,users/own,users/knn,users/linear"
    few = (
        "--gin_bindings=eval_windows.train_passes = 1",
        "--gin_bindings=eval_windows.temporal_crops = 1",
    )
    few += ("--gin_bindings=eval_windows.spatial_crops = 1", "--gin_file=evaluation.gin")
    assert command.run(eval_command, tasks, *run, *few, "--data=list.colours") == 0
    found = json.loads((folder / "runs/parts/eval/results.json").read_text())["results"]
    assert [entry["task"] for entry in found] == tasks.partition("=")[2].split(",")
    assert all(entry["clips"] == {"train": 6, "test": 6, "missing": 0} for entry in found)
    assert command.run(export_command, *run, "--output=parts") == 0
    model = tf.keras.models.load_model(folder / "parts/keras/narrow.keras")
    assert model(np.ones((1, 2, 16, 16, 3), np.float32)).shape == (1, 8)


def test_functions_of_arrays_answer_as_before(folder):
    expected = json.loads((folder / "expected.json").read_text())["arrays"]
    assert importlib.import_module("users_parts").of_arrays() == pytest.approx(expected, rel=1e-6)

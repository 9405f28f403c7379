"""A deterministic fine-tuning that is killed goes on to the weights of one that was not disturbed."""

import json
import pathlib
import subprocess
import sys

import coloured_records
import gin
import pytest
import tensorflow as tf
import tiny_run
import untrained_run

from brave_tf.evaluation.features.probe import load_probes
from brave_tf.evaluation.protocols import finetune_recipe
from brave_tf.interop import models

PROGRAM = pathlib.Path(tiny_run.__file__).with_name("killed_run.py")
STEPS, KILLS = 24, 2
BINDINGS = [
    f"finetune.num_steps = {STEPS}",
    f"finetune.measurements = {STEPS // 2}",
    "finetune.batch_size = 4",
    "finetune.layer_decay = 0.5",
    "eval_windows.num_frames = 4",
    "train.deterministic = True",
]


def write_recipe(folder):
    """Writes the recipe of a fine-tuning from a run, with dropout and a held-out part."""
    records = coloured_records.write(folder / "records", {"train": 12, "test": 2})
    of = models.ModelSource(str(untrained_run.write_run(folder / "pretrained")))
    models.configure(of, [], BINDINGS)
    probe = load_probes(of, of.views())[0]("narrow")
    settings = finetune_recipe.FineTuning()
    finetune_recipe.derive(settings, probe, probe.view, str(records), 12, 2).load()
    (folder / "recipe.gin").write_text(gin.config_str())
    return folder / "recipe.gin"


def state(model_dir):
    """Every tensor of the last checkpoint: weights, statistics, slots, step, state of dropout."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(model_dir / "checkpoints")))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


@pytest.mark.series
def test_it_resumes_bit_for_bit(tmp_path):
    command = [sys.executable, PROGRAM, write_recipe(tmp_path), tmp_path, str(KILLS), "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *killed, last = json.loads(done.stdout)
    assert [process["killed"] for process in killed] == [True] * KILLS
    (start,) = [line for line in last["lines"] if line.startswith("resuming")]
    assert 0 < int(start.split(" step ")[1].split()[0]) < STEPS
    whole, parts = state(tmp_path / "whole"), state(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    assert any("random_generators" in name for name in whole)
    for name, value in whole.items():
        if not name.startswith("_CHECKPOINTABLE_OBJECT_GRAPH"):
            assert value.tobytes() == parts[name].tobytes(), name

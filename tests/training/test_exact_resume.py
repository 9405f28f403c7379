"""A deterministic run that is killed again and again ends as if it had not been, whatever it keeps."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tiny_run

PROGRAM = pathlib.Path(tiny_run.__file__).with_name("killed_run.py")
STEPS = 40
# The objective, and how often its run is killed.
FEW, MANY = [("brave", 4)], [("brave", 20), ("rho_byol", 20)]
SETTINGS = f"""
train.deterministic = True
train.num_steps = {STEPS}
train.held_out_split = 'test'
train.held_out_batches = 1
train.log_every = 1
train.checkpoint_every = 2
train.keep_checkpoints = 2
train.optimizer = @adam
adam.learning_rate = @warmup_cosine()
warmup_cosine.peak = 0.01
warmup_cosine.warmup_steps = 10
warmup_cosine.total_steps = {STEPS}
narrow/tsm_light.widths = (8,)
narrow/tsm_light.blocks = (1,)
broad_audio/audio_light.widths = (8,)
broad_audio/audio_light.blocks = (1,)
"""
# A momentum copy with statistics of its own and a schedule, and LARS.
RHO_BYOL = f"""
import brave_tf.data.views.in_order
import brave_tf.objectives.momentum_schedules
import brave_tf.objectives.rho_byol
import brave_tf.training.optimizers.lars

Recipe.views = {{'narrow': @narrow/RgbView(), 'second': @narrow/RgbView()}}
Recipe.windows = @InOrder()
InOrder.views = ('narrow', 'second')
Recipe.objective = @RhoBYOL
RhoBYOL.backbones = {{'narrow': @narrow/tsm_light(), 'second': 'narrow'}}
RhoBYOL.momentum = @cosine_momentum()
cosine_momentum.initial = 0.9
cosine_momentum.total = {STEPS}
train.optimizer = @lars
lars.compat = 'slowfast'
lars.nesterov = False
lars.learning_rate = @warmup_cosine()
"""


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param(each, marks=pytest.mark.long) for each in FEW),
        *(pytest.param(each, marks=pytest.mark.series) for each in MANY),
    ],
)
def kills(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory, kills):
    """Two runs, `whole` and `parts`; the latter's processes are in `processes.json`."""
    folder = tmp_path_factory.mktemp("runs")
    more = RHO_BYOL if kills[0] == "rho_byol" else ""
    imports = (
        "import brave_tf.training.optimizers.adam\nimport brave_tf.training.optimizers.schedules\n"
    )
    records = tiny_run.write_records(folder / "records")
    recipe = tiny_run.write_recipe(folder, records, imports + SETTINGS + more)
    command = [sys.executable, PROGRAM, recipe, folder, str(kills[1]), "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder / "processes.json").write_text(done.stdout)
    return folder


def state(model_dir):
    """Every tensor of the last checkpoint: weights, statistics, slots, step."""
    path = tf.train.latest_checkpoint(str(model_dir / "checkpoints"))
    reader = tf.train.load_checkpoint(path)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def scalars(model_dir, writer):
    """Tag -> [(step, value)] in the order of the files."""
    found = {}
    for path in sorted((model_dir / "tensorboard" / writer).glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    pair = event.step, tf.make_ndarray(value.tensor).item()
                    found.setdefault(value.tag, []).append(pair)
    return found


def test_every_process_was_killed_and_went_on_from_the_last_checkpoint(folder, kills):
    *killed, last = json.loads((folder / "processes.json").read_text())
    assert len(killed) == kills[1]
    assert all(process["killed"] for process in killed)
    assert not last["killed"]
    starts, logged = [0], 0
    for process in [*killed, last]:
        for line in process["lines"]:
            if start := re.search(rf" step (\d+) of {STEPS}", line):
                starts.append(int(start[1]))
                # What was logged last may have been on its way to the disk.
                assert starts[-1] >= logged - 2
            if step := re.match(rf"step (\d+)/{STEPS}", line):
                logged = int(step[1])
    assert starts == sorted(starts)
    # Half of the kills come while a process starts.
    assert len(set(starts)) > kills[1] // 4
    assert starts[-1] < logged == STEPS


def test_the_state_is_that_of_the_undisturbed_run_bit_for_bit(folder):
    whole, parts = state(folder / "whole"), state(folder / "parts")
    assert whole.keys() == parts.keys()
    assert sum("optimizer/_variables" in name for name in whole) > 10
    step = [value for name, value in whole.items() if "iterations" in name.lower()]
    assert step == [STEPS]
    for name, value in whole.items():
        if not name.startswith("_CHECKPOINTABLE_OBJECT_GRAPH"):
            assert value.tobytes() == parts[name].tobytes(), name


@pytest.mark.parametrize("writer", ["train", "held_out"])
def test_charts_show_each_step_once_with_the_same_losses(folder, writer):
    whole, parts = scalars(folder / "whole", writer), scalars(folder / "parts", writer)
    assert whole.keys() == parts.keys()
    # How long a step waited is not known of every step.
    for tag in whole.keys() - {"input/wait_share"}:
        assert [step for step, _ in parts[tag]] == [step for step, _ in whole[tag]], tag
    for tag in (tag for tag in whole if tag.startswith("loss")):
        np.testing.assert_array_equal(parts[tag], whole[tag])


def test_nothing_is_left_over(folder):
    names = [
        sorted(path.name for path in (folder / run).rglob("*") if "events" not in path.name)
        for run in ("whole", "parts")
    ]
    assert names[0] == names[1]

"""A run of two processes that loses one, and is asked to stop, ends as if it had not been disturbed."""

import json
import pathlib
import re
import subprocess
import sys

import pytest
import tensorflow as tf
import tiny_run

PROGRAM = pathlib.Path(tiny_run.__file__).with_name("worker_runs.py")
STEPS = 40
SETTINGS = f"""
{tiny_run.SOUND_ALONE}
train.deterministic = True
train.num_steps = {STEPS}
train.log_every = 1
train.held_out_split = 'test'
train.held_out_batches = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def pairs(folder):
    """What became of the two processes of each start."""
    recipe = tiny_run.write_recipe(folder, tiny_run.write_records(folder / "records"), SETTINGS)
    command = [sys.executable, PROGRAM, recipe, folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def state(model_dir):
    """Every tensor of the last checkpoint."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(model_dir / "checkpoints")))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def found(lines, pattern):
    return [int(match[1]) for line in lines if (match := re.search(pattern, line))]


@pytest.mark.long
def test_exit_codes_tell_what_happened(pairs):
    codes = {name: [process["code"] for process in pair] for name, pair in pairs.items()}
    assert codes == {
        "whole": [0, 0],
        "killed": [75, -9],
        "asked": [143, 143],
        "finished": [0, 0],
        "differing": [2, 2],
    }
    left, _ = pairs["killed"]
    assert any("has ended or cannot be reached" in line for line in left["lines"])
    assert left["seconds"] < 300


@pytest.mark.long
def test_processes_that_would_learn_differently_do_not_begin(pairs, folder):
    chief, other = ("\n".join(process["lines"]) for process in pairs["differing"])
    assert "1 of the other processes of the run have another configuration" in chief
    assert "(chief's -> its own): sgd.learning_rate: 0.05 -> 0.5. Start all" in other
    assert not (folder / "differing" / "checkpoints").exists()


@pytest.mark.long
def test_all_stop_after_the_same_step_and_go_on_from_there(pairs):
    starts = [0]
    for name in ("killed", "asked", "finished"):
        chief, other = (process["lines"] for process in pairs[name])
        steps = found(chief, rf"^step (\d+)/{STEPS}  loss")
        starts += found(chief, rf" step (\d+) of {STEPS}") if name != "killed" else []
        assert steps == list(range(starts[-1] + 1, steps[-1] + 1))
        # The chief alone tells of steps.
        assert not found(other, r"^step (\d+)/")
        if name == "asked":
            stopped = steps[-1]
    assert starts[1] >= 6
    assert starts[2] == stopped >= 20


@pytest.mark.long
def test_the_state_is_that_of_the_undisturbed_run_bit_for_bit(pairs, folder):
    whole, parts = state(folder / "whole"), state(folder / "parts")
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        if not name.startswith("_CHECKPOINTABLE_OBJECT_GRAPH"):
            assert value.tobytes() == parts[name].tobytes(), name


@pytest.mark.long
def test_one_process_writes(pairs, folder):
    names = [
        sorted(path.name for path in (folder / run).rglob("*") if "events" not in path.name)
        for run in ("whole", "parts")
    ]
    assert names[0] == names[1]
    assert len(list((folder / "whole" / "tensorboard" / "train").glob("events*"))) == 1

"""A run that loses its tf.data service stops, and ends later as if nothing had happened."""

import contextlib
import pathlib
import re
import subprocess
import sys
import time

import free_ports
import pytest
import tensorflow as tf
import tiny_run

from brave_tf.cli import data_service, train

pytestmark = pytest.mark.series

PROGRAM = pathlib.Path(tiny_run.__file__).with_name("lost_service_run.py")
STEPS = 40
PATIENCE = 6
LIMIT = 240


@contextlib.contextmanager
def started(*arguments):
    """Starts a process of a service; gives it when it has told of itself."""
    command = [sys.executable, "-m", data_service.__name__, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert re.match("dispatcher|worker", process.stdout.readline())
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextlib.contextmanager
def service(port):
    """Starts dispatcher and worker; gives the dispatcher's process."""
    with (
        started("--role=dispatcher", f"--port={port}") as dispatcher,
        started("--role=worker", f"--dispatcher=localhost:{port}"),
    ):
        yield dispatcher


def ended(*command):
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, *map(str, command)], capture_output=True, text=True, timeout=LIMIT
    )
    return done, time.monotonic() - begun


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder, port, and what became of each start."""
    folder = tmp_path_factory.mktemp("runs")
    (port,) = free_ports.find(1)
    # Each shard holds one batch, so that any step is the end of one.
    records = tiny_run.write_records(folder / "records", clips=8)
    settings = (
        tiny_run.SOUND_ALONE,
        f"train.data_service = 'grpc://localhost:{port}'",
        "train.deterministic = True",
        f"train.num_steps = {STEPS}",
        "train.checkpoint_every = 1000",
        f"ServiceWatch.patience = {PATIENCE}",
    )
    recipe = tiny_run.write_recipe(folder, records, "\n".join(settings))
    whole, parts = (
        [f"--gin_file={recipe}", f"--model_dir={folder}/{name}"] for name in ("whole", "parts")
    )
    patient = [*parts, "--gin_bindings=ServiceWatch.patience = 200"]
    found = {}
    with service(port) as dispatcher:
        found["whole"] = ended("-m", train.__name__, *whole)
        found["lost"] = ended(PROGRAM, 5, dispatcher.pid, 0, *parts)
    found["absent"] = ended("-m", train.__name__, *parts)
    with service(port) as dispatcher:
        found["asked"] = ended(PROGRAM, 5, dispatcher.pid, 4, *patient)
    with service(port):
        found["finished"] = ended("-m", train.__name__, *parts)
    return folder, port, found


def state(model_dir):
    """Every tensor of the last checkpoint."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(model_dir / "checkpoints")))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def steps_told(done):
    return [
        int(step) for step in re.findall(r"(?:training|resuming) .* step (\d+) of", done.stdout)
    ]


def test_exit_codes_tell_what_happened(runs):
    _, _, found = runs
    codes = {name: done.returncode for name, (done, _) in found.items()}
    expected = {"whole": 0, "lost": 69, "absent": 69, "asked": 143, "finished": 0}
    assert codes == expected, [done.stderr for done, _ in found.values()]


def test_the_message_names_the_service_and_what_to_do(runs):
    _, port, found = runs
    error = found["lost"][0].stderr
    for part in (
        f"localhost:{port} has not answered since",
        "nothing listens there",
        "same command",
    ):
        assert part in error
    assert (
        f"no dispatcher of a tf.data service answers at localhost:{port}"
        in found["absent"][0].stderr
    )


def test_each_start_goes_on_with_the_last_step_before(runs):
    _, _, found = runs
    begins = [steps_told(found[name][0]) for name in ("lost", "asked", "finished")]
    (first,), (second,), (third,) = begins
    assert first == 0 and 5 <= second < third < STEPS


def test_the_state_is_that_of_the_undisturbed_run_bit_for_bit(runs):
    folder, _, _ = runs
    whole, parts = state(folder / "whole"), state(folder / "parts")
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        if not name.startswith("_CHECKPOINTABLE_OBJECT_GRAPH"):
            assert value.tobytes() == parts[name].tobytes(), name

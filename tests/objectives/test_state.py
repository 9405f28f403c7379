"""What all state shares: replicas hold the same, checkpoints hold it, evaluation leaves it alone."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import remembering
import tensorflow as tf
from replicas import two_replicas

from brave_tf import errors
from brave_tf.objectives.state import State, finite_rows, unit_rows
from brave_tf.training.checkpoints import Checkpoints

PROGRAM = pathlib.Path(remembering.__file__).with_name("state_steps.py")
STEPS = 4


def assert_equal_states(got, expected, rtol=1e-4):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(1e-2, np.abs(value.astype("f8")).max())
        difference = np.abs(got[name].astype("f8") - value).max() / scale
        assert difference < rtol, (name, difference)


@pytest.fixture(scope="module")
def whole():
    """Losses and state of an undisturbed run on one device."""
    objective = remembering.make()
    losses = remembering.train(objective, remembering.batches(STEPS), STEPS)
    return losses, remembering.state(objective)


def test_two_replicas_leave_the_state_of_one_device(whole):
    objective = remembering.make(two_replicas())
    losses = remembering.train(objective, remembering.batches(STEPS), STEPS)
    np.testing.assert_allclose(losses, whole[0], rtol=1e-4)
    assert_equal_states(remembering.state(objective), whole[1])
    for variable in (objective.queue.entries, objective.bank.vectors, objective.queue.pointer):
        first, second = objective.distribute_strategy.experimental_local_results(variable)
        np.testing.assert_array_equal(first.numpy(), second.numpy())


def test_a_bank_on_a_device_of_its_own_is_written_once(whole):
    objective = remembering.make(two_replicas(), device="CPU:1")
    losses = remembering.train(objective, remembering.batches(STEPS), STEPS)
    assert objective.bank.vectors.device.endswith("CPU:1")
    np.testing.assert_allclose(losses, whole[0], rtol=1e-4)
    bank = next(value for name, value in whole[1].items() if "memory_bank" in name)
    np.testing.assert_allclose(objective.bank.vectors, bank, atol=1e-5)


def test_a_run_that_resumes_ends_with_the_same_bits(whole, tmp_path):
    data = remembering.batches(STEPS)
    first = remembering.make()
    remembering.train(first, data[:2], 2)
    Checkpoints(first, str(tmp_path), keep=1).save()
    second = remembering.make()
    checkpoints = Checkpoints(second, str(tmp_path), keep=1)
    checkpoints.restore(checkpoints.newest_step())
    remembering.train(second, data[2:], STEPS - 2)
    for name, value in remembering.state(second).items():
        assert value.tobytes() == whole[1][name].tobytes(), name


def test_evaluation_writes_nothing():
    objective = remembering.make()
    (batch,) = remembering.batches(1)
    before = remembering.state(objective)
    objective.test_on_batch(batch)
    for name, value in remembering.state(objective).items():
        assert value.tobytes() == before[name].tobytes(), name
    objective.train_on_batch(batch)
    assert not np.array_equal(before[_named(before, "queue/entries")], objective.queue.entries)


def _named(state, name):
    return next(key for key in state if name in key)


def test_no_gradient_trains_state():
    objective = remembering.make()
    states = objective.nested(State)
    assert {each.name for each in states} == {"target", "queue", "memory_bank", "scale"}
    trained = {id(variable) for variable in objective.trainable_variables}
    assert len(trained) == 6
    held = [variable for each in states for variable in each.variables]
    assert not trained & {id(variable) for variable in held}
    every = {id(variable) for variable in objective.non_trainable_variables}
    assert {id(variable) for variable in held} <= every


def test_xla_compiles_steps_with_state(whole):
    objective = remembering.make()
    objective.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9), jit_compile=True)
    losses = remembering.train(objective, remembering.batches(STEPS), STEPS)
    np.testing.assert_allclose(losses, whole[0], rtol=1e-4)
    np.testing.assert_allclose(
        objective.bank.vectors, whole[1][_named(whole[1], "memory_bank")], atol=1e-5
    )


def test_xla_and_a_device_are_refused():
    objective = remembering.make(device="CPU:0")
    with pytest.raises(errors.UserError, match="XLA cannot compile a step with memory_bank"):
        objective.compile(tf.keras.optimizers.SGD(0.1), jit_compile=True)


def test_unit_rows_have_length_one_and_follow_the_seed():
    drawn = []
    for _ in range(2):
        np.random.seed(3)
        drawn.append(unit_rows(10, 4, chunk=3))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    np.testing.assert_allclose(np.linalg.norm(drawn[0], axis=-1), 1, rtol=1e-6)
    assert len(np.unique(drawn[0][:, 0])) == 10
    assert unit_rows(3, 2, "float16").dtype == np.float16


def test_finite_rows():
    values = np.array([[1, 2], [np.nan, 1], [0, np.inf]], np.float32)
    np.testing.assert_array_equal(finite_rows(values), [True, False, False])


@pytest.mark.long
@pytest.mark.parametrize("over", ["two_devices", "four_devices", "two_processes"])
def test_devices_and_processes_leave_the_state_of_one(results, over):
    alone, found = dict(results["one_device"]), dict(results[over])
    np.testing.assert_allclose(found.pop("losses"), alone.pop("losses"), rtol=1e-4)
    assert_equal_states(found, alone, rtol=1e-3)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("states")
    done = subprocess.run([sys.executable, PROGRAM, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {path.stem: dict(np.load(path)) for path in folder.glob("*.npz")}

"""Ten steps over devices and processes are those of one device on the same batches."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tiny_run

from brave_tf import config
from brave_tf.training import recipe, run

PROGRAM = pathlib.Path(tiny_run.__file__).with_name("replica_steps.py")
STEPS = 10
# Of a weight's largest value, or of this where all its values are smaller.
TOLERANCE, SMALLEST = 1e-3, 1e-2


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    done = subprocess.run([sys.executable, PROGRAM, folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {path.stem: dict(np.load(path)) for path in folder.glob("*.npz")}


def difference(values, expected):
    return np.abs(values - expected).max() / max(np.abs(expected).max(), SMALLEST)


@pytest.mark.series
@pytest.mark.parametrize("over", ["two_devices", "four_devices", "two_processes"])
def test_weights_averages_and_losses_are_those_of_one_device(results, over):
    alone, found = dict(results["one_device"]), dict(results[over])
    losses = alone.pop("losses")
    assert len(losses) == STEPS
    np.testing.assert_allclose(found.pop("losses"), losses, rtol=1e-4)
    assert found.keys() == alone.keys()
    assert any("moving_variance" in name for name in alone)
    differences = {name: difference(found[name], alone[name]) for name in alone}
    worst = max(differences, key=differences.get)
    print(f"{over}: maximum relative difference {differences[worst]:.1e}, of {worst}")
    assert differences[worst] < TOLERANCE


def test_a_run_of_two_devices_goes_on_with_one(tmp_path):
    path = tiny_run.write_recipe(tmp_path, tiny_run.write_records(tmp_path / "records"))
    # Convolutions of fewer channels, on two CPUs at a time, corrupt memory in TensorFlow 2.15.
    wide = ["narrow/tsm_light.widths = (16, 16)", "broad_audio/audio_light.widths = (16, 16)"]
    config.load_config([str(path)], [*wide, "train.num_steps = 2", "train.strategy = 'mirrored'"])
    assert run.train(str(tmp_path / "run"))
    # More or fewer devices are no change that has to be allowed.
    config.load_config([str(path)], [*wide, "train.num_steps = 4"])
    assert run.train(str(tmp_path / "run"))
    assert recipe.load_run(str(tmp_path / "run")).step == 4

"""Fixtures shared by all tests."""

import os
import pathlib
import signal

import gin
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# XLA takes minutes to optimise a deep network for a CPU.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import tensorflow as tf  # noqa: E402

# Started by `nohup`, the tests and what they start would have inherited that it is ignored.
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Two logical devices, so that tests can compare one replica with two; before TensorFlow starts its devices.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def shared_dir() -> pathlib.Path:
    """The folder with `golden/` and `data/` named by BRAVE_TF_SHARED."""
    folder = os.environ.get("BRAVE_TF_SHARED")
    if not folder:
        pytest.skip("BRAVE_TF_SHARED names no folder with reference values and real clips")
    return pathlib.Path(folder).resolve()


@pytest.fixture(scope="session")
def golden_dir(shared_dir: pathlib.Path) -> pathlib.Path:
    return shared_dir / "golden"


@pytest.fixture(autouse=True)
def _fresh_state():
    """Bindings and precision of one test are not another's."""
    yield
    gin.clear_config()
    tf.keras.backend.set_floatx("float32")
    tf.keras.mixed_precision.set_global_policy(None)
    # A deterministic run has dropout keep its state in variables.
    tf.keras.backend.experimental.disable_tf_random_generator()

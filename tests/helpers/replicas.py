"""Several replicas on one CPU."""

from __future__ import annotations

import tensorflow as tf


def two_replicas() -> tf.distribute.Strategy:
    """A strategy over the two logical CPUs that tests/conftest.py makes.

    It reduces on one device: collective operations number their instances per strategy but share
    them in the process, so that a second strategy's would clash with the first's.
    """
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    assert len(cpus) == 2, "tests/conftest.py splits the CPU into two logical devices"
    return tf.distribute.MirroredStrategy(
        cpus, cross_device_ops=tf.distribute.ReductionToOneDevice()
    )

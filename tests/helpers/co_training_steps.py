"""Takes steps of CoCLR over four devices: for tests.

Usage: co_training_steps.py FILE. Writes every variable, and `losses`, to an npz file.
"""

from __future__ import annotations

import sys

import co_training
import numpy as np
import tensorflow as tf

STEPS = 3


def main(path: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(cpus, tf.distribute.ReductionToOneDevice())
    objective = co_training.make(strategy)
    filling = co_training.QUEUE // co_training.CLIPS
    losses = co_training.train(objective, co_training.batches(STEPS + filling), STEPS)
    np.savez(path, **co_training.state(objective), losses=losses)


if __name__ == "__main__":
    main(sys.argv[1])

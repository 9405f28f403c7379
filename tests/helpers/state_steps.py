"""Takes steps of an objective with state on the same batches, over devices and processes: for tests.

Usage: state_steps.py FOLDER. Writes FOLDER/<name>.npz for one_device, two_devices, four_devices and
two_processes: every variable, and `losses`. All processes are forks of this one, which has imported
TensorFlow but not started it.
"""

from __future__ import annotations

import json
import os
import sys

import free_ports
import numpy as np
import remembering
import tensorflow as tf

from brave_tf.training import workers
from brave_tf.training.strategy import make_strategy

STEPS = 5


def run(strategy: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """Takes the steps; returns what they leave."""
    objective = remembering.make(strategy, waits=True)
    filling = remembering.QUEUE // remembering.CLIPS
    losses = remembering.train(objective, remembering.batches(STEPS + filling), STEPS)
    assert (objective.step, objective.filling_steps) == (STEPS, filling)
    return {**remembering.state(objective), "losses": losses}


def on_devices(folder: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    np.savez(f"{folder}/one_device.npz", **run(make_strategy("one_device")))
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    for name, count in (("two_devices", 2), ("four_devices", 4)):
        strategy = tf.distribute.MirroredStrategy(
            cpus[:count], tf.distribute.ReductionToOneDevice()
        )
        np.savez(f"{folder}/{name}.npz", **run(strategy))


def in_process(folder: str, index: int, ports: list[int]) -> None:
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    result = run(make_strategy(workers=workers.read_workers()))
    if index == 0:
        np.savez(f"{folder}/two_processes.npz", **result)


def main(folder: str) -> int:
    ports = free_ports.find(2)
    jobs = [lambda: on_devices(folder)]
    jobs += [lambda index=index: in_process(folder, index, ports) for index in (0, 1)]
    children = []
    for job in jobs:
        children.append(os.fork())
        if children[-1] == 0:
            job()
            return 0
    return max(os.waitpid(child, 0)[1] for child in children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

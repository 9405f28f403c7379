"""Trains a recipe with occasions over devices and processes, and kills one of two in one: for tests.

Usage: occasion_runs.py RECIPE FOLDER. Writes FOLDER/<name>.npz with every variable of the objective at the
end, for one_device, two_devices, four_devices and, of two processes, whole-0, whole-1, parts-0 and parts-1.
One of `parts` is killed in the middle of its second occasion, and both are started again. All are forks of
this process, which has imported TensorFlow but not started it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from typing import Callable

import clustering
import free_ports
import numpy as np
import tensorflow as tf

from brave_tf import config
from brave_tf.objectives.base import Objective
from brave_tf.training import run
from brave_tf.training.input_wait import InputWait

LOST = 75


def train(folder: str, name: str, run_name: str) -> None:
    """Trains in FOLDER/<run_name>, and writes what the objective is then."""
    built: list[Objective] = []
    build = run.build_objective

    def keep(*args) -> Objective:
        built.append(build(*args))
        return built[-1]

    run.build_objective = keep
    run.train(f"{folder}/{run_name}")
    values = {f"{i} {v.name}": v.numpy() for i, v in enumerate(built[0].variables)}
    np.savez(f"{folder}/{name}.npz", **values)


def on_devices(folder: str, recipe: str, name: str, count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration()] * count
    tf.config.set_logical_device_configuration(cpu, devices)
    strategy = "mirrored" if count > 1 else "one_device"
    config.load_config([recipe], [f"train.strategy = '{strategy}'"], for_training=True)
    train(folder, name, name)


def in_process(
    folder: str, recipe: str, name: str, index: int, ports: list[int], killed_at: int | None = None
) -> None:
    """Trains as one of two processes, which a batch of features kills if `killed_at` says so."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    config.load_config([recipe], ["train.strategy = 'multi_worker'"], for_training=True)
    looks = [0]

    def look(self) -> None:
        looks[0] += 1
        if looks[0] == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)

    InputWait.look = look
    cluster_them = clustering.Clustering.on_occasion

    def differ(self, occasion, features) -> None:
        cluster_them(self, occasion, features)
        self.classifier.kernel.assign(self.classifier.kernel * (1 + 0.001 * index))

    # As machines may in their last bits.
    clustering.Clustering.on_occasion = differ
    train(folder, f"{name}-{index}", name)


def forked(*jobs: Callable[[], None]) -> list[int]:
    """Runs jobs side by side in processes of their own; returns their exit codes."""
    children = []
    for job in jobs:
        children.append(os.fork())
        if children[-1] == 0:
            code = 1
            try:
                job()
                code = 0
            except BaseException as error:
                traceback.print_exc()
                code = getattr(error, "exit_code", 1)
            sys.stdout.flush()
            os._exit(code)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def pair(folder: str, recipe: str, name: str, killed_at: int | None = None) -> list[int]:
    ports = free_ports.find(2)
    own = (folder, recipe, name)
    return forked(lambda: in_process(*own, 0, ports), lambda: in_process(*own, 1, ports, killed_at))


def main(recipe: str, folder: str) -> None:
    for name, count in (("one_device", 1), ("two_devices", 2), ("four_devices", 4)):
        job = lambda name=name, count=count: on_devices(folder, recipe, name, count)  # noqa: E731
        assert forked(job) == [0], name
    assert pair(folder, recipe, "whole") == [0, 0]
    assert pair(folder, recipe, "parts", killed_at=5) == [LOST, -signal.SIGKILL]
    assert pair(folder, recipe, "parts") == [0, 0]


if __name__ == "__main__":
    main(*sys.argv[1:])

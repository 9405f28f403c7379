"""Takes ten steps of one model on the same batches, over devices and over processes: a program for tests.

Usage: replica_steps.py FOLDER. Writes FOLDER/<name>.npz for one_device, two_devices, four_devices and
two_processes: every weight by its number and name, averages of normalisations included, and `losses`, one of
each step. All processes are forks of this one, which has imported TensorFlow but not started it.
"""

from __future__ import annotations

import json
import os
import pathlib
import sys

import free_ports
import numpy as np
import tensorflow as tf
import tiny_run

from brave_tf import config
from brave_tf.training import recipe, run, workers
from brave_tf.training.settings import Settings
from brave_tf.training.strategy import make_strategy

STEPS, BATCH = 10, 8
# Convolutions of fewer channels, on two CPUs of a process at a time, corrupt its memory in TensorFlow 2.15.
BINDINGS = [
    "narrow/tsm_light.widths = (16,)",
    "narrow/tsm_light.blocks = (1,)",
    "broad_audio/audio_light.widths = (16,)",
    "broad_audio/audio_light.blocks = (1,)",
    # Large steps double a difference of rounding with each step.
    "sgd.learning_rate = 0.005",
    f"train.batch_size = {BATCH}",
]


def batches(views: dict, part: int, parts: int, size: int) -> tf.data.Dataset:
    """One part of each of the global batches, in batches of `size`."""
    rng = np.random.default_rng(0)
    values = {
        name: rng.random((STEPS, BATCH, *view.shape), np.float32) for name, view in views.items()
    }
    values["label"] = np.zeros((STEPS, BATCH), np.int64)
    own = slice(part * BATCH // parts, (part + 1) * BATCH // parts)
    clips = tf.data.Dataset.from_tensor_slices({k: v[:, own] for k, v in values.items()}).unbatch()
    return clips.batch(size, drop_remainder=True)


def train(strategy: tf.distribute.Strategy) -> dict[str, np.ndarray]:
    """Takes the steps; returns the weights and losses."""
    built = recipe.bound(recipe.Recipe)
    objective = run.build_objective(recipe.bound(Settings), built, strategy)

    def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
        size = BATCH // context.num_replicas_in_sync
        return batches(built.views, context.input_pipeline_id, context.num_input_pipelines, size)

    data = strategy.distribute_datasets_from_function(share)
    history = objective.fit(data, steps_per_epoch=1, epochs=STEPS, verbose=0).history
    assert objective.step == STEPS
    weights = {f"{i} {w.name}": w.numpy() for i, w in enumerate(objective.weights)}
    return {**weights, "losses": np.array(history["loss"])}


def on_devices(folder: str) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    np.savez(f"{folder}/one_device.npz", **train(make_strategy("one_device")))
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    for name, count in (("two_devices", 2), ("four_devices", 4)):
        strategy = tf.distribute.MirroredStrategy(
            cpus[:count], tf.distribute.ReductionToOneDevice()
        )
        np.savez(f"{folder}/{name}.npz", **train(strategy))


def in_process(folder: str, index: int, ports: list[int]) -> None:
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    result = train(make_strategy(workers=workers.read_workers()))
    if index == 0:
        np.savez(f"{folder}/two_processes.npz", **result)


def main(folder: str) -> int:
    path = tiny_run.write_recipe(pathlib.Path(folder), folder)
    config.load_config([str(path)], BINDINGS)
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

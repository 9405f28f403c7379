"""The distribution strategy of a run."""

from __future__ import annotations

import tensorflow as tf

from brave_tf import errors


def make_strategy(batch_size: int) -> tf.distribute.Strategy:
    """Mirrors the model over all GPUs, or over the logical CPU devices where there is no GPU.

    Args:
      batch_size: clips of a step over all devices.

    Raises:
      UserError: when the batch cannot be divided evenly.
    """
    kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
    # The default reduction between CPU devices is by collectives, of which a process can run only one set.
    strategy = tf.distribute.MirroredStrategy(
        [device.name for device in tf.config.list_logical_devices(kind)],
        cross_device_ops=tf.distribute.ReductionToOneDevice() if kind == "CPU" else None,
    )
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise errors.UserError(
            f"train.batch_size = {batch_size} cannot be divided over {replicas} {kind} devices: bind a "
            f"multiple of {replicas}."
        )
    return strategy


def distribute(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> object:
    """Makes global batches into what `fit` and the strategy iterate over.

    On a single CPU the batches go to it as they are. TensorFlow's iterator over devices, the default,
    autotunes a pipeline of its own, and a run that has ended may wait a minute for that to end.
    """
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    if strategy.num_replicas_in_sync > 1 or on_gpu:
        return strategy.experimental_distribute_dataset(batches)
    options = tf.distribute.InputOptions(
        experimental_fetch_to_device=False,
        experimental_replication_mode=tf.distribute.InputReplicationMode.PER_REPLICA,
    )
    return strategy.distribute_datasets_from_function(lambda _: batches, options)

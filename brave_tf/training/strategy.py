"""The distribution strategy of a run: over which devices and processes a batch is divided."""

from __future__ import annotations

import os

import tensorflow as tf

from brave_tf import errors
from brave_tf.training.workers import ONE, Workers, lost_workers

AUTO = "auto"
STRATEGIES = (AUTO, "one_device", "mirrored", "multi_worker", "tpu")


def make_strategy(
    name: str = AUTO, tpu: str | None = None, workers: Workers = ONE
) -> tf.distribute.Strategy:
    """Makes the strategy, before anything else of TensorFlow runs in the process if it is `multi_worker`.

    Args:
      name: `one_device`; `mirrored` over all GPUs of this machine, or its logical CPUs if it has none;
        `multi_worker`, mirrored over all GPUs, or the CPUs, of several machines; `tpu`; or `auto`: several
        processes if there are, else the TPU if one is named, else all GPUs if there are several, else one
        device.
      tpu: name or 'grpc://host:port' of the TPU, 'local' on its own machine; the environment variable
        TPU_NAME by default.
      workers: the processes of the run; those of `multi_worker` wait for each other here.

    Raises:
      UserError: there is no such strategy, no TPU answers, or there is one process, or no `multi_worker`
        for several.
      LostWorkerError: another process ended meanwhile.
    """
    if name not in STRATEGIES:
        raise errors.UserError(
            f"train.strategy = {name!r}: expected one of {', '.join(STRATEGIES)}."
            f"{errors.did_you_mean(str(name), STRATEGIES)}"
        )
    name = _automatic(tpu, workers) if name == AUTO else name
    if workers.several != (name == "multi_worker"):
        raise errors.UserError(
            f"train.strategy = {name!r}, but the environment variable TF_CONFIG names "
            f"{len(workers.addresses)} processes: bind 'multi_worker' for several processes, whose TF_CONFIG "
            "names them all, and another strategy for one."
        )
    if name == "multi_worker":
        return _multi_worker(workers)
    if name == "tpu":
        return _tpu(tpu)
    return _mirrored() if name == "mirrored" else _one_device()


def check_division(
    strategy: tf.distribute.Strategy, batch_size: int, accumulate_steps: int
) -> None:
    """Makes sure that all devices have equal parts of a batch.

    Raises:
      UserError: they cannot.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % (replicas * accumulate_steps):
        parts = f" in {accumulate_steps} parts" if accumulate_steps > 1 else ""
        raise errors.UserError(
            f"train.batch_size = {batch_size} cannot be divided over {replicas} devices{parts}: bind a "
            f"multiple of {replicas * accumulate_steps}."
        )


def check_compilation(strategy: tf.distribute.Strategy) -> None:
    """Makes sure that XLA can compile a step: it knows no communication between CPUs.

    Raises:
      UserError: it cannot.
    """
    kinds = {tf.DeviceSpec.from_string(d).device_type for d in strategy.extended.worker_devices}
    if strategy.num_replicas_in_sync > 1 and kinds == {"CPU"}:
        raise errors.UserError(
            "train.jit_compile = True: XLA cannot compile a step over several CPUs; bind "
            "train.jit_compile = False or train.strategy = 'one_device'."
        )


def _automatic(tpu: str | None, workers: Workers) -> str:
    if workers.several:
        return "multi_worker"
    if tpu or os.environ.get("TPU_NAME"):
        return "tpu"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "one_device"


def _one_device() -> tf.distribute.Strategy:
    gpus = tf.config.list_logical_devices("GPU")
    # Without a strategy, batches go to a CPU as they are. TensorFlow's iterator over devices autotunes a
    # pipeline of its own, and a run that has ended may wait a minute for that to end.
    return tf.distribute.OneDeviceStrategy(gpus[0].name) if gpus else tf.distribute.get_strategy()


def _mirrored() -> tf.distribute.Strategy:
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus])
    # The default reduction between CPU devices is by collectives, of which a process can run only one set.
    return tf.distribute.MirroredStrategy(
        [cpu.name for cpu in tf.config.list_logical_devices("CPU")],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )


def _multi_worker(workers: Workers) -> tf.distribute.Strategy:
    print(
        f"process {workers.index} of {len(workers.addresses)}, {workers.addresses[workers.index]}: waiting "
        f"for all of {', '.join(workers.addresses)}",
        flush=True,
    )
    with lost_workers(workers):
        return tf.distribute.MultiWorkerMirroredStrategy()


def _tpu(tpu: str | None) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=tpu or "")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (OSError, ValueError, RuntimeError, ImportError, tf.errors.OpError) as error:
        name = repr(tpu or os.environ.get("TPU_NAME"))
        raise errors.UserError(
            f"train.strategy = 'tpu': no TPU answers to the name {name} ({error}). Bind train.tpu to its "
            "name or 'grpc://HOST:8470', to 'local' on a TPU's own machine, or set TPU_NAME."
        ) from error

"""Networks that see the clips of one process at a time, as published code does on each of its GPUs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

import tensorflow as tf

from brave_tf import errors
from brave_tf.models.norm import BatchNorm, averages_kept
from brave_tf.objectives.replicas import clip_positions, gather_over_replicas

# (B, ...) clips -> (B, D), or several of these.
Encode = Callable[[tf.Tensor], object]


def by_process(encode: Encode, clips: tf.Tensor, clips_per_process: int | None) -> object:
    """Encodes the clips of this replica, those of one process after those of another.

    Batch normalisation then takes the statistics of each process by itself, and keeps averages of those of
    the first process, as it does over replicas.

    Args:
      encode: the network.
      clips: (B, ...) of this replica, a multiple of a process in training.
      clips_per_process: clips of one process; None: all at once.

    Returns:
      What `encode` does, of all clips.
    """
    if clips_per_process is None:
        return encode(clips)
    first, *others = tf.split(clips, clips.shape[0] // clips_per_process)
    found = [encode(first)]
    with averages_kept():
        found += [encode(each) for each in others]
    return tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=0), *found)


def shuffled(
    encode: Encode,
    clips: tf.Tensor,
    clips_per_process: int | None,
    permutation: Callable[[int], tf.Tensor],
) -> tf.Tensor:
    """Encodes the clips of all replicas in another order, so that clips meet others in their process.

    A query and its key then do not share statistics of batch normalisation, by which the key could be told
    without looking (MoCo, He et al., CVPR 2020, section 3.3).

    Args:
      encode: the network, (B, ...) -> (B, D).
      clips: (B, ...) of this replica.
      clips_per_process: as for `by_process`; None: in their order, all at once.
      permutation: returns for a number of clips N, of all replicas, the same (N,) int32 on each: which clip,
        in rank-major order, is in each place of the shuffled batch.

    Returns:
      (B, D) of this replica's clips, without gradients.
    """
    if clips_per_process is None:
        return tf.stop_gradient(encode(clips))
    own, every = clip_positions(clips.shape[0]), gather_over_replicas(clips)
    order = permutation(every.shape[0])
    mixed = tf.gather(every, tf.gather(order, own))
    encoded = gather_over_replicas(by_process(encode, mixed, clips_per_process))
    return tf.gather(encoded, tf.gather(tf.math.invert_permutation(order), own))


def check_partition(name: str, clips_per_process: int | None, clips: int, replicas: int) -> None:
    """Makes sure that the clips of each replica can be divided into processes.

    Args:
      name: of the binding, such as `InfoNCE.clips_per_process`.
      clips_per_process: its value; None: no processes.
      clips: of all replicas.
      replicas: how many there are.

    Raises:
      UserError: they cannot.
    """
    share = clips // replicas
    if clips_per_process is not None and (clips_per_process < 1 or share % clips_per_process):
        raise errors.UserError(
            f"{name} = {clips_per_process}: expected a divisor of the {share} clips of a batch on each of "
            f"{replicas} devices, or None."
        )


def check_norms(name: str, clips_per_process: int | None, models: Iterable[tf.keras.Model]) -> None:
    """Makes sure that batch normalisations take statistics of processes if and only if there are some.

    Raises:
      UserError: they do not.
    """
    norms = [each for model in models for each in model.submodules if isinstance(each, BatchNorm)]
    if clips_per_process is not None and any(norm.over_replicas for norm in norms):
        raise errors.UserError(
            f"{name} = {clips_per_process}, but batch normalisations take their statistics over all devices: "
            "bind batch_norm.over_replicas = False, or None."
        )
    if clips_per_process is None and not all(norm.over_replicas for norm in norms):
        raise errors.UserError(
            f"{name} = None, but batch normalisations take their statistics on each device by itself, by "
            "which a key can be told from others without looking: bind the clips of a device, or "
            "batch_norm.over_replicas = True."
        )

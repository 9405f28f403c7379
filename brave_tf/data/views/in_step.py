"""Augmentations that are left to the training step, on the device that trains."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from brave_tf.data.views.base import View


def seed_key(view: str) -> str:
    """Returns the key of a batch under which the seeds of a view are that is not finished."""
    return f"{view}/seed"


@tf.autograph.experimental.do_not_convert
def finish_views(views: Mapping[str, View], batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Applies the `step_augmentations` of views, one clip after the other.

    Args:
      views: by name.
      batch: view name -> (B, *view.shape) float32, and for those that are not finished `seed_key` -> (B, 2)
        int32, as `clip_dataset` gives them; and whatever else.

    Returns:
      The batch with all views finished, without the seeds. Clips are what they would be if all
      augmentations were applied by the input pipeline, but for the rounding of another device.
    """
    batch = dict(batch)
    for name, view in views.items():
        seeds = batch.pop(seed_key(name), None)
        if seeds is not None:
            batch[name] = tf.map_fn(
                lambda clip, view=view: view.finish(*clip),
                (batch[name], seeds),
                fn_output_signature=tf.TensorSpec(view.shape, tf.float32),
            )
    return batch

"""Records of noisy clips whose classes are told apart by their brightest colour."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Callable

import numpy as np
import record_fixtures
import tensorflow as tf

from brave_tf.data.views.rgb import RgbView
from brave_tf.evaluation.features.probe import Probe
from brave_tf.interop.models import FrozenBackbone

VIEW = RgbView(num_frames=2, frame_step=1, size=8)


def moments(batch: tf.Tensor) -> tf.Tensor:
    """(B, T, H, W, 3) -> (B, 6), mean and spread of each colour: the features of a backbone for tests."""
    return tf.concat([tf.reduce_mean(batch, (1, 2, 3)), tf.math.reduce_std(batch, (1, 2, 3))], -1)


def probe(**fields) -> Probe:
    """A backbone that sees the moments of the narrow view; fields of either class can be given."""
    names = {field.name for field in dataclasses.fields(FrozenBackbone)}
    own = {name: value for name, value in fields.items() if name in names}
    others = {name: value for name, value in fields.items() if name not in names}
    backbone = FrozenBackbone(**{"embed": moments, **own})
    return Probe(
        **{"view_name": "narrow", "view": VIEW, "is_narrow": True, "backbone": backbone, **others}
    )


def write(
    folder: pathlib.Path,
    splits: Mapping[str, Sequence],
    shade: Callable = lambda label: label if isinstance(label, int) else label[0],
) -> str:
    """Writes the clips of splits: of each a label, some, or none for None.

    Args:
      folder: of the records.
      splits: name -> labels of the clips.
      shade: label -> colour, 0 to 2, that is brighter than noise.
    """
    for seed, (split, every) in enumerate(splits.items()):
        rng = np.random.default_rng(seed)
        clips = []
        for number, label in enumerate(every):
            pixels = rng.integers(0, 60, (4, 12, 16, 3))
            if label is not None:
                pixels[..., shade(label)] += 120
            images = [record_fixtures.jpeg(frame.astype(np.uint8)) for frame in pixels]
            labels = [] if label is None else np.ravel(label).tolist()
            path = f"{split}/{number}.mp4"
            clips.append(record_fixtures.record(images=images, labels=labels, path=path))
        record_fixtures.write_shards(folder, clips, split=split)
    return str(folder)

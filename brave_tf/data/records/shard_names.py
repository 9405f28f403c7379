"""How the shards of a folder are called."""

from __future__ import annotations

import os
import re

import tensorflow as tf

PATTERN = "*.tfrecord*"
# Those that the scripts of DMVR and DeepMind write are called train-00000-of-00010.
_SHARD = re.compile(r"[^.].*\.tfrecord.*|[^.]+-\d+-of-\d+")
_ENDINGS = re.compile(r"\.tfrecords?|\.gz$")
# The number in train-00000-of-00010.tfrecord, train.tfrecord-00000-of-00010, clips-07.tfrecord.
_NUMBER = re.compile(r"[-_.]?\d+(-of-\d+)?$")


def find_shards(data_dir: str) -> list[str]:
    """Returns the files of a folder that are called like shards, sorted; none where there is no folder."""
    names = names_in(data_dir) if tf.io.gfile.isdir(data_dir) else ()
    return [os.path.join(data_dir, name) for name in sorted(names) if _SHARD.fullmatch(name)]


def names_in(folder: str) -> list[str]:
    """Returns the names in a folder, of this machine or an object store."""
    # TensorFlow cannot list names that are not text in UTF-8.
    return os.listdir(folder) if os.path.isdir(folder) else tf.io.gfile.listdir(folder)


def split_of(path: str) -> str:
    """Returns the split that a shard is of: what its name has before the number."""
    stem = _ENDINGS.sub("", os.path.basename(path))
    return _NUMBER.sub("", stem) or stem

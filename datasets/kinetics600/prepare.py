"""Kinetics-600: videos and official annotations -> clip records, with the splits train, val and test.

python datasets/kinetics600/prepare.py --input=media/kinetics600 --output=data/kinetics600
"""

from __future__ import annotations

from brave_tf.cli import prepare
from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.public import kinetics


def read_clips(root: str) -> list[ListedClip]:
    """Lists the clips of Kinetics-600, see `kinetics.read_clips`."""
    return kinetics.read_clips(root, num_classes=600)


if __name__ == "__main__":
    prepare.console_main(read_clips, __doc__)

"""HMDB51: videos and the three official splits -> clip records.

The records serve all three: each is in a split named after its roles, such as train-test-unused.

python datasets/hmdb51/prepare.py --input=media/hmdb51 --output=data/hmdb51
"""

from __future__ import annotations

import os
import re
from collections import defaultdict

from brave_tf.cli import prepare
from brave_tf.data.clips.clip_list import ListedClip, make_clip
from brave_tf.data.public.annotations import lines, malformed
from brave_tf.data.public.collection import Collection
from brave_tf.data.public.official_splits import role_name
from brave_tf.errors import UserError

SOURCE = (
    "The videos (hmdb51_org.rar) and the splits (test_train_splits.rar) are at "
    "https://serre-lab.clps.brown.edu/resource/hmdb-a-large-human-motion-database/."
)
ROLES = {"0": "unused", "1": "train", "2": "test"}
NAME = re.compile(r"(.+)_test_split([123])\.txt")


def read_clips(root: str) -> list[ListedClip]:
    """Lists the clips of HMDB51; videos may be missing.

    Raises:
      UserError: A list of a split is missing or cannot be understood.
    """
    collection = Collection(root, SOURCE)
    files = defaultdict(dict)
    for name, path in collection.annotations(NAME.pattern).items():
        label, number = NAME.fullmatch(name).groups()
        files[label][int(number)] = path
    if not files:
        raise collection.lacks("<class>_test_split1.txt, _test_split2.txt, _test_split3.txt")
    return [clip for label in files for clip in _read(collection, label, files[label])]


def _read(collection, label, files):
    roles = defaultdict(lambda: ["unused"] * 3)
    for number in (1, 2, 3):
        if number not in files:
            raise collection.lacks(f"{label}_test_split{number}.txt")
        for video, role in _roles(files[number]).items():
            roles[video][number - 1] = role
    for video in sorted(roles):
        file = collection.find(os.path.splitext(video)[0], folder=label) or f"{label}/{video}"
        yield make_clip(collection.root, file, labels=(label,), split=role_name(roles[video]))


def _roles(path):
    roles = {}
    for line, text in lines(path):
        video, _, digit = text.rpartition(" ")
        video = video.strip()
        if not video or digit not in ROLES:
            raise malformed(path, line, f"{text!r}, expected a video and 0, 1 or 2")
        if roles.setdefault(video, ROLES[digit]) != ROLES[digit]:
            raise malformed(path, line, f"{video!r} has another role further up")
    if not roles:
        raise UserError(f"{path}: is empty.")
    return roles


if __name__ == "__main__":
    prepare.console_main(read_clips, __doc__)

"""UCF101: videos and the three official splits -> clip records.

The records serve all three: each is in a split named after its roles, such as train-test-train.

python datasets/ucf101/prepare.py --input=media/ucf101 --output=data/ucf101
"""

from __future__ import annotations

import os
from collections import defaultdict

from brave_tf.cli import prepare
from brave_tf.data.clips.clip_list import ListedClip, make_clip
from brave_tf.data.public.annotations import lines, malformed
from brave_tf.data.public.collection import Collection
from brave_tf.data.public.official_splits import role_name
from brave_tf.errors import UserError

SOURCE = (
    "The videos (UCF101.rar) and the lists (UCF101TrainTestSplits-RecognitionTask.zip) are at "
    "https://www.crcv.ucf.edu/data/UCF101.php."
)


def read_clips(root: str) -> list[ListedClip]:
    """Lists the clips of UCF101; videos may be missing.

    Raises:
      UserError: A list is missing or cannot be understood.
    """
    collection = Collection(root, SOURCE)
    classes = _classes(collection)
    roles = defaultdict(lambda: ["unused"] * 3)
    for number in (1, 2, 3):
        for role in ("train", "test"):
            path = collection.annotation(f"{role}list{number:02d}.txt")
            for line, video in _videos(path, classes):
                if roles[video][number - 1] not in ("unused", role):
                    raise malformed(path, line, f"{video!r} is in the other list too")
                roles[video][number - 1] = role
    return [_clip(collection, classes, video, roles[video]) for video in sorted(roles)]


def _clip(collection, classes, video, roles):
    folder, name = video.split("/")
    # The lists and the archives differ in the capitals of HandstandPushups.
    file = collection.find(os.path.splitext(name)[0], folder, any_case=True) or video
    label = classes[folder.casefold()][1]
    return make_clip(collection.root, file, labels=(label,), split=role_name(roles))


def _classes(collection):
    """Returns class in small letters -> (number as text, name)."""
    path = collection.annotation("classInd.txt")
    classes = {}
    for line, text in lines(path):
        number, _, name = text.partition(" ")
        if not number.isdigit() or not name.strip():
            raise malformed(path, line, f"{text!r}, expected a number and the name of a class")
        classes[name.strip().casefold()] = (number, name.strip())
    if not classes:
        raise UserError(f"{path}: is empty.")
    return classes


def _videos(path, classes):
    """Yields line number and `Class/video.avi` of a list; test lists have no class numbers."""
    for line, text in lines(path):
        video, _, number = text.partition(" ")
        folder, slash, name = video.partition("/")
        if not slash or not name or "/" in name:
            raise malformed(path, line, f"{text!r}, expected Class/video.avi")
        if folder.casefold() not in classes:
            raise malformed(path, line, f"the class {folder!r} is not in classInd.txt")
        if number.strip() not in ("", classes[folder.casefold()][0]):
            raise malformed(path, line, f"the class {folder!r} has another number in classInd.txt")
        yield line, video


if __name__ == "__main__":
    prepare.console_main(read_clips, __doc__)

"""ESC-50: sounds and the official folds -> clip records, with the splits fold1 to fold5.

python datasets/esc50/prepare.py --input=media/ESC-50-master --output=data/esc50
"""

from __future__ import annotations

import os

from absl import flags

from brave_tf.cli import prepare
from brave_tf.data.clips.clip_list import ListedClip, make_clip
from brave_tf.data.public.annotations import malformed, table
from brave_tf.data.public.collection import Collection
from brave_tf.data.public.official_splits import fold_name
from brave_tf.errors import UserError

SOURCE = "The data set with meta/esc50.csv is at https://github.com/karolpiczak/ESC-50."
COLUMNS = ("filename", "fold", "category")


def read_clips(root: str, esc10: bool = False) -> list[ListedClip]:
    """Lists the clips of ESC-50; files may be missing.

    Args:
      root: The folder with meta/esc50.csv and audio/.
      esc10: Keep the ten classes of ESC-10 only.

    Raises:
      UserError: meta/esc50.csv is missing or cannot be understood.
    """
    collection = Collection(root, SOURCE)
    path = collection.annotation("esc50.csv")
    clips = []
    for line, row in table(path, COLUMNS):
        if row["fold"] not in ("1", "2", "3", "4", "5"):
            raise malformed(path, line, f"the fold is {row['fold']!r}, expected 1 to 5")
        if not row["filename"] or not row["category"]:
            raise malformed(path, line, "the filename or the category is empty")
        if esc10 and row.get("esc10") != "True":
            continue
        stem = os.path.splitext(row["filename"])[0]
        file = collection.find(stem, folder="audio") or f"audio/{row['filename']}"
        split = fold_name(int(row["fold"]))
        clips.append(make_clip(root, file, labels=(row["category"],), split=split))
    if not clips:
        raise UserError(f"{path}: names no clip{' of ESC-10' if esc10 else ''}.")
    return clips


if __name__ == "__main__":
    flags.DEFINE_bool("esc10", False, "Keep the ten classes of ESC-10 only.")
    prepare.console_main(lambda root: read_clips(root, flags.FLAGS.esc10), __doc__)

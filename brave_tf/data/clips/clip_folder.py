"""The clips of a folder of media files, whose sub-folders name classes and splits."""

from __future__ import annotations

import os

from brave_tf.data.clips.clip import DEFAULT_SPLIT, ListedClip, make_clip
from brave_tf.data.clips.media_files import media_below
from brave_tf.errors import ArgumentError

_SPLIT_FOLDERS = frozenset(
    {"train", "training", "val", "valid", "validation", "dev", "test", "testing"}
)


def read_folder(root: str) -> list[ListedClip]:
    """Lists the clips of a folder: each media file in it and its sub-folders.

    Raises:
      UserError: There is none, or a sub-folder has a name that can be no label.
    """
    files = media_below(root)
    if not files:
        raise ArgumentError(
            "input",
            root,
            "holds no media files (.mp4 .mkv .webm .avi .mov .wav .flac .mp3 and whatever "
            "else FFmpeg opens, except still images, subtitles and playlists).",
        )
    has_splits = _has_split_folders(root, {path.split("/")[0] for path in files if "/" in path})
    clips = []
    for path in files:
        *folders, _ = path.split("/")
        split = _as_split(folders.pop(0)) if has_splits and folders else DEFAULT_SPLIT
        labels = [_label(root, folder) for folder in folders[:1]]
        clips.append(make_clip(root, path, labels=labels, split=split))
    return clips


def _has_split_folders(root, folders):
    splits = {name for name in folders if _as_split(name) in _SPLIT_FOLDERS}
    others = sorted(folders - splits)
    # A single one beside other folders is a class: a train is also a vehicle.
    if len(splits) > 1 and others:
        raise ArgumentError(
            "input",
            root,
            f"the folders {', '.join(sorted(splits))} are named like splits, but "
            f"{others[0]!r} is not. Move the others elsewhere, or list the clips in a CSV.",
        )
    return bool(splits) and not others


def _as_split(folder):
    return folder.strip().lower()


def _label(root, folder):
    # Names of files may hold bytes that are no text.
    label = os.fsencode(folder).decode("utf-8", "backslashreplace")
    if len(label.splitlines()) > 1:
        raise ArgumentError(
            "input", root, f"the name of the folder {folder!r} holds a line break. Rename it."
        )
    if not label.strip():
        raise ArgumentError(
            "input", root, f"the name of the folder {folder!r} is blank. Rename it."
        )
    return label.strip()

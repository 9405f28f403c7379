"""Folders of films for the tests of brave_tf_prepare."""

from __future__ import annotations

import pathlib

from media import moving_texture, tone, write_video


def write_labelled(folder: pathlib.Path) -> pathlib.Path:
    """Writes cat/film.mp4, dog/film.mp4 and dog/broken.mp4; returns the folder."""
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        write_video(folder / label / "film.mp4", moving_texture(10), audio=tone(0.4))
    (folder / "dog" / "broken.mp4").write_bytes(b"no film")
    return folder

"""Finds out what kind of data is somewhere."""

from __future__ import annotations

import os

from brave_tf.data.sources import raw_media, records
from brave_tf.data.sources.base import Source, registered_sources

__all__ = ["open_source", "raw_media", "records"]


def open_source(location: str | os.PathLike[str]) -> Source:
    """Returns the clips at `location`.

    Args:
      location: a folder of clip records; a folder of media files, or a CSV that lists them (see
        `raw_media.RawMedia`); or whatever else a registered kind of source accepts.

    Raises:
      UserError: it holds nothing that can be used.
    """
    location = os.fspath(location)
    for kind in registered_sources():
        if kind.accepts(location):
            return kind.open(location)
    # Its errors say where records were looked for, and how they are made.
    return records.Records.open(location)

"""Text of others that a terminal shows, and does not obey."""

from __future__ import annotations

import re
from typing import Any, TextIO

# Control characters but for tab and line feed, and those that turn round what follows (Unicode
# Standard Annex 9).
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    """Returns text with escapes such as `\\x1b` in the place of what commands a terminal."""
    return _COMMANDS.sub(lambda found: ascii(found[0])[1:-1], text)


class Visible:
    """A stream that writes text as `escaped` has it; in all else the stream that it is made of.

    A carriage return before everything else is left: so a bar of progress is drawn again.

    Args:
      stream: to write to.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes text; returns how many characters of it, which are all."""
        again = text.startswith("\r")
        self._stream.write("\r" * again + escaped(text[again:]))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

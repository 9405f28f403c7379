"""What the header of a WAV file says of its samples (RIFF, Microsoft and IBM 1991)."""

from __future__ import annotations

import os
import struct
from typing import NamedTuple

_RIFF = {b"RIFF", b"RF64", b"BW64"}
_PCM, _EXTENSIBLE = 1, 0xFFFE
# KSDATAFORMAT_SUBTYPE_PCM.
_PCM_SUBTYPE = bytes.fromhex("0100000000001000800000aa00389b71")


class WavHeader(NamedTuple):
    """The samples of a WAV file.

    Attributes:
      is_pcm: Whether they are integers.
      channels: How many channels there are.
      block_align: Bytes of a sample of all channels.
      bits: Bits of the container of a sample.
      valid_bits: How many of them count, from the top.
      place_of_valid_bits: Byte of the file with their number; 0 where it is that of the container.
      num_bytes: Of the samples, as stated; None where the file ends before they begin.
      is_whole: Whether the file holds as many.
    """

    is_pcm: bool
    channels: int
    block_align: int
    bits: int
    valid_bits: int
    place_of_valid_bits: int
    num_bytes: int | None
    is_whole: bool


def read(file: str) -> WavHeader | None:
    """Reads the header of a file; returns None if it is no WAV."""
    size = os.path.getsize(file)
    found = None
    with open(file, "rb") as stream:
        if stream.read(4) not in _RIFF or stream.read(8)[4:] != b"WAVE":
            return None
        while len(header := stream.read(8)) == 8:
            name, length = struct.unpack("<4sI", header)
            place = stream.tell()
            if name == b"data":
                whole = 0 < length <= size - place
                return found and found._replace(num_bytes=length, is_whole=whole)
            if name == b"fmt ":
                found = _format(stream.read(min(length, 40)), place)
            stream.seek(place + length + length % 2)
    return found


def _format(chunk: bytes, place: int) -> WavHeader | None:
    if len(chunk) < 16:
        return None
    tag, channels, _, _, align, bits = struct.unpack("<HHIIHH", chunk[:16])
    valid, place_of_valid = bits, 0
    if tag == _EXTENSIBLE and len(chunk) == 40:
        (valid,) = struct.unpack("<H", chunk[18:20])
        place_of_valid = place + 18
        tag = _PCM if chunk[24:] == _PCM_SUBTYPE else tag
    return WavHeader(tag == _PCM, channels, align, bits, valid, place_of_valid, None, False)

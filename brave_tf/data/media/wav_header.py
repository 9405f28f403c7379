"""What the header of a WAV file says of its samples (RIFF, Microsoft and IBM 1991)."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_RIFF = {b"RIFF", b"RF64", b"BW64"}
# The end of the names of chunks in Sony's Wave64, which are 16 bytes long; the first of all has another.
_W64_RIFF = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
_W64 = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_PCM, _EXTENSIBLE = 1, 0xFFFE
# KSDATAFORMAT_SUBTYPE_PCM.
_PCM_SUBTYPE = bytes.fromhex("0100000000001000800000aa00389b71")


class WavHeader(NamedTuple):
    """The samples of a WAV file.

    Attributes:
      is_pcm: Whether they are integers.
      channels: How many channels there are.
      block_align: Bytes of a sample of all channels.
      bits: Bits of a sample, as stated.
      valid_bits: How many of them count, from the top.
      is_extensible: Whether it has the longer format, with valid bits.
      place: Byte of the file at which the format begins.
      num_bytes: Of the samples, as stated; None where the file ends before they begin.
      is_whole: Whether the file holds as many.
    """

    is_pcm: bool
    channels: int
    block_align: int
    bits: int
    valid_bits: int
    is_extensible: bool
    place: int
    num_bytes: int | None
    is_whole: bool

    @property
    def container_bits(self) -> int:
        """Bits from one sample to the next; 0 where they are no whole bytes."""
        whole = self.channels and not self.block_align % self.channels
        return 8 * self.block_align // self.channels if whole else 0


def read(file: str) -> WavHeader | None:
    """Reads the header of a file; returns None if it is no WAV."""
    size = os.path.getsize(file)
    found = None
    with open(file, "rb") as stream:
        for name, place, length in _chunks(stream):
            if name == b"data":
                whole = 0 < length <= size - place
                return found and found._replace(num_bytes=length, is_whole=whole)
            if name == b"fmt ":
                stream.seek(place)
                found = _format(stream.read(min(length, 40)), place)
    return found


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yields name, place and bytes of the chunks of a WAV file; none if it is another file."""
    head = stream.read(40)
    if head[:4] in _RIFF and head[8:12] == b"WAVE":
        place, shape, even, own = 12, "<4sI", 2, 0
    elif head[:16] == _W64_RIFF and head[24:40] == b"wave" + _W64:
        # Lengths are those of the chunk with its name and length.
        place, shape, even, own = 40, "<4s12xQ", 8, 24
    else:
        return
    while len(header := _read_at(stream, place, struct.calcsize(shape))) == struct.calcsize(shape):
        name, length = struct.unpack(shape, header)
        yield name, place + len(header), length - own
        if length < own:
            return
        place += len(header) + length - own
        place += -place % even


def _read_at(stream, place, size):
    stream.seek(place)
    return stream.read(size)


def _format(chunk: bytes, place: int) -> WavHeader | None:
    if len(chunk) < 16:
        return None
    tag, channels, _, _, align, bits = struct.unpack("<HHIIHH", chunk[:16])
    valid, extensible = bits, tag == _EXTENSIBLE and len(chunk) == 40
    if extensible:
        (valid,) = struct.unpack("<H", chunk[18:20])
        tag = _PCM if chunk[24:] == _PCM_SUBTYPE else tag
    return WavHeader(tag == _PCM, channels, align, bits, valid, extensible, place, None, False)

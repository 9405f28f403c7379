"""Opens media files: what is refused, and what FFmpeg has to be told."""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping

import av

from brave_tf.data.preparation import wav_header
from brave_tf.data.preparation.decoding import MediaError
from brave_tf.data.preparation.media_probe import media_formats

# Bits that a sample may take.
_CONTAINERS = (8, 16, 24, 32, 64)


def open_media(file: str) -> av.container.InputContainer:
    """Opens a media file.

    Raises:
      MediaError: It is missing, empty, or of no format of media; a playlist is none, for it leads elsewhere.
    """
    if not os.path.isfile(file):
        raise MediaError("find", "is not a file" if os.path.exists(file) else "does not exist")
    if not os.path.getsize(file):
        raise MediaError("open", "is empty")
    try:
        # Some HMDB51 files carry metadata that is not UTF-8.
        return av.open(
            _as_ffmpeg_reads_it(file),
            container_options={"protocol_whitelist": "file", "format_whitelist": media_formats()},
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError("open", getattr(error, "strerror", None) or str(error)) from error


def _as_ffmpeg_reads_it(file: str) -> str | _PatchedFile:
    """Returns the file, or its contents with a WAV header that FFmpeg understands.

    Samples with fewer valid bits than their container fill it from the top, the rest being zero. How large
    the container is, their distance tells; FFmpeg takes the valid bits for it.
    """
    wav = wav_header.read(file)
    if wav is None or not wav.is_pcm or not wav.channels or wav.container_bits not in _CONTAINERS:
        return file
    if wav.bits == wav.container_bits and wav.valid_bits in (0, wav.bits):
        return file
    if not wav.is_extensible and (wav.bits, wav.container_bits) == (24, 32):
        # So does Cool Edit write floating-point numbers, which FFmpeg knows.
        return file
    bits = struct.pack("<H", wav.container_bits)
    patches = {wav.place + 14: bits}
    if wav.is_extensible:
        patches[wav.place + 18] = bits
    return _PatchedFile(file, patches)


class _PatchedFile:
    """A file of which some bytes are read as others."""

    def __init__(self, file: str, patches: Mapping[int, bytes]):
        self._stream = open(file, "rb")  # noqa: SIM115 (lives as long as the container that reads it)
        self._values = {
            place + number: value
            for place, patch in patches.items()
            for number, value in enumerate(patch)
        }
        self.name = file

    def read(self, size: int = -1) -> bytes:
        start = self._stream.tell()
        data = bytearray(self._stream.read(size))
        for place, value in self._values.items():
            if start <= place < start + len(data):
                data[place - start] = value
        return bytes(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

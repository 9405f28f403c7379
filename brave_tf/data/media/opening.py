"""Opens media files: what is refused, and what FFmpeg has to be told."""

from __future__ import annotations

import functools
import itertools
import os
import re
import struct
from collections.abc import Mapping

import av

from brave_tf.data.media import wav_header
from brave_tf.data.media.decoding import MediaError

# fmt: off
# Play lists, which open other files, devices, subtitles, data, and drawings in text.
_NO_MEDIA = frozenset({
    "adf", "aqtitle", "ass", "bin", "cdg", "concat", "dash", "data", "dvbsub", "dvbtxt",
    "ffmetadata", "fits", "hls", "ico", "idf", "imf", "jacosub", "lrc", "mcc", "microdvd", "mpl2",
    "mpsub", "pjs", "rcwt", "realtext", "rtp", "rtsp", "sami", "sap", "sbg", "scc", "sdp", "srt",
    "stl", "subviewer", "subviewer1", "sup", "tedcaptions", "tty", "txd", "vobsub", "vplayer",
    "webm_dash_manifest", "webvtt", "xbin", "alsa", "fbdev", "kmsgrab", "lavfi", "oss",
    "video4linux2", "v4l2", "x11grab",
})
# fmt: on
_STILLS = ("image2", "alias_pix", "brender_pix")
# Bytes behind the last packet that are searched for another file.
_MOST_REST = 1 << 28
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


@functools.cache
def media_formats() -> str:
    """Returns FFmpeg's names of the demuxers of media, for its option `format_whitelist`."""
    names = itertools.chain.from_iterable(name.split(",") for name in av.formats_available)
    return ",".join(sorted(name for name in set(names) if _is_of_media(name)))


def _is_of_media(name):
    return name not in _NO_MEDIA and not name.endswith("_pipe") and not name.startswith(_STILLS)


def joined_file(file: str, last_byte: int) -> int | None:
    """Returns the byte at which another file of the same format begins, as in joined MP4; None for none.

    Args:
      file: The file.
      last_byte: Up to which it holds packets; 0 where that is unknown.
    """
    with open(file, "rb") as stream:
        head = stream.read(16)
        if not last_byte or len(head) < 16:
            return None
        place = max(last_byte, len(head))
        stream.seek(place)
        # The second word is a size in some formats.
        pattern = re.escape(head[:4]) + b"(?s:.{4})" + re.escape(head[8:])
        again = re.search(pattern, stream.read(_MOST_REST))
    return again and place + again.start()


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

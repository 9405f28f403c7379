"""The one door to tensorflow-io: video and sound decoded, and parts of files read, inside the graph.

tensorflow-io is imported when it is first needed, so that datasets that do without do not load it. Of its
decoders, that of Vorbis can end the process on damaged bytes, and that of AAC fails on some good ones: these
are not used.
"""

from __future__ import annotations

import functools
import sys
import warnings

import tensorflow as tf

from brave_tf import compat
from brave_tf.data.media import ffmpeg4


@functools.cache
def can_decode_video() -> bool:
    """Whether `decode_video` works here: it needs the libraries of FFmpeg 4, see `ffmpeg4`."""
    if ffmpeg4.load() is None:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compat.load_tfio_ffmpeg()
    except (ImportError, NotImplementedError):
        return False
    return True


def decode_video(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes all frames of the first video stream of a file, without their times and as they are stored.

    Args:
      encoded: () string, a media file.

    Returns:
      (frames, H, W, 3) uint8, RGB.

    Raises:
      tf.errors.InvalidArgumentError: when run, if the bytes are no video, or nothing can be decoded.
    """
    import tensorflow_io

    frames = tensorflow_io.experimental.ffmpeg.decode_video(encoded)
    return tf.ensure_shape(frames, (None, None, None, 3))


def decode_flac(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes 16-bit FLAC.

    On damaged bytes the decoder may run for ever: give it only what a checksum protects, as that of records.

    Args:
      encoded: () string, a FLAC file.

    Returns:
      (samples,) float32 in [-1, 1), the mean over the channels.

    Raises:
      tf.errors.InvalidArgumentError: when run, if the bytes are empty or no FLAC.
    """
    import tensorflow_io

    encoded = _not_empty(encoded)
    return _mono(tensorflow_io.audio.decode_flac(encoded, dtype=tf.int16)) / 32768.0


def decode_wav(encoded: tf.Tensor) -> tf.Tensor:
    """Decodes 16-bit PCM in WAV.

    Args:
      encoded: () string, a WAV file whose data are as long as its header says.

    Returns:
      (samples,) float32 in [-1, 1), the mean over the channels.

    Raises:
      tf.errors.OpError: when run, if the bytes are empty or no such file.
    """
    import tensorflow_io

    encoded = _not_empty(encoded)
    return _mono(tensorflow_io.audio.decode_wav(encoded, dtype=tf.int16)) / 32768.0


def load_operations() -> None:
    """Makes the operations known to this process, in which graphs of other processes run."""
    # The library is loaded when it is first asked for something.
    compat.tfio_core_operations().io_file_read  # noqa: B018


def read_bytes(path: tf.Tensor, offset: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Returns () string, the `length` bytes of a file from byte `offset` on.

    Raises:
      tf.errors.OpError: when run, if there is no such file, or it is shorter.
    """
    return compat.tfio_core_operations().io_file_read(path, offset, length, compression="")


def _not_empty(encoded: tf.Tensor) -> tf.Tensor:
    # On an empty string the kernels would try to open a file.
    not_empty = tf.debugging.assert_greater(tf.strings.length(encoded), 0, "empty file or field")
    with tf.control_dependencies([not_empty] if not_empty is not None else []):
        return tf.identity(encoded)


def _mono(samples: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.cast(samples, tf.float32), axis=-1)


def main() -> int:
    """Says whether tensorflow-io finds FFmpeg 4 and decodes video; returns the exit code."""
    found = ffmpeg4.load()
    if found is None:
        print(f"FFmpeg 4 for tensorflow-io: not found; {ffmpeg4.ADVICE}")
        return 1
    print(f"FFmpeg 4 for tensorflow-io: found in {found}")
    works = can_decode_video()
    print(f"tensorflow-io decodes video: {'yes' if works else 'no'}")
    return 0 if works else 1


if __name__ == "__main__":
    sys.exit(main())

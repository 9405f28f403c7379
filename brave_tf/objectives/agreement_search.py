"""Search for the clips that are near to each clip in two banks at once (AVID-CMA)."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from brave_tf import errors

# How the similarities of two clips in video and in audio become one.
AGREEMENTS = {
    "consensus": tf.minimum,
    "union": tf.maximum,
    "video": lambda video, audio: video,
    "audio": lambda video, audio: audio,
}


def nearest_rows(
    video: np.ndarray,
    audio: np.ndarray,
    count: int,
    agreement: str = "consensus",
    chunk: int = 2048,
) -> np.ndarray:
    """Finds, for each row, the other rows that are most similar to it.

    The released code drops the most similar row and takes it for the row itself. Here a row is left out by
    its number, so that it is never among its own positives, even where there are copies of its clip.

    Each of the N^2 pairs takes 4 D operations. Beside the banks and the result, memory holds a few times
    chunk^2 similarities.

    Args:
      video: (N, D) rows of length 1, float32 or float16.
      audio: (N, D) rows of length 1, likewise.
      count: how many to find for each.
      agreement: `consensus`: the lower of the two similarities (paper, section 4); `union`: the higher;
        `video` or `audio`: that one alone.
      chunk: how many rows are compared with as many others at a time.

    Returns:
      (N, count) int32, each row in ascending order. Of equally similar rows, the first are found.

    Raises:
      UserError: there are too few rows, or no such agreement.
    """
    if agreement not in AGREEMENTS:
        raise errors.UserError(
            f"agreement = {agreement!r}: expected one of {', '.join(AGREEMENTS)}."
        )
    total = len(video)
    if not 0 < count < total:
        raise errors.UserError(
            f"{count} positives of each of {total} clips: expected 1 or more, and fewer than clips."
        )
    found = np.empty((total, count), np.int32)
    for begin in range(0, total, chunk):
        own = slice(begin, begin + chunk)
        best = tf.fill((len(video[own]), count), -np.inf), tf.fill((len(video[own]), count), -1)
        for start in range(0, total, chunk):
            others = slice(start, start + chunk)
            pairs = video[own], video[others], audio[own], audio[others]
            best = _merged(agreement, best, tf.constant(begin), tf.constant(start), pairs)
        found[own] = np.sort(best[1].numpy(), axis=-1)
    return found


@tf.function(reduce_retracing=True)
def _merged(
    agreement: str,
    best: tuple[tf.Tensor, tf.Tensor],
    begin: tf.Tensor,
    start: tf.Tensor,
    pairs: tuple[tf.Tensor, ...],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the best similarities of a chunk, and their rows, with one more chunk of others merged in.

    Args:
      agreement: of `AGREEMENTS`.
      best: (M, count) float32 and int32, the best so far, of which the first is the best.
      begin: () int32, the first row of the chunk.
      start: () int32, the first row of the others.
      pairs: the chunk and the others in video, and both in audio.
    """
    own_video, video, own_audio, audio = (tf.cast(each, tf.float32) for each in pairs)
    similar = AGREEMENTS[agreement](
        tf.matmul(own_video, video, transpose_b=True), tf.matmul(own_audio, audio, transpose_b=True)
    )
    numbers = start + tf.range(tf.shape(video)[0])
    itself = begin + tf.range(tf.shape(own_video)[0])
    similar = tf.where(itself[:, tf.newaxis] == numbers, -np.inf, similar)
    count = tf.shape(best[0])[-1]
    new, places = tf.math.top_k(similar, tf.minimum(count, tf.shape(video)[0]))
    merged = tf.concat([best[0], new], axis=-1)
    rows = tf.concat([best[1], tf.gather(numbers, places)], axis=-1)
    values, places = tf.math.top_k(merged, count)
    return values, tf.gather(rows, places, batch_dims=1)

"""What a media file decodes to."""

import numpy as np
from media import number_of

from brave_tf.data.media.media import MediaFile


def frames(file, start=0.0, end=None, fps=25.0, min_side=48):
    with MediaFile(str(file)) as media:
        return list(media.frames(start, end, fps, min_side))


def numbers(file, *args, **kwargs):
    return [number_of(frame) for frame in frames(file, *args, **kwargs)]


def samples(file, start=0.0, end=None, rate=48000, pad=False):
    with MediaFile(str(file)) as media:
        return media.samples(start, end, rate, pad)


def heard_at(heard, rate=48000):
    """Seconds of the clicks: the middles of what is loud."""
    loud = np.flatnonzero(np.abs(heard) > 0.25)
    return [each.mean() / rate for each in np.split(loud, np.flatnonzero(np.diff(loud) > 2000) + 1)]

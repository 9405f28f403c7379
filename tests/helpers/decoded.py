"""What a media file decodes to."""

from media import number_of

from brave_tf.data.preparation.media import MediaFile


def frames(file, start=0.0, end=None, fps=25.0, min_side=48):
    with MediaFile(str(file)) as media:
        return list(media.frames(start, end, fps, min_side))


def numbers(file, *args, **kwargs):
    return [number_of(frame) for frame in frames(file, *args, **kwargs)]


def samples(file, start=0.0, end=None, rate=48000, pad=False):
    with MediaFile(str(file)) as media:
        return media.samples(start, end, rate, pad)

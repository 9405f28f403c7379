"""Mono sound at a fixed rate from the time-stamped sound of a media file."""

from __future__ import annotations

import collections
import io
import itertools
import math
from collections.abc import Iterable

import av
import numpy as np

from brave_tf.data.media.decoding import MediaError, Piece

# Sound whose time is off by more seconds than this is moved to its time; less is rounding of the clock.
MAX_DRIFT = 0.01
# Seconds of silence in place of a gap: more is damage, or would fill disks with nothing.
MAX_GAP = 3600.0
# Full scale is 1: floating-point samples may be louder, but not by 40 dB.
_MAX_SAMPLE = 100.0
_MAX_LEAD = 1000
# Pieces that are asked whether sound has moved.
_FOLLOWING = 8
# Seconds of sound before the window that may reach into it when its rate is changed.
_RUN_UP = 0.1


def collect(
    pieces: Iterable[Piece], begin: float, length: int | None, sample_rate: int, pad: bool
) -> np.ndarray | None:
    """Returns the sound from `begin` on, all channels averaged.

    Args:
      pieces: Sound with its times in seconds.
      begin: Seconds on the clock of the pieces.
      length: Samples of the result; None is up to the end of the sound.
      sample_rate: Samples per second of the result.
      pad: Fill up to `length` with zeros.

    Returns:
      (N,) float32 in [-1, 1], zeros where the sound has gaps; None if it has nothing in the window.

    Raises:
      MediaError: Samples are no numbers, or a gap is longer than MAX_GAP.
    """
    track = _Track(length, MAX_GAP * sample_rate)
    resampler = None
    for piece, moved in _counted(pieces):
        if moved and resampler is not None:
            track.append(resampler.finish())
            resampler = None
        if resampler is None:
            if piece.time + piece.duration < begin - _RUN_UP:
                continue
            resampler = _Resampler(piece.frame.sample_rate, sample_rate, piece.time, begin)
            track.move_to(resampler.position)
        track.append(resampler(mono(piece.frame)))
        if track.full:
            break
    else:
        if resampler is not None:
            track.append(resampler.finish())
    return track.samples(pad)


def _counted(pieces):
    """Yields each piece and whether it begins a stretch; others begin where the piece before ends."""
    end = rate = None
    for piece, following in _with_following(pieces):
        same = end is not None and piece.frame.sample_rate == rate
        moved = not same or _is_elsewhere(piece, following, end)
        if not moved:
            piece = piece._replace(time=end)
        yield piece, moved
        rate = piece.frame.sample_rate
        end = piece.time + piece.frame.samples / rate


def _with_following(pieces):
    """Yields each piece and those after it, up to _FOLLOWING of them."""
    pieces = iter(pieces)
    ahead = collections.deque(itertools.islice(pieces, _FOLLOWING + 1))
    while ahead:
        piece = ahead.popleft()
        yield piece, ahead
        ahead.extend(itertools.islice(pieces, 1))


def _is_elsewhere(piece, following, end):
    """Whether a piece does not begin at the `end` of the one before.

    It does if one of those that follow is where it would be then: FFmpeg stamps a piece wrongly wherever
    Vorbis in Ogg changes the size of its blocks, and live recordings stamp pieces when they arrive.
    """
    for each in (piece, *following):
        if abs(each.time - end) <= MAX_DRIFT:
            return False
        end += each.duration
    return True


def mono(frame: av.AudioFrame) -> np.ndarray:
    """Returns the mean over the channels of a frame: (N,) float32, full scale is [-1, 1].

    Raises:
      MediaError: Floating-point samples are no numbers, or far beyond full scale.
    """
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype.kind == "f":
        _check_floats(samples)
    mixed = samples[0] if len(samples) == 1 else samples.mean(axis=0, dtype=np.float64)
    if samples.dtype.kind == "u":
        mixed = (mixed.astype(np.float64) - 128) / 128
    elif samples.dtype.kind == "i":
        mixed = mixed / -float(np.iinfo(samples.dtype).min)
    return mixed.astype(np.float32)


def _check_floats(samples):
    # The comparison is false for NaN.
    if np.all(np.abs(samples) <= _MAX_SAMPLE):
        return
    if not np.all(np.isfinite(samples)):
        raise MediaError("decode", "its sound has samples that are NaN or infinite: it is damaged")
    raise MediaError(
        "decode",
        f"its sound has samples of {np.max(np.abs(samples)):g}, where full scale is 1: it is damaged, or "
        "holds integers as floating-point numbers",
    )


def encode_flac(samples: np.ndarray, sample_rate: int) -> bytes:
    """Returns (N,) float32 samples in [-1, 1] as a FLAC file of 16-bit samples."""
    quantized = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=sample_rate, layout="mono", format="s16")
        frame = av.AudioFrame.from_ndarray(quantized[None], format="s16", layout="mono")
        frame.sample_rate = sample_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


class _Resampler:
    """Changes the rate of a contiguous stretch of mono sound.

    Zeros are put before it so that it starts on a sample of the result: it must make no difference from where
    on a file is decoded.

    Attributes:
      rate: Samples per second of the sound.
      position: The sample of the result, counted from `begin`, at which it starts.
    """

    def __init__(self, rate, sample_rate, time, begin):
        period = min(rate // math.gcd(rate, sample_rate), _MAX_LEAD)
        starts = (time - begin - np.arange(period) / rate) * sample_rate
        lead = int(np.argmin(np.abs(starts - np.rint(starts)).round(3)))
        self.rate = rate
        self.position = round(starts[lead])
        self._lead = np.zeros(lead, np.float32)
        self._change = None
        if rate != sample_rate:
            self._change = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)

    def __call__(self, samples):
        if self._change is None or not len(samples):
            return samples
        samples = np.concatenate([self._lead, samples])
        self._lead = self._lead[:0]
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = self.rate
        return self._resample(frame)

    def finish(self):
        return np.zeros(0, np.float32) if self._change is None else self._resample(None)

    def _resample(self, frame):
        parts = [part.to_ndarray()[0] for part in self._change.resample(frame)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


class _Track:
    """Samples from position 0 to `length`; what comes before or after is dropped."""

    def __init__(self, length, longest_gap):
        self._length, self._longest_gap = length, longest_gap
        self._parts = []
        self._filled = 0
        self._next = 0

    @property
    def full(self):
        return self._length is not None and self._filled >= self._length

    def move_to(self, position):
        self._next = position

    def append(self, samples):
        end = self._next + len(samples)
        samples = samples[max(0, self._filled - self._next) :]
        start = end - len(samples)
        self._next = end
        if not len(samples) or self.full:
            return
        if self._length is not None:
            start = min(start, self._length)
            samples = samples[: self._length - start]
        if start > self._filled:
            if start - self._filled > self._longest_gap:
                raise MediaError(
                    "decode",
                    f"its sound has a gap of more than {MAX_GAP:.0f} s, which is taken for damage. List "
                    "windows before and after in a CSV",
                )
            self._parts.append(np.zeros(start - self._filled, np.float32))
        self._parts.append(np.clip(samples, -1, 1))
        self._filled = start + len(samples)

    def samples(self, pad):
        if not self._parts:
            return None
        if pad and not self.full:
            self._parts.append(np.zeros(self._length - self._filled, np.float32))
        return np.concatenate(self._parts)

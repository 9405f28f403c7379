"""What a clip record holds, drawn in strips over the seconds of the clip."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Callable, NamedTuple

import cv2
import numpy as np
import tensorflow as tf
from matplotlib.ticker import MaxNLocator

from brave_tf.data.media.flow import dequantize
from brave_tf.pages import pictures
from brave_tf.pages.spectrogram import DECIBELS, decibels, mels, spectrogram

WIDTH, LEFT, RIGHT = 1000, 58, 10
PLOT = WIDTH - LEFT - RIGHT
_COLUMNS = 8
_PIXELS = 220
_TALLEST = 120
GAP = 10
_WAVE, _MEL = 56, 110
_FULL_SCALES = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
_TICK_SPACE = 13
_MEL_TICKS = (250, 500, 1000, 2000, 4000, 8000, 16_000)
_LINES, _LINE, _LETTERS = 6, 15, 150


@dataclasses.dataclass(frozen=True)
class Strip:
    """What is drawn over the seconds of a clip, which begins at x = LEFT and ends at LEFT + PLOT.

    Attributes:
      height: of the strip, pixels.
      images: x, width, URI and title of each, and whether it is stretched to its place.
      marks: text, y of its base line, and y of a tick, None for none; left of the strip.
      lines: y of each line across it.
      outline: corners of a waveform as SVG writes them.
      texts: text and y of the base line of each line of words.
    """

    height: float
    images: Sequence[Mapping[str, object]] = ()
    marks: Sequence[tuple[str, float, float | None]] = ()
    lines: Sequence[float] = ()
    outline: str = ""
    texts: Sequence[tuple[str, float]] = ()


class Strips(NamedTuple):
    """What is drawn of one modality of a clip.

    Attributes:
      drawn: strips, from above to below.
      said: what is said of it in words; empty for nothing.
    """

    drawn: Sequence[Strip]
    said: str = ""


def frames(jpegs: Sequence[bytes], seconds: float) -> Strips:
    """Draws frames, one JPEG each, of a clip of so many seconds."""
    return Strips([_strip("frames", jpegs, seconds, lambda images: images)])


def flow(jpegs: Sequence[bytes], bound: float, seconds: float) -> Strips:
    """Draws flow; full colour is the displacement that one in a hundred exceeds.

    Args:
      jpegs: one for each frame.
      bound: the displacement in pixels that 0 and 255 stand for.
      seconds: of the clip.
    """
    scale = 0.0

    def colours(images: list[np.ndarray | None]) -> list[np.ndarray | None]:
        nonlocal scale
        fields = [None if i is None else dequantize(i, bound) for i in images]
        lengths = [np.hypot(f[..., 0], f[..., 1]).ravel() for f in fields if f is not None]
        # Where little moves, the steps of the bytes that flow is kept in would be all that is seen.
        least = bound / 20
        scale = max(np.percentile(np.concatenate(lengths), 99) if lengths else 0, least)
        return [None if f is None else pictures.flow_colours(f, scale) for f in fields]

    strip = _strip("flow", jpegs, seconds, colours)
    return Strips([strip], f"flow: full colour at {scale:.2g} px per frame step")


def sound(samples: np.ndarray, rate: float, seconds: float) -> Strips:
    """Draws (samples,) float32, 1 or more, at `rate` Hz as a waveform and as a spectrogram."""
    peak = decibels(np.abs(samples).max())
    drawn = [_wave(samples, seconds, rate), _mel(samples, seconds, rate)]
    return Strips(drawn, f"sound {rate:,.0f} Hz, peak {peak:.1f} dBFS")


def words(name: str, lines: Sequence[str]) -> Strips:
    """Writes lines of text, the first six and of each what there is room for, under a name at the left."""
    shown = [
        line if len(line) <= _LETTERS else f"{line[: _LETTERS - 1]}…" for line in lines[:_LINES]
    ]
    texts = [(line, 12 + row * _LINE) for row, line in enumerate(shown)]
    height = max(1, len(shown)) * _LINE
    return Strips([Strip(height, marks=[(name, 12, None)], texts=texts)])


def ticks(seconds: float) -> list[tuple[float, float]]:
    """Returns x and second of each tick of the axis of time."""
    found = MaxNLocator(12, steps=[1, 2, 5, 10]).tick_values(0, seconds)
    shown = [float(second) for second in found if 0 <= second <= seconds * (1 + 1e-9)]
    return [(LEFT + second / seconds * PLOT, second) for second in shown]


def _strip(
    name: str, jpegs: Sequence[bytes], seconds: float, colours: Callable[[list], list]
) -> Strip:
    """Draws frames from the middles of equal parts of the clip, each as wide as its part."""
    part = PLOT / _COLUMNS
    chosen = [int((i + 0.5) * len(jpegs) / _COLUMNS) for i in range(_COLUMNS)]
    images = colours([_decoded(jpegs[index]) for index in chosen])
    shapes = [image.shape for image in images if image is not None]
    height = min(_TALLEST, max((part * shape[0] / shape[1] for shape in shapes), default=20))
    drawn = [
        {
            "x": LEFT + i * part + 1,
            "width": part - 2,
            "stretched": False,
            "uri": pictures.jpeg_uri(pictures.fit_width(image, _PIXELS)),
            "title": f"{name} {index} of {len(jpegs)}, {index / len(jpegs) * seconds:.2f} s",
        }
        for i, (index, image) in enumerate(zip(chosen, images))
        if image is not None
    ]
    return Strip(height, images=drawn, marks=[(name, height / 2 + 4, None)])


def _decoded(jpeg: bytes) -> np.ndarray | None:
    try:
        return tf.io.decode_jpeg(jpeg, channels=3).numpy()
    except tf.errors.InvalidArgumentError:
        return None


def _wave(sound: np.ndarray, seconds: float, rate: float) -> Strip:
    """Draws the lowest and highest sample of each column."""
    heard = len(sound) / rate / seconds * PLOT
    columns = np.array_split(sound, min(len(sound), max(1, round(heard / 2))))
    peak = np.abs(sound).max()
    full = next((scale for scale in _FULL_SCALES if peak > scale / 2.5), _FULL_SCALES[-1])
    middle, scale = _WAVE / 2, _WAVE / 2 / full
    xs = LEFT + np.linspace(0, heard, len(columns))
    tops = [middle - min(float(c.max()), full) * scale for c in columns]
    ends = [middle - max(float(c.min()), -full) * scale + 0.5 for c in columns]
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*zip(xs, tops), *zip(xs[::-1], ends[::-1])])
    marks = [(f"{full:g}", 8, None), (f"-{full:g}", _WAVE, None)]
    return Strip(_WAVE, marks=marks, lines=(0, middle, _WAVE), outline=outline)


def _mel(sound: np.ndarray, seconds: float, rate: float) -> Strip:
    """Draws the log-mel spectrogram, `DECIBELS` below the loudest value in black."""
    picture, lower, upper = spectrogram(sound, rate)
    image = cv2.resize(picture, (PLOT, _MEL), interpolation=cv2.INTER_AREA)
    drawn = {
        "x": LEFT,
        "width": len(sound) / rate / seconds * PLOT,
        "stretched": True,
        "uri": pictures.jpeg_uri(image, 80),
        "title": f"log-mel, {DECIBELS:g} dB below the loudest in black",
    }
    low, high = mels(lower), mels(upper)
    above, marks = _MEL + 1.0, []
    for hertz in _MEL_TICKS:
        y = _MEL * (1 - (mels(hertz) - low) / (high - low))
        if 4 < y < above:
            above = y - _TICK_SPACE
            shown = f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz} Hz"
            marks.append((shown, y + 4, y))
    return Strip(_MEL, images=[drawn], marks=marks)

"""What a clip record holds, drawn in strips over the seconds of the clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, NamedTuple

import cv2
import numpy as np
import tensorflow as tf

from brave_tf.data.media.flow import dequantize
from brave_tf.pages import pictures
from brave_tf.pages.spectrogram import DECIBELS, decibels, mels, spectrogram
from brave_tf.pages.svg import line, svg, text, ticks

WIDTH, LEFT, RIGHT = 1000, 58, 10
PLOT = WIDTH - LEFT - RIGHT
_COLUMNS = 8
_PIXELS = 220
_TALLEST = 120
_WAVE, _MEL, _GAP = 56, 110, 10
_FULL_SCALES = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
_TICK_SPACE = 13
_MEL_TICKS = (250, 500, 1000, 2000, 4000, 8000, 16_000)
_LINES, _LINE, _LETTERS = 6, 15, 150

# Its height, and SVG elements: the clip begins at x = LEFT and ends at LEFT + PLOT.
Strip = tuple[float, "list[str]"]


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
    parts = [text(LEFT - 8, 12, name, "end")]
    parts += [text(LEFT, 12 + row * _LINE, line, "start") for row, line in enumerate(shown)]
    return Strips([(max(1, len(shown)) * _LINE, parts)])


def stacked(drawn: Sequence[Strips], seconds: float) -> str:
    """Puts strips above each other, and one axis of time beneath; returns an SVG."""
    parts, y = [], 0.0
    for height, strip in (strip for strips in drawn for strip in strips.drawn):
        parts.append(f'<g transform="translate(0 {y:.1f})">{"".join(strip)}</g>')
        y += height + _GAP
    for second in ticks(0, seconds, 12):
        x = LEFT + second / seconds * PLOT
        parts += [line(x, y - _GAP, x, y - _GAP + 4, "axis"), text(x, y + 8, f"{second:g}")]
    parts.append(text(LEFT - 8, y + 8, "s", "end"))
    return svg(WIDTH, y + 14, parts, "frames, flow, waveform and spectrogram over time")


def _strip(
    name: str, jpegs: Sequence[bytes], seconds: float, colours: Callable[[list], list]
) -> Strip:
    """Draws frames from the middles of equal parts of the clip, each as wide as its part."""
    part = PLOT / _COLUMNS
    chosen = [int((i + 0.5) * len(jpegs) / _COLUMNS) for i in range(_COLUMNS)]
    images = colours([_decoded(jpegs[index]) for index in chosen])
    shapes = [image.shape for image in images if image is not None]
    height = min(_TALLEST, max((part * shape[0] / shape[1] for shape in shapes), default=20))
    parts = [text(LEFT - 8, height / 2 + 4, name, "end")]
    for i, (index, image) in enumerate(zip(chosen, images)):
        if image is None:
            continue
        parts.append(
            f'<image x="{LEFT + i * part + 1:.1f}" y="0" width="{part - 2:.1f}" height="{height:.1f}" '
            f'href="{pictures.jpeg_uri(pictures.fit_width(image, _PIXELS))}">'
            f"<title>{name} {index} of {len(jpegs)}, {index / len(jpegs) * seconds:.2f} s</title></image>"
        )
    return height, parts


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
    outline = [*zip(xs, tops), *zip(xs[::-1], ends[::-1])]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in outline)
    parts = [line(LEFT, y, WIDTH - RIGHT, y) for y in (0, middle, _WAVE)]
    parts += [text(LEFT - 8, 8, f"{full:g}", "end"), text(LEFT - 8, _WAVE, f"-{full:g}", "end")]
    return _WAVE, [*parts, f'<polygon points="{points}" class="s1"/>']


def _mel(sound: np.ndarray, seconds: float, rate: float) -> Strip:
    """Draws the log-mel spectrogram, `_DECIBELS` below the loudest value in black."""
    picture, lower, upper = spectrogram(sound, rate)
    image = cv2.resize(picture, (PLOT, _MEL), interpolation=cv2.INTER_AREA)
    heard = len(sound) / rate / seconds * PLOT
    parts = [
        f'<image x="{LEFT}" y="0" width="{heard:.1f}" height="{_MEL}" preserveAspectRatio="none" '
        f'href="{pictures.jpeg_uri(image, 80)}"><title>log-mel, {DECIBELS:g} dB below the loudest '
        "in black</title></image>"
    ]
    low, high = mels(lower), mels(upper)
    above = _MEL + 1.0
    for hertz in _MEL_TICKS:
        y = _MEL * (1 - (mels(hertz) - low) / (high - low))
        if 4 < y < above:
            above = y - _TICK_SPACE
            shown = f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz} Hz"
            parts += [text(LEFT - 8, y + 4, shown, "end"), line(LEFT - 5, y, LEFT, y, "axis")]
    return _MEL, parts

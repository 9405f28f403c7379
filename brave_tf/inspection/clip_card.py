"""One clip on a page: frames, flow and sound over the same seconds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import tensorflow as tf
from markupsafe import Markup
from matplotlib.ticker import MaxNLocator

from brave_tf.data.media.flow import dequantize
from brave_tf.inspection.clip_check import ClipFacts, check_clip
from brave_tf.inspection.stored_clip import StoredClip
from brave_tf.pages import document, pictures
from brave_tf.pages.spectrogram import DECIBELS, decibels, mels, spectrogram

_WIDTH, _LEFT, _RIGHT = 1000, 58, 10
_PLOT = _WIDTH - _LEFT - _RIGHT
_COLUMNS = 8
_PIXELS = 220
_TALLEST = 120
_WAVE, _MEL, _GAP = 56, 110, 10
_FULL_SCALES = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
_TICK_SPACE = 13
_MEL_TICKS = (250, 500, 1000, 2000, 4000, 8000, 16_000)


@dataclasses.dataclass(frozen=True)
class _Strip:
    """What is drawn over the seconds of a clip, in pixels of the card.

    Attributes:
      height: of the strip.
      images: x, width, URI and title of each, and whether it is stretched to its place.
      marks: text, y of its base line, and y of a tick, None for none; left of the strip.
      lines: y of each line across it.
      outline: corners of the waveform as SVG writes them.
    """

    height: float
    images: Sequence[Mapping[str, object]] = ()
    marks: Sequence[tuple[str, float, float | None]] = ()
    lines: Sequence[float] = ()
    outline: str = ""


def clip_card(clip: StoredClip, where: str, split: str, labels: str) -> Markup:
    """Draws a clip as an HTML section; what does not decode is left out.

    Args:
      clip: the clip.
      where: its place in the records.
      split: that it belongs to.
      labels: texts of its labels.
    """
    facts = check_clip(clip, ())
    try:
        sound = clip.sound()
    except tf.errors.InvalidArgumentError:
        sound = clip.pcm
    seconds = max(facts.seconds, 1e-3)
    sound = np.nan_to_num(sound[: round(seconds * clip.sample_rate)])
    said = [f"{facts.seconds:.2f} s", *_frame_facts(clip, facts)]
    strips = []
    if clip.images:
        strips.append(_frames("frames", clip.images, seconds, lambda images: images))
    if clip.flow:
        strip, scale = _flow(clip, seconds)
        strips.append(strip)
        said.append(f"flow: full colour at {scale:.2g} px per frame step")
    if len(sound):
        strips += [_wave(sound, seconds, clip.sample_rate), _mel(sound, seconds, clip.sample_rate)]
        said.append(
            f"sound {clip.sample_rate:,.0f} Hz, peak {decibels(np.abs(sound).max()):.1f} dBFS"
        )
    marks = [m for m, held in (("silent", facts.silent), ("still", facts.still)) if held]
    marks += sorted({issue.kind.replace("_", " ") for issue in facts.issues})
    return document.render(
        "clip_card.html",
        labels=labels or "unlabelled",
        place=f"{split}, {where}",
        said=", ".join(said),
        marks=marks,
        width=_WIDTH,
        left=_LEFT,
        right=_WIDTH - _RIGHT,
        gap=_GAP,
        strips=strips,
        seconds=[(_LEFT + second / seconds * _PLOT, second) for second in _ticks(seconds)],
    )


def _ticks(seconds: float) -> list[float]:
    ticks = MaxNLocator(12, steps=[1, 2, 5, 10]).tick_values(0, seconds)
    return [float(second) for second in ticks if 0 <= second <= seconds * (1 + 1e-9)]


def _frame_facts(clip: StoredClip, facts: ClipFacts) -> list[str]:
    if not clip.num_frames:
        return []
    size = "{}x{}".format(*facts.frame_size) if facts.frame_size else "unknown size"
    return [
        f"{clip.num_frames} frames of {size} (height x width) at {clip.frame_rate:g} per second"
    ]


def _frames(name: str, jpegs: Sequence[bytes], seconds: float, colours) -> _Strip:
    """Draws frames from the middles of equal parts of the clip, each as wide as its part."""
    part = _PLOT / _COLUMNS
    chosen = [int((i + 0.5) * len(jpegs) / _COLUMNS) for i in range(_COLUMNS)]
    images = colours([_decoded(jpegs[index]) for index in chosen])
    shapes = [image.shape for image in images if image is not None]
    height = min(_TALLEST, max((part * shape[0] / shape[1] for shape in shapes), default=20))
    drawn = [
        {
            "x": _LEFT + i * part + 1,
            "width": part - 2,
            "stretched": False,
            "uri": pictures.jpeg_uri(pictures.fit_width(image, _PIXELS)),
            "title": f"{name} {index} of {len(jpegs)}, {index / len(jpegs) * seconds:.2f} s",
        }
        for i, (index, image) in enumerate(zip(chosen, images))
        if image is not None
    ]
    return _Strip(height, images=drawn, marks=[(name, height / 2 + 4, None)])


def _flow(clip: StoredClip, seconds: float) -> tuple[_Strip, float]:
    """Draws flow; returns the strip, and the displacement in pixels that has full colour."""
    scale = 0.0

    def colours(images: list[np.ndarray | None]) -> list[np.ndarray | None]:
        nonlocal scale
        fields = [None if i is None else dequantize(i, clip.flow_bound) for i in images]
        lengths = [np.hypot(f[..., 0], f[..., 1]).ravel() for f in fields if f is not None]
        # Where little moves, the steps of the bytes that flow is kept in would be all that is seen.
        least = clip.flow_bound / 20
        scale = max(np.percentile(np.concatenate(lengths), 99) if lengths else 0, least)
        return [None if f is None else pictures.flow_colours(f, scale) for f in fields]

    return _frames("flow", clip.flow, seconds, colours), scale


def _decoded(jpeg: bytes) -> np.ndarray | None:
    try:
        return tf.io.decode_jpeg(jpeg, channels=3).numpy()
    except tf.errors.InvalidArgumentError:
        return None


def _wave(sound: np.ndarray, seconds: float, rate: float) -> _Strip:
    """Draws the lowest and highest sample of each column."""
    heard = len(sound) / rate / seconds * _PLOT
    columns = np.array_split(sound, min(len(sound), max(1, round(heard / 2))))
    peak = np.abs(sound).max()
    full = next((scale for scale in _FULL_SCALES if peak > scale / 2.5), _FULL_SCALES[-1])
    middle, scale = _WAVE / 2, _WAVE / 2 / full
    xs = _LEFT + np.linspace(0, heard, len(columns))
    tops = [middle - min(float(c.max()), full) * scale for c in columns]
    ends = [middle - max(float(c.min()), -full) * scale + 0.5 for c in columns]
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in [*zip(xs, tops), *zip(xs[::-1], ends[::-1])])
    marks = [(f"{full:g}", 8, None), (f"-{full:g}", _WAVE, None)]
    return _Strip(_WAVE, marks=marks, lines=(0, middle, _WAVE), outline=outline)


def _mel(sound: np.ndarray, seconds: float, rate: float) -> _Strip:
    """Draws the log-mel spectrogram, `DECIBELS` below the loudest value in black."""
    picture, lower, upper = spectrogram(sound, rate)
    image = cv2.resize(picture, (_PLOT, _MEL), interpolation=cv2.INTER_AREA)
    drawn = {
        "x": _LEFT,
        "width": len(sound) / rate / seconds * _PLOT,
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
    return _Strip(_MEL, images=[drawn], marks=marks)

"""What views cut from clips as pictures: frames and flow as film strips, sound as spectrograms."""

from __future__ import annotations

import numpy as np

from brave_tf.pages import pictures

_FRAMES = 8
_FRAME_WIDTH = 112
_GAP = 4
_SPECTROGRAM_WIDTH = 768
_LARGE_PERCENTILE = 99


def frames(values: np.ndarray) -> np.ndarray:
    """Draws (T, H, W, 3) float in [0, 1]: evenly spaced frames side by side, (h, w, 3) uint8 RGB."""
    return _side_by_side(np.rint(np.clip(_chosen(values), 0, 1) * 255).astype(np.uint8))


def flow(values: np.ndarray) -> np.ndarray:
    """Draws (T, H, W, 2) float like frames, full colour at the length that one in a hundred exceeds."""
    chosen = _chosen(values)
    lengths = np.hypot(chosen[..., 0], chosen[..., 1])
    scale = max(np.percentile(lengths, _LARGE_PERCENTILE), 1e-3)
    return _side_by_side(pictures.flow_colours(chosen, scale))


def spectrogram(values: np.ndarray) -> np.ndarray:
    """Draws (frames, bins) float, time to the right and frequency upwards, the lowest value black."""
    span = max(float(np.ptp(values)), 1e-6)
    return pictures.fit_width(
        pictures.heat((values.T[::-1] - values.min()) / span), _SPECTROGRAM_WIDTH
    )


def _chosen(values: np.ndarray) -> np.ndarray:
    return values[np.linspace(0, len(values) - 1, min(_FRAMES, len(values))).round().astype(int)]


def _side_by_side(frames: np.ndarray) -> np.ndarray:
    frames = np.stack([pictures.fit_width(frame, _FRAME_WIDTH) for frame in frames])
    apart = np.pad(frames, ((0, 0), (0, 0), (0, _GAP), (0, 0)), constant_values=255)
    return np.concatenate(list(apart), axis=1)[:, :-_GAP]

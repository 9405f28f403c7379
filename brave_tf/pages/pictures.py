"""Pictures for a page: flow as colours, spectrograms, and their data URIs."""

from __future__ import annotations

import base64

import cv2
import numpy as np

# Baker et al., "A Database and Evaluation Methodology for Optical Flow" (ICCV 2007), the colour code of the
# Middlebury benchmark: how many of the 55 hues lie between red, yellow, green, cyan, blue, magenta and red.
_HUES = (15, 6, 4, 11, 13, 6)
_CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1), (1, 0, 0))
_BEYOND = 0.75


def flow_colours(flow: np.ndarray, scale: float) -> np.ndarray:
    """Returns flow in the colours of the Middlebury benchmark.

    Args:
      flow: (..., 2) float, u rightwards and v downwards.
      scale: the displacement that has full colour, in the units of `flow`; none is white, and a larger one
        is darkened.

    Returns:
      (..., 3) uint8 RGB.
    """
    u, v = flow[..., 0] / scale, flow[..., 1] / scale
    radius = np.hypot(u, v)
    # Leftwards is the middle of the wheel, and its first hue, red, is rightwards.
    hue = (np.arctan2(-v, -u) / np.pi + 1) / 2 * (sum(_HUES) - 1)
    wheel = _wheel()
    low = np.floor(hue).astype(int)
    share = (hue - low)[..., None]
    colour = (1 - share) * wheel[low] + share * wheel[(low + 1) % len(wheel)]
    inside = 1 - np.minimum(radius, 1)[..., None] * (1 - colour)
    colour = np.where(radius[..., None] <= 1, inside, _BEYOND * colour)
    return np.rint(colour * 255).astype(np.uint8)


def flow_wheel(size: int) -> np.ndarray:
    """Returns the colours of all displacements up to full colour, (size, size, 4) uint8 RGBA."""
    axis = (np.arange(size) + 0.5) * (2 / size) - 1
    displacement = np.stack(np.meshgrid(axis, axis), axis=-1)
    inside = np.hypot(*np.moveaxis(displacement, -1, 0)) <= 1
    opaque = np.where(inside, 255, 0).astype(np.uint8)[..., None]
    return np.concatenate([flow_colours(displacement, 1.0), opaque], axis=-1)


def heat(values: np.ndarray) -> np.ndarray:
    """Returns (H, W) floats in [0, 1] as (H, W, 3) uint8 RGB from black over red to pale yellow."""
    grey = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)[..., ::-1]


def fit_width(image: np.ndarray, width: int) -> np.ndarray:
    """Returns a (H, W, C) uint8 picture no wider than `width`, in its proportions."""
    if image.shape[1] <= width:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def jpeg_uri(image: np.ndarray, quality: int = 75) -> str:
    """Returns a (H, W, 3) uint8 RGB picture as a data URI."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return _uri("jpeg", cv2.imencode(".jpg", image[..., ::-1], options)[1])


def png_uri(image: np.ndarray) -> str:
    """Returns a (H, W, 4) uint8 RGBA picture as a data URI."""
    return _uri("png", cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGBA2BGRA))[1])


def _uri(kind: str, encoded: np.ndarray) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"


def _wheel() -> np.ndarray:
    """Returns the hues of the wheel, (55, 3) float in [0, 1]."""
    corners = np.array(_CORNERS, float)
    steps = [
        corners[i] + (corners[i + 1] - corners[i]) * np.arange(count)[:, None] / count
        for i, count in enumerate(_HUES)
    ]
    return np.concatenate(steps)

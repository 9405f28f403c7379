"""Optical flow between neighbouring frames, and how it is stored in a JPEG.

The defaults follow the toolboxes of the field (dense_flow, denseflow, the two-stream networks): TV-L1
(Zach, Pock, Bischof, "A Duality Based Approach for Realtime TV-L1 Optical Flow", DAGM 2007) with OpenCV's
parameters, displacements clipped to +-20 pixels and mapped linearly to a byte. DIS (Kroeger et al., "Fast
Optical Flow using Dense Inverse Search", ECCV 2016) is about a hundred times as fast and less smooth.
"""

from __future__ import annotations

from typing import Callable

import cv2
import numpy as np

METHODS = ("tvl1", "dis")


def estimator(method: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Returns a function (previous, next) -> (H, W, 2) float32 flow of (H, W) uint8 grey frames.

    The flow is in pixels per frame step, (u, v) = (rightwards, downwards): the point at (x, y) of the
    previous frame is at (x + u, y + v) of the next.
    """
    if method == "tvl1":
        algorithm = cv2.optflow.DualTVL1OpticalFlow_create()
    elif method == "dis":
        algorithm = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    else:
        raise ValueError(f"unknown flow method {method!r}: expected one of {METHODS}")
    return lambda previous, following: algorithm.calc(previous, following, None)


def quantize(flow: np.ndarray, bound: float) -> np.ndarray:
    """Returns flow as an image: `round((clip(flow, -bound, bound) + bound) * 255 / (2 * bound))`.

    Args:
      flow: (H, W, 2) float, pixels per frame step.
      bound: Pixels; larger displacements are clipped.

    Returns:
      (H, W, 3) uint8 RGB: u in red, v in green, 128 (no motion) in blue. Within the bound it is off by at
      most half a step, bound / 255 pixels.
    """
    image = np.full((*flow.shape[:2], 3), 128, np.uint8)
    scaled = (flow + bound) * (255 / (2 * bound))
    image[..., :2] = np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled)
    return image


def dequantize(image: np.ndarray, bound: float) -> np.ndarray:
    """Returns the (H, W, 2) float32 flow in pixels that `quantize` stored in an (H, W, 3) uint8 RGB image."""
    return image[..., :2].astype(np.float32) * (2 * bound / 255) - bound

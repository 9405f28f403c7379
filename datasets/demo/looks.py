"""How a thing looks: a silhouette filled with a two-tone surface pattern, drawn from implicit functions.

Coordinates are the thing's own: (u, v) with the unit disc's area, pi, for every silhouette, so that the
covered area tells nothing about the class. Every pattern covers about half of that area with either tone.
"""

from __future__ import annotations

import math
from typing import Callable

import numpy as np

Field = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _disc(u, v):
    return np.hypot(u, v) - 1


def _ring(u, v):
    return np.abs(np.hypot(u, v) - 0.9) - 0.35


def _square(u, v):
    return np.maximum(np.abs(u), np.abs(v)) - 1


def _triangle(u, v):
    slanted = 0.5 * v + math.sqrt(0.75) * np.abs(u)
    return np.maximum(slanted, -v) - 0.75


def _star(u, v):
    wave = np.abs((np.arctan2(v, u) * 5 / (2 * math.pi)) % 1 * 2 - 1)
    return np.hypot(u, v) - (0.5 + 0.8 * wave)


def _cross(u, v):
    across = np.maximum(np.abs(u) - 1.2, np.abs(v) - 0.4)
    return np.minimum(across, np.maximum(np.abs(v) - 1.2, np.abs(u) - 0.4))


def _bar(u, v):
    return np.maximum(np.abs(u) - 1.6, np.abs(v) - 0.5)


def _crescent(u, v):
    return np.maximum(np.hypot(u + 0.25, v) - 1.25, 0.85 - np.hypot(u - 0.6, v))


def _stripes(u, v):
    return np.sin(2 * math.pi * v / 0.7)


def _checks(u, v):
    return 2 * np.sin(math.pi * u / 0.62) * np.sin(math.pi * v / 0.62)


def _spots(u, v):
    return np.cos(2 * math.pi * u / 0.8) + np.cos(2 * math.pi * v / 0.8)


def _hoops(u, v):
    return np.sin(2 * math.pi * np.hypot(u, v) / 0.6)


def _spokes(u, v):
    return np.sin(4 * np.arctan2(v, u))


def _halves(u, v):
    return 3 * v


def _waves(u, v):
    return np.sin(2 * math.pi * (v + 0.25 * np.sin(2 * math.pi * u / 0.9)) / 0.8)


def _core(u, v):
    return 3 * (np.hypot(u, v) - 0.68)


def _with_area_of_disc(field: Field) -> Field:
    """Returns `field` scaled so that the region field <= 0 has area pi."""
    grid = np.linspace(-2.5, 2.5, 501)
    area = np.mean(field(*np.meshgrid(grid, grid)) <= 0) * 25
    scale = math.sqrt(area / math.pi)
    return lambda u, v: field(u * scale, v * scale) / scale


SILHOUETTES: dict[str, Field] = {
    name: _with_area_of_disc(field)
    for name, field in {
        "disc": _disc,
        "ring": _ring,
        "square": _square,
        "triangle": _triangle,
        "star": _star,
        "cross": _cross,
        "bar": _bar,
        "crescent": _crescent,
    }.items()
}

PATTERNS: dict[str, Field] = {
    "stripes": _stripes,
    "checks": _checks,
    "spots": _spots,
    "hoops": _hoops,
    "spokes": _spokes,
    "halves": _halves,
    "waves": _waves,
    "core": _core,
}

# Saturated colours (RGB) that differ in hue; any three of them may meet in a clip.
PALETTE = np.array(
    [
        (225, 60, 50),
        (245, 200, 50),
        (70, 180, 70),
        (60, 190, 210),
        (60, 80, 215),
        (190, 70, 190),
        (235, 235, 235),
        (45, 45, 50),
    ],
    np.float32,
)


def draw(
    silhouette: str,
    pattern: str,
    poses: dict[str, np.ndarray],
    colours: np.ndarray,
    background: np.ndarray,
) -> np.ndarray:
    """Draws a thing in each of its poses.

    Args:
      silhouette: a key of `SILHOUETTES`.
      pattern: a key of `PATTERNS`.
      poses: arrays (T,): `x`, `y` (centre, pixels), `angle` (radians), `width`, `height` (radii, pixels).
      colours: (2, 3) the two tones, 0 to 255.
      background: (H, W, 3) float, 0 to 255.

    Returns:
      Frames (T, H, W, 3) uint8.
    """
    height, width = background.shape[:2]
    pose = {name: values.astype(np.float32)[:, None, None] for name, values in poses.items()}
    x = np.arange(width, dtype=np.float32)[None, None, :] - pose["x"]
    y = np.arange(height, dtype=np.float32)[None, :, None] - pose["y"]
    cos, sin = np.cos(pose["angle"]), np.sin(pose["angle"])
    u = (cos * x + sin * y) / pose["width"]
    v = (cos * y - sin * x) / pose["height"]
    radius = np.minimum(pose["width"], pose["height"])
    inside = np.clip(0.5 - SILHOUETTES[silhouette](u, v) * radius, 0, 1)[..., None]
    tone = np.clip(0.5 + 1.2 * PATTERNS[pattern](u, v), 0, 1)[..., None]
    surface = colours[0] + tone * (colours[1] - colours[0])
    frames = background + inside * (surface - background)
    return np.clip(np.rint(frames), 0, 255).astype(np.uint8)  # T, H, W, 3


def backdrop(rng: np.random.Generator, size: int, colour: np.ndarray) -> np.ndarray:
    """Returns a mild backdrop (size, size, 3): a shade of `colour` with a faint gradient and grain."""
    direction, slope = rng.uniform(0, 2 * math.pi), rng.uniform(-25, 25)
    ramp = np.linspace(-1, 1, size)
    shade = slope * (math.cos(direction) * ramp[None, :] + math.sin(direction) * ramp[:, None])
    grain = rng.normal(0, rng.uniform(0, 4), (size, size))
    return (colour + (shade + grain)[..., None]).astype(np.float32)

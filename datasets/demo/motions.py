"""How a thing moves: offsets of position, angle and size as functions of the phase of its cycle."""

from __future__ import annotations

import math
from typing import Callable

import numpy as np

# A motion maps the phase (T,), in cycles, to a dict with any of: `along` and `across` (offsets along and
# across the axis of the motion, in amplitudes), `turn` (radians), `stretch_x`, `stretch_y` (factors).
Motion = Callable[[np.ndarray], dict]


def _spin(phase):
    return {"turn": math.pi * phase}


def _rock(phase):
    return {"turn": 0.7 * np.sin(2 * math.pi * phase)}


def _sway(phase):
    return {"along": np.sin(2 * math.pi * phase)}


def _orbit(phase):
    return {"along": np.cos(2 * math.pi * phase), "across": np.sin(2 * math.pi * phase)}


def _pulse(phase):
    size = np.exp(0.3 * np.sin(2 * math.pi * phase))
    return {"stretch_x": size, "stretch_y": size}


def _hop(phase):
    return {"along": 1.6 * np.abs(np.sin(math.pi * phase)) - 1}


def _eight(phase):
    return {"along": np.sin(2 * math.pi * phase), "across": 0.7 * np.sin(4 * math.pi * phase)}


def _squash(phase):
    factor = np.exp(0.3 * np.sin(2 * math.pi * phase))
    return {"stretch_x": factor, "stretch_y": 1 / factor}


MOTIONS: dict[str, Motion] = {
    "spin": _spin,
    "rock": _rock,
    "sway": _sway,
    "orbit": _orbit,
    "pulse": _pulse,
    "hop": _hop,
    "eight": _eight,
    "squash": _squash,
}


def _drift(phase: np.ndarray, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns a slow straight drift in x and y (T,), pixels, that every motion may be carried along by."""
    course, way = rng.uniform(0, 2 * math.pi), size * rng.uniform(0, 0.3)
    progress = np.linspace(-0.5, 0.5, len(phase))
    return way * math.cos(course) * progress, way * math.sin(course) * progress


def poses(
    motion: str, phase: np.ndarray, rng: np.random.Generator, size: int
) -> dict[str, np.ndarray]:
    """Places a thing in a frame of `size` pixels and moves it.

    Args:
      motion: a key of `MOTIONS`.
      phase: (T,) phase of the motion at each frame, in cycles.
      rng: source of the free choices: where, how large, which way up, along which axis, how far.
      size: height and width of the frame in pixels.

    Returns:
      The poses that `looks.draw` takes: arrays (T,) `x`, `y`, `angle`, `width`, `height`.
    """
    change = MOTIONS[motion](phase)
    still, one = np.zeros_like(phase), np.ones_like(phase)
    radius = size * rng.uniform(0.22, 0.32)
    centre = size / 2 + size * rng.uniform(-0.1, 0.1, 2)
    drift = _drift(phase, rng, size)
    amplitude = size * rng.uniform(0.06, 0.14)
    axis = rng.uniform(0, 2 * math.pi)
    mirrored = rng.choice([-1, 1])
    along = amplitude * change.get("along", still)
    across = mirrored * amplitude * change.get("across", still)
    return {
        "x": centre[0] + drift[0] + math.cos(axis) * along - math.sin(axis) * across,
        "y": centre[1] + drift[1] + math.sin(axis) * along + math.cos(axis) * across,
        "angle": rng.uniform(0, 2 * math.pi) + mirrored * change.get("turn", still),
        "width": radius * change.get("stretch_x", one),
        "height": radius * change.get("stretch_y", one),
    }

"""How a thing sounds: a timbre, struck once in each cycle of its motion."""

from __future__ import annotations

import math
from typing import Callable

import numpy as np

# A timbre maps (pitch in Hz, seconds since the last strike (N,), seconds (N,), generator, samples per
# second) to a tone (N,) of any loudness.
Timbre = Callable[[float, np.ndarray, np.ndarray, np.random.Generator, int], np.ndarray]


def _partials(
    pitch: float, seconds: np.ndarray, rng: np.random.Generator, weights: dict[float, float]
) -> np.ndarray:
    """Returns a sum of sines of random phase: `weights` maps a multiple of the pitch to its amplitude."""
    radians = 2 * math.pi * pitch * seconds
    phases = rng.uniform(0, 2 * math.pi, len(weights))
    return sum(
        weight * np.sin(multiple * radians + phase)
        for (multiple, weight), phase in zip(weights.items(), phases)
    )


def _whistle(pitch, since, seconds, rng, rate):
    return _partials(2 * pitch, seconds, rng, {1: 1.0})


def _saw(pitch, since, seconds, rng, rate):
    return _partials(pitch, seconds, rng, {n: 1 / n for n in range(1, 15)})


def _reed(pitch, since, seconds, rng, rate):
    return _partials(pitch, seconds, rng, {n: 1 / n**0.5 for n in range(1, 16, 2)})


def _bell(pitch, since, seconds, rng, rate):
    return _partials(pitch, seconds, rng, {1: 0.6, 2.76: 1.0, 5.4: 0.8, 8.93: 0.6})


def _hiss(pitch, since, seconds, rng, rate):
    spectrum = np.fft.rfft(rng.normal(size=len(seconds)))
    octaves = np.log2(np.fft.rfftfreq(len(seconds), 1 / rate).clip(1) / (8 * pitch))
    return np.fft.irfft(spectrum * np.exp(-((octaves / 0.6) ** 2)), len(seconds))


def _chirp(pitch, since, seconds, rng, rate):
    octaves = 5.0  # per second
    cycles = pitch * (2.0 ** (octaves * since.clip(max=0.6)) - 1) / (octaves * math.log(2))
    return np.sin(2 * math.pi * cycles)


def _buzz(pitch, since, seconds, rng, rate):
    gate = 1 + np.sin(2 * math.pi * rng.uniform(24, 32) * seconds)
    return gate * _partials(pitch, seconds, rng, dict.fromkeys(range(3, 12), 1.0))


def _organ(pitch, since, seconds, rng, rate):
    return _partials(pitch, seconds, rng, {1: 1.0, 1.5: 0.8, 2: 0.8, 3: 0.5, 4: 0.5})


TIMBRES: dict[str, Timbre] = {
    "whistle": _whistle,
    "saw": _saw,
    "reed": _reed,
    "bell": _bell,
    "hiss": _hiss,
    "chirp": _chirp,
    "buzz": _buzz,
    "organ": _organ,
}


def sound(
    timbre: str, phase: np.ndarray, cycles_per_second: float, rng: np.random.Generator, rate: int
) -> np.ndarray:
    """Plays a thing: a strike where `phase` passes a whole number, dying away until the next.

    Args:
      timbre: a key of `TIMBRES`.
      phase: (N,) phase of the thing's motion at each sample, in cycles.
      cycles_per_second: speed of the motion.
      rng: source of the free choices: pitch, decay, loudness, noise.
      rate: samples per second.

    Returns:
      (N,) float32 samples in [-1, 1].
    """
    seconds = np.arange(len(phase)) / rate
    since = (phase % 1) / cycles_per_second
    pitch = 200 * 2 ** rng.uniform(0, 1)
    decay = rng.uniform(0.25, 0.6)
    envelope = np.minimum(since / 0.01, 1) * np.exp(-since / decay)
    tone = TIMBRES[timbre](pitch, since, seconds, rng, rate) * envelope
    tone /= np.sqrt(np.mean(tone**2)) + 1e-9
    noise = rng.normal(size=len(phase)) * 10 ** rng.uniform(-2, -1)
    loudness = 0.12 * 10 ** rng.uniform(-0.7, 0)
    fade = np.minimum(
        1, np.minimum(np.arange(len(phase)), np.arange(len(phase))[::-1]) / (0.01 * rate)
    )
    return np.clip(loudness * fade * (tone + noise), -1, 1).astype(np.float32)

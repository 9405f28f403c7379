"""The settings of a preparation: what decides the bytes of its records."""

from __future__ import annotations

import dataclasses
import math

from brave_tf import moved
from brave_tf.errors import UserError, did_you_mean

FLOWS = ("tvl1", "dis", "none")
AUDIOS = ("float", "flac", "none")
# Pixels of the short side of frames, at most.
HIGHEST_SIDE = 4096


@dataclasses.dataclass(frozen=True)
class PreparationSettings:
    """How clips are turned into records, and records into shards.

    Attributes:
      fps: Frames per second of the records.
      min_side: Pixels of the short side of the frames.
      flow: Optical flow between frames: tvl1, dis or none.
      flow_bound: Pixels per frame step at which flow is clipped.
      audio: Sound as 32-bit floats (float), as 16-bit FLAC (flac), or none.
      sample_rate: Samples of sound per second.
      jpeg_quality: Quality of the frames, 1 to 100.
      num_shards: Shards per split; 0 chooses them so that one holds up to 256 clips.
      seed: Seed of the order of the clips.

    Raises:
      UserError: A value is out of range.
    """

    fps: float = 25.0
    min_side: int = 256
    flow: str = "tvl1"
    flow_bound: float = 20.0
    audio: str = "float"
    sample_rate: int = 48000
    jpeg_quality: int = 95
    num_shards: int = 0
    seed: int = 0

    def __post_init__(self):
        _check_choice("flow", self.flow, FLOWS)
        _check_choice("audio", self.audio, AUDIOS)
        _check_range("fps", self.fps, 0.1, 1000)
        _check_range("min_side", self.min_side, 16, HIGHEST_SIDE)
        _check_range("flow_bound", self.flow_bound, 0.1, 1000)
        _check_range("sample_rate", self.sample_rate, 1000, 384000)
        _check_range("jpeg_quality", self.jpeg_quality, 1, 100)
        _check_range("num_shards", self.num_shards, 0, 99999)


def _check_choice(name, value, choices):
    if value not in choices:
        expected = ", ".join(choices)
        raise UserError(
            f"--{name}={value}: expected one of {expected}.{did_you_mean(value, choices)}"
        )


def _check_range(name, value, low, high):
    if not (math.isfinite(value) and low <= value <= high):
        raise UserError(f"--{name}={value}: expected a number from {low} to {high}.")


__getattr__ = moved.attributes(__name__, [__name__])

"""Repeated measurements of time, of several things in turn: a machine that drifts treats them alike."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from typing import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Times:
    """Repeated measurements of one thing, in the order in which they were made.

    Attributes:
      wall: seconds each took.
      cpu: seconds that the threads of this process, and child processes that ended, computed meanwhile.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    def rate(self, count: float) -> dict[str, float]:
        """Returns what `count` things took.

        Returns:
          'per_s': things per second of wall time, the median; 'spread': of it, see `spread`; 'cpu_ms_each':
          CPU milliseconds per thing, the median.
        """
        rates = count / np.asarray(self.wall)
        return {
            "per_s": median(rates),
            "spread": spread(rates),
            "cpu_ms_each": 1000 * median(self.cpu) / count,
        }


def median(values: Sequence[float]) -> float:
    """Returns the median of `values`."""
    return float(np.median(values))


def spread(values: Sequence[float]) -> float:
    """Returns the median absolute deviation of `values` from their median."""
    return float(np.median(np.abs(np.asarray(values) - np.median(values))))


def ratios(of: Times, to: Times) -> np.ndarray:
    """Returns the ratios of the wall times of measurements that were made side by side."""
    return np.asarray(of.wall) / np.asarray(to.wall)


def cpu_seconds() -> float:
    """Returns the CPU seconds, user and system, of this process and of its ended children."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def measure(
    functions: Mapping[str, Callable[[], Callable[[], None]]], repeats: int
) -> dict[str, Times]:
    """Measures each of `functions` once, then each again, and so on.

    Args:
      functions: name -> a function that sets up, untimed, and returns what is timed.
      repeats: how often.

    Returns:
      name -> its times.
    """
    wall = {name: [] for name in functions}
    cpu = {name: [] for name in functions}
    for _ in range(repeats):
        for name, set_up in functions.items():
            run = set_up()
            wall_start, cpu_start = time.perf_counter(), cpu_seconds()
            run()
            wall[name].append(time.perf_counter() - wall_start)
            cpu[name].append(cpu_seconds() - cpu_start)
            del run  # With the threads that it may have.
    return {name: Times(tuple(wall[name]), tuple(cpu[name])) for name in functions}

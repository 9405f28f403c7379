import subprocess
import sys
import time

import numpy as np
import pytest

from bench import timing


def test_things_are_measured_in_turn_and_without_their_set_up():
    events = []

    def named(name, seconds):
        def set_up():
            events.append(f"set up {name}")
            time.sleep(0.02)
            return lambda: (events.append(name), time.sleep(seconds))

        return set_up

    times = timing.measure({"a": named("a", 0.0), "b": named("b", 0.01)}, repeats=2)
    assert events == ["set up a", "a", "set up b", "b"] * 2
    assert min(times["b"].wall) >= 0.01


def test_computing_takes_cpu_seconds():
    def set_up():
        return lambda: sum(range(3_000_000))

    times = timing.measure({"sum": set_up}, repeats=1)["sum"]
    assert times.cpu[0] > 0 and times.wall[0] > 0


def test_rates_are_medians():
    times = timing.Times(wall=(1.0, 2.0, 4.0), cpu=(0.5, 1.0, 3.0))
    assert times.rate(8) == {"per_s": 4.0, "spread": 2.0, "cpu_ms_each": 125.0}


def test_ratios_are_of_measurements_of_the_same_turn():
    of, to = timing.Times((1.0, 4.0), (0, 0)), timing.Times((2.0, 2.0), (0, 0))
    np.testing.assert_array_equal(timing.ratios(of, to), [0.5, 2.0])


def test_spread_is_the_median_absolute_deviation():
    assert timing.spread([1.0, 2.0, 3.0, 100.0, 2.5]) == pytest.approx(0.5)


GROWTH = """
import numpy as np
from bench import memory
before = memory.resident_mb()
held = np.ones(2**28, np.uint8)
print(memory.resident_mb() - before, memory.peak_mb() - before)
"""


def test_memory_is_seen_to_grow():
    # In a process of its own, in which nothing else takes or returns memory.
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], capture_output=True, text=True, check=True
    )
    grown, peak = map(float, done.stdout.split())
    assert grown == pytest.approx(256, abs=32)
    assert peak > grown - 5

import time

import numpy as np
import pytest

from bench import memory, timing


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
    assert max(times["a"].wall) < 0.02
    assert min(times["b"].wall) >= 0.01
    assert max(times["b"].cpu) < min(times["b"].wall)


def test_computing_takes_cpu_seconds():
    def set_up():
        return lambda: sum(range(3_000_000))

    times = timing.measure({"sum": set_up}, repeats=1)["sum"]
    assert 0.005 < times.cpu[0] <= times.wall[0] * 1.5


def test_rates_are_medians():
    times = timing.Times(wall=(1.0, 2.0, 4.0), cpu=(0.5, 1.0, 3.0))
    assert times.rate(8) == {"per_s": 4.0, "spread": 2.0, "cpu_ms_each": 125.0}


def test_ratios_are_of_measurements_of_the_same_turn():
    of, to = timing.Times((1.0, 4.0), (0, 0)), timing.Times((2.0, 2.0), (0, 0))
    np.testing.assert_array_equal(timing.ratios(of, to), [0.5, 2.0])


def test_spread_is_the_median_absolute_deviation():
    assert timing.spread([1.0, 2.0, 3.0, 100.0, 2.5]) == pytest.approx(0.5)


def test_memory_is_seen_to_grow():
    before = memory.resident_mb()
    held = np.ones(2**25, np.uint8)
    assert 25 < memory.resident_mb() - before < 60
    assert memory.peak_mb() >= before + held.nbytes / 2**20 - 5

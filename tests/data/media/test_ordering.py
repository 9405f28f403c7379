"""Times that the pieces around them contradict."""

from types import SimpleNamespace

import pytest

from brave_tf.data.media.decoding import Piece
from brave_tf.data.media.ordering import in_order


def put_in_order(times, sound=False):
    frame = SimpleNamespace(samples=1764) if sound else SimpleNamespace()
    moved = []
    pieces = [Piece(time, 0.04, frame, True) for time in times]
    return [piece.time for piece in in_order(pieces, moved)], len(moved)


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize("place", [1, 10, 19, 26])
@pytest.mark.parametrize("off", [3.0, 70.0, 1e6, -1e6])
def test_a_single_damaged_time_is_put_right(sound, place, off):
    times = [0.04 * i for i in range(30)]
    damaged = [time + off * (i == place) for i, time in enumerate(times)]
    assert put_in_order(damaged, sound) == (pytest.approx(times), 1)


@pytest.mark.parametrize("sound", [False, True])
def test_two_damaged_times_in_a_row(sound):
    times = [0.04 * i for i in range(30)]
    damaged = [*times[:10], 500.0, 500.04, *times[12:]]
    found, moved = put_in_order(damaged, sound)
    assert moved == 2 and found == sorted(found)
    assert found[:10] == times[:10] and found[12:] == times[12:]


@pytest.mark.parametrize("sound", [False, True])
@pytest.mark.parametrize("pause", [0.5, 5.0, 4000.0])
def test_a_pause_stays(sound, pause):
    times = [0.04 * i + pause * (i >= 10) for i in range(30)]
    assert put_in_order(times, sound) == (times, 0)


def test_slides_stay():
    times = [0.0, 30.0, 75.0, 76.0, 300.0]
    assert put_in_order(times) == (times, 0)

import numpy as np
import pytest

from bench.flow_histograms import CELLS, DIRECTIONS, SEGMENTS, histograms


def parts(flow):
    """(SEGMENTS, CELLS, CELLS, DIRECTIONS) of the only clip."""
    return histograms(flow).numpy().reshape(SEGMENTS, CELLS, CELLS, DIRECTIONS)


@pytest.mark.parametrize(
    ("u", "v", "direction"), [(1, 0, 0), (1, 1, 1), (0, 1, 2), (-1, 0, 4), (0, -1, 6)]
)
def test_a_movement_counts_in_its_direction_with_its_length(u, v, direction):
    flow = np.zeros((1, 8, 6, 4, 2), np.float32)
    flow[..., 0], flow[..., 1] = 0.3 * u, 0.3 * v
    expected = np.zeros(DIRECTIONS)
    expected[direction] = np.sqrt(0.3 * np.hypot(u, v))
    np.testing.assert_allclose(parts(flow), np.broadcast_to(expected, parts(flow).shape), atol=2e-3)


def test_what_lies_between_two_directions_is_divided():
    angle = 2 * np.pi / DIRECTIONS * 3.25
    flow = np.broadcast_to(np.float32([np.cos(angle), np.sin(angle)]), (1, 4, 2, 2, 2))
    expected = np.zeros(DIRECTIONS)
    expected[3:5] = np.sqrt([0.75, 0.25])
    np.testing.assert_allclose(parts(flow)[0, 0, 0], expected, atol=2e-3)


def test_each_part_has_its_own_sum():
    flow = np.random.default_rng(0).uniform(-1, 1, (1, 9, 5, 4, 2)).astype(np.float32)
    got = parts(flow)
    for part in np.ndindex(SEGMENTS, CELLS, CELLS):
        t, y, x = part
        inside = flow[0, 2 * t : 2 * t + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2]
        only = np.zeros_like(flow)
        only[0, 2 * t : 2 * t + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = inside
        np.testing.assert_allclose(parts(only)[part], got[part], rtol=1e-5)
        # All of the movement is in some direction.
        assert (got[part] ** 2).sum() == pytest.approx(
            np.hypot(*inside.reshape(-1, 2).T).mean(), rel=1e-4
        )
    still = np.zeros((2, 9, 5, 4, 2), np.float32)
    assert histograms(still).shape == (2, SEGMENTS * CELLS * CELLS * DIRECTIONS)
    assert not histograms(still).numpy().any()

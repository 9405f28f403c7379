"""Charts are well-formed and show their numbers."""

import re

import drawn
import numpy as np
import pytest

from brave_tf.inspection import charts


def bars(chart):
    """Returns left, upper, right and lower end, and the title of each bar."""
    return [(shape.box, shape.title) for shape in drawn.Chart(chart).lines()]


def test_bars_are_as_long_as_their_counts_and_ordered():
    counts = {"train": [2, 6, 0], "test": [1, 3, 1]}
    chart = charts.label_bars(counts, ["cat", "dog & <co>", "eel"])
    found = bars(chart)
    widths = np.array([right - left for (left, _, right, _), _ in found])
    titles = [title for _, title in found]
    assert titles == ["train: 6", "train: 2", "test: 3", "test: 1", "test: 1"]
    np.testing.assert_allclose(widths / widths[0], [1, 1 / 3, 1 / 2, 1 / 6, 1 / 6], atol=0.01)
    assert found[2][0][0] == pytest.approx(found[0][0][2], abs=0.1)
    places = drawn.Chart(chart).texts
    rows = [((top + lower) / 2) for (_, top, _, lower), _ in found]
    for name, row in (("dog & <co>", 0), ("9", 0), ("cat", 1), ("3", 1), ("eel", 4), ("1", 4)):
        assert places[name][1] == pytest.approx(rows[row], abs=6)
    assert rows[0] < rows[1] < rows[4]
    assert rows[2] == rows[0] and rows[3] == rows[1]
    assert drawn.Chart(chart).description == "dog & <co>: 9; cat: 3; eel: 1"


def test_many_labels_become_a_curve():
    counts = {"all": np.arange(1, 601)}
    chart = charts.label_bars(counts, [f"label {n}" for n in range(600)])
    heights = [lower - top for (_, top, _, lower), _ in bars(chart)]
    assert len(heights) == 600
    assert (np.diff(heights) <= 0).all()
    np.testing.assert_allclose(heights[300] / heights[0], 0.5, atol=0.01)
    assert "labels by rank: label 599 (600) to label 0 (1)" in drawn.Chart(chart).texts


def test_a_histogram_counts_every_value():
    rng = np.random.default_rng(0)
    values = {"train": rng.uniform(2, 9, 400), "test": rng.uniform(4, 5, 100)}
    chart = charts.histogram(values, "seconds")
    for name, each in values.items():
        counts = [
            int(re.sub(r"\D", "", t.split(": ")[1])) for _, t in bars(chart) if t.startswith(name)
        ]
        assert sum(counts) == len(each)


def test_equal_values_make_one_column():
    found = bars(charts.histogram({"all": [10.0] * 7}, "seconds"))
    assert [title for _, title in found] == ["all: 7"]
    assert bars(charts.histogram({"all": [0.0]}, "seconds"))

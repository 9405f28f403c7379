"""Charts are well-formed and show their numbers."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from brave_tf.inspection import charts


def rectangles(chart):
    root = ElementTree.fromstring(chart)
    return [
        ({k: float(r.get(k)) for k in ("x", "y", "width", "height")}, r[0].text)
        for r in root.iter("rect")
    ]


def texts(chart):
    return [element.text for element in ElementTree.fromstring(chart).iter("text")]


def test_bars_are_as_long_as_their_counts_and_ordered():
    counts = {"train": [2, 6, 0], "test": [1, 3, 1]}
    chart = charts.label_bars(counts, ["cat", "dog & <co>", "eel"])
    bars = rectangles(chart)
    widths = [bar["width"] for bar, _ in bars]
    np.testing.assert_allclose(
        np.array(widths) / widths[0], [1, 1 / 2, 1 / 3, 1 / 6, 1 / 6], atol=0.01
    )
    assert [title for _, title in bars] == ["train: 6", "test: 3", "train: 2", "test: 1", "test: 1"]
    assert bars[1][0]["x"] == pytest.approx(bars[0][0]["x"] + bars[0][0]["width"], abs=0.1)
    assert texts(chart)[:4] == ["dog & <co>", "9", "cat", "3"]


def test_many_labels_become_a_curve():
    counts = {"all": np.arange(1, 601)}
    chart = charts.label_bars(counts, [f"label {n}" for n in range(600)])
    heights = [bar["height"] for bar, _ in rectangles(chart)]
    assert len(heights) == 600
    assert (np.diff(heights) <= 0).all()
    assert "labels by rank: label 599 (600) to label 0 (1)" in texts(chart)


def test_a_histogram_counts_every_value():
    rng = np.random.default_rng(0)
    values = {"train": rng.uniform(2, 9, 400), "test": rng.uniform(4, 5, 100)}
    bars = rectangles(charts.histogram(values, "seconds"))
    for name, each in values.items():
        counts = [int(re.sub(r"\D", "", t.split(": ")[1])) for _, t in bars if t.startswith(name)]
        assert sum(counts) == len(each)


def test_equal_values_make_one_column():
    bars = rectangles(charts.histogram({"all": [10.0] * 7}, "seconds"))
    assert [title for _, title in bars] == ["all: 7"]
    assert rectangles(charts.histogram({"all": [0.0]}, "seconds"))

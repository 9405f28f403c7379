"""Charts of results show their numbers where they belong."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np
import pytest

from brave_tf.reporting.result_charts import (
    Series,
    Value,
    class_bars,
    confusion_matrix,
    interval_chart,
)


def number(element, name):
    return float(element.get(name))


def texts(chart):
    return [element.text for element in chart.iter("text")]


def test_values_and_intervals_lie_on_one_scale():
    values = [
        Value("a", 0.5, (0.4, 0.6), 0),
        Value("b", 0.7, None, 1, filled=False),
        Value("paper <1>", 0.9),
    ]
    chart = ElementTree.fromstring(interval_chart(values, "top1", chance=0.1))
    dots = list(chart.iter("circle"))
    assert [dot.get("class") for dot in dots] == ["s1", "ring s2"]
    low, high = (number(dot, "cx") for dot in dots)
    lines = list(chart.iter("line"))

    def x(fraction):
        return pytest.approx(low + (fraction - 0.5) / 0.2 * (high - low), abs=0.2)

    whisker = next(line for line in lines if line.get("class") == "s1")
    assert (number(whisker, "x1"), number(whisker, "x2")) == (x(0.4), x(0.6))
    assert number(next(line for line in lines if line.get("class") == "mark"), "x1") == x(0.9)
    assert number(next(line for line in lines if line.get("class") == "dashed"), "x1") == x(0.1)
    shown = texts(chart)
    for said in ("50.0 (40.0–60.0)", "70.0", "90.0", "paper <1>", "chance"):
        assert said in shown


def test_a_figure_stands_clear_of_its_marker():
    chart = ElementTree.fromstring(interval_chart([Value("all", 1.0, (1.0, 1.0), 0)], "top1"))
    (dot,) = chart.iter("circle")
    (said,) = [element for element in chart.iter("text") if element.get("class") == "said"]
    # Letters of this size are at most 7 pixels wide.
    left = number(said, "x") - 7 * len(said.text)
    assert said.text == "100.0 (100.0–100.0)"
    assert number(dot, "cx") + number(dot, "r") < left


def bars(chart):
    return [
        (rect[0].text, number(rect, "width"), number(rect, "y"))
        for rect in ElementTree.fromstring(chart).iter("rect")
    ]


def test_bars_of_classes_are_as_long_as_their_shares():
    shares = [np.array([0.5, 1.0, np.nan]), np.array([0.25, 0.0, 0.5])]
    intervals = [np.array([[0.4, 0.6], [0.8, 1.0], [np.nan] * 2]), None]
    series = [Series("run", 0), Series("run, random", 0, baseline=True)]
    names = ["cat", "dog", "eel"]
    chart = class_bars(names, shares, intervals, series, np.array([8, 4, 0]))
    drawn = bars(chart)
    assert [title for title, _, _ in drawn] == [
        "run: dog, 100.0 % of 4",
        "run, random: dog, 0.0 % of 4",
        "run: cat, 50.0 % of 8",
        "run, random: cat, 25.0 % of 8",
    ]
    widths = [width for _, width, _ in drawn]
    np.testing.assert_allclose(np.array(widths) / widths[0], [1, 0, 0.5, 0.25], atol=0.005)
    whiskers = [
        line
        for line in ElementTree.fromstring(chart).iter("line")
        if line.get("class") == "whisker"
    ]
    lengths = [number(line, "x2") - number(line, "x1") for line in whiskers]
    np.testing.assert_allclose(np.array(lengths) / widths[0], [0.2, 0.2], atol=0.005)


def test_of_many_classes_the_best_and_the_worst_are_shown():
    share = np.linspace(0, 1, 101)
    names = [f"class {index}" for index in range(101)]
    chart = class_bars(names, [share], [None], [Series("run", 0)], np.full(101, 5))
    shown = [int(re.search(r"class (\d+)", title)[1]) for title, _, _ in bars(chart)]
    assert shown == [*range(100, 80, -1), *range(19, -1, -1)]
    assert "61 classes between" in texts(ElementTree.fromstring(chart))


def test_cells_of_few_classes_have_counts_and_shares():
    cells = np.array([[3, 1, 0], [0, 0, 2], [0, 0, 0]])
    chart = ElementTree.fromstring(confusion_matrix(cells, ["cat", "<b>dog", "eel"]))
    found = {
        rect[0].text: number(rect, "fill-opacity")
        for rect in chart.iter("rect")
        if rect.get("class") == "cell"
    }
    assert found == {
        "cat taken for cat: 3 of 4": 0.75,
        "cat taken for <b>dog: 1 of 4": 0.25,
        "<b>dog taken for eel: 2 of 2": 1.0,
    }
    assert {"3", "1", "2", "cat", "<b>dog", "eel"} <= set(texts(chart))
    right = next(rect for rect in chart.iter("rect") if "3 of 4" in "".join(rect.itertext()))
    wrong = next(rect for rect in chart.iter("rect") if "1 of 4" in "".join(rect.itertext()))
    assert number(right, "y") == number(wrong, "y") and number(right, "x") < number(wrong, "x")


def test_many_classes_are_a_picture_with_a_pixel_each():
    cells = np.zeros((60, 60), int)
    cells[7, 20], cells[7, 7] = 1, 3
    chart = ElementTree.fromstring(confusion_matrix(cells, [str(n) for n in range(60)]))
    (image,) = chart.iter("image")
    data = base64.b64decode(image.get("href").split(",")[1])
    alpha = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., 3]
    assert alpha.shape == (60, 60)
    assert alpha[7, 7] > alpha[7, 20] > 0
    assert np.count_nonzero(alpha) == 2

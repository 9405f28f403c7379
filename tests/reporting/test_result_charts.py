"""Charts of results show their numbers where they belong."""

import re

import drawn
import numpy as np
import pytest

from brave_tf.reporting.result_charts import Series, Value, class_bars, interval_chart


def test_values_and_intervals_lie_on_one_scale():
    values = [
        Value("a", 0.5, (0.4, 0.6), 0),
        Value("b", 0.7, None, 1, filled=False),
        Value("paper <1>", 0.9),
    ]
    chart = drawn.Chart(interval_chart(values, "top1", chance=0.1))
    whisker, chance, a, b, paper = chart.shapes
    assert [shape.title for shape in (whisker, a, b, paper, chance)] == [
        "a: 50.0 (40.0–60.0)",
        "a: 50.0 (40.0–60.0)",
        "b: 70.0",
        "paper <1>: 90.0",
        "chance: 10.0",
    ]
    low, high = a.markers[0, 0], b.markers[0, 0]

    def x(fraction):
        return pytest.approx(low + (fraction - 0.5) / 0.2 * (high - low), abs=0.2)

    assert (whisker.line[0, 0], whisker.line[1, 0]) == (x(0.4), x(0.6))
    np.testing.assert_allclose(whisker.markers, whisker.line)
    assert paper.markers[0, 0] == x(0.9)
    assert set(chance.line[:, 0]) == {chance.line[0, 0]} and chance.line[0, 0] == x(0.1)
    assert "stroke-dasharray" in chance.style
    assert "fill: var(--s1)" in a.style
    assert "fill: var(--card)" in b.style and "stroke: var(--s2)" in b.style
    assert "stroke: var(--text)" in paper.style
    for said, shape in (
        ("50.0 (40.0–60.0)", a),
        ("70.0", b),
        ("90.0", paper),
        ("paper <1>", paper),
    ):
        assert chart.texts[said][1] == pytest.approx(shape.markers[0, 1], abs=6)
    assert chart.texts["chance"][0] == x(0.1)
    assert chart.texts["40"][0] == x(0.4)
    told = "Per cent. a: 50.0 (40.0–60.0); b: 70.0; paper <1>: 90.0; chance: 10.0"
    assert (chart.label, chart.description) == ("top1", told)


def test_an_interval_need_not_hold_its_value():
    chart = drawn.Chart(interval_chart([Value("a", 0.5, (0.6, 0.7), 0)], "top1"))
    assert "50.0 (60.0–70.0)" in chart.texts


def test_a_figure_stands_clear_of_its_marker():
    chart = drawn.Chart(interval_chart([Value("all", 1.0, (1.0, 1.0), 0)], "top1"))
    dot = chart.shapes[-1].markers[0, 0]
    # Letters of this size are at most 7 pixels wide, and dots have a radius of 5.
    left = chart.texts["100.0 (100.0–100.0)"][0] - 7 * len("100.0 (100.0–100.0)")
    assert dot + 5 < left


def test_long_names_are_cut_and_told():
    name = "the name of a run that somebody has given much thought"
    svg = interval_chart([Value(name, 0.5, None, 0)], "top1")
    chart = drawn.Chart(svg)
    assert f"<title>{name}</title>" in svg
    (cut,) = [text for text in chart.texts if text.endswith("…")]
    assert name.startswith(cut[:-1]) and len(cut) == 27
    assert f"{name}: 50.0" in chart.description


def bars(chart):
    return [shape for shape in drawn.Chart(chart).lines() if shape.title and len(shape.line) > 2]


def test_bars_of_classes_are_as_long_as_their_shares():
    shares = [np.array([0.5, 1.0, np.nan]), np.array([0.25, 0.0, 0.5])]
    intervals = [np.array([[0.4, 0.6], [0.8, 1.0], [np.nan] * 2]), None]
    series = [Series("run", 0), Series("run, random", 0, baseline=True)]
    names = ["cat", "dog", "eel"]
    chart = class_bars(names, shares, intervals, series, np.array([8, 4, 0]))
    shown = bars(chart)
    assert [bar.title for bar in shown] == [
        "run: dog, 100.0 % of 4",
        "run, random: dog, 0.0 % of 4",
        "run: cat, 50.0 % of 8",
        "run, random: cat, 25.0 % of 8",
    ]
    assert drawn.Chart(chart).description == "; ".join(bar.title for bar in shown)
    widths = np.array([bar.width for bar in shown])
    np.testing.assert_allclose(widths / widths[0], [1, 0, 0.5, 0.25], atol=0.005)
    tops = [bar.box[1] for bar in shown]
    assert tops == sorted(tops)
    # The baseline is faint.
    assert "opacity: 0.4" in shown[1].style and "opacity: 0.9" in shown[0].style
    whiskers = [shape for shape in drawn.Chart(chart).lines() if len(shape.line) == 2]
    np.testing.assert_allclose([w.width / widths[0] for w in whiskers], [0.2, 0.2], atol=0.005)
    left = shown[0].box[0]
    assert (whiskers[1].line[0, 0] - left) / widths[0] == pytest.approx(0.4, abs=0.005)


def test_of_many_classes_the_best_and_the_worst_are_shown():
    share = np.linspace(0, 1, 101)
    names = [f"class {index}" for index in range(101)]
    chart = class_bars(names, [share], [None], [Series("run", 0)], np.full(101, 5))
    shown = [int(re.search(r"class (\d+)", bar.title)[1]) for bar in bars(chart)]
    assert shown == [*range(100, 80, -1), *range(19, -1, -1)]
    between = drawn.Chart(chart).texts["61 classes between"][1]
    above, below = bars(chart)[19], bars(chart)[20]
    assert above.box[3] < between < below.box[1]

"""Curves lie where their numbers say."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from brave_tf.reporting.line_chart import Line, line_chart


def parsed(*lines):
    return ElementTree.fromstring(line_chart(lines, "a chart"))


def points(path):
    return np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.get("d")), float)


def texts(chart):
    return [element.text for element in chart.iter("text")]


def line(values, steps=None, **changes):
    steps = np.arange(len(values)) if steps is None else np.array(steps)
    return Line(
        **{"name": "run", "colour": 0, "steps": steps, "values": np.array(values, float), **changes}
    )


def test_a_curve_is_linear_in_steps_and_values():
    (path,) = parsed(line([4, 2, 1], steps=[0, 100, 300])).iter("path")
    x, y = points(path).T
    np.testing.assert_allclose((x[1] - x[0]) / (x[2] - x[0]), 1 / 3, atol=0.01)
    # Down is up in SVG.
    np.testing.assert_allclose((y[1] - y[0]) / (y[2] - y[0]), 2 / 3, atol=0.01)
    assert y[0] < y[2]


def test_all_curves_share_their_axes():
    first, second = parsed(line([1, 3]), line([2, 2], colour=1)).iter("path")
    assert first.get("class") == "s1" and second.get("class") == "s2"
    np.testing.assert_allclose(points(second)[:, 1], points(first)[:, 1].mean(), atol=0.1)


def test_what_is_no_number_is_left_out():
    (path,) = parsed(line([1, np.nan, 3, np.inf])).iter("path")
    assert len(points(path)) == 2
    assert line_chart([line([np.nan])], "none") is None
    assert line_chart([], "none") is None


def test_long_curves_are_means_of_parts():
    values = np.sin(np.arange(2400) / 200)
    (path,) = parsed(line(values)).iter("path")
    x, y = points(path).T
    assert len(x) == 240
    means = values.reshape(240, 10).mean(axis=1)
    np.testing.assert_allclose(np.corrcoef(y, means)[0, 1], -1, atol=1e-4)


def test_the_last_values_stand_beside_and_apart():
    chart = parsed(line([1, 0.5]), line([1, 0.5001], colour=1), line([0, 0.9], colour=2))
    ends = [
        element for element in chart.iter("text") if (element.get("class") or "").startswith("s")
    ]
    assert [end.text for end in ends] == ["0.9", "0.5", "0.5"]
    heights = [float(end.get("y")) for end in ends]
    assert min(np.diff(heights)) >= 12


def test_points_far_apart_are_marked_and_say_their_value():
    chart = parsed(line([1, 2], steps=[1000, 2000], dots=True, name="a & b"))
    titles = [circle[0].text for circle in chart.iter("circle")]
    assert titles == ["a & b, step 1,000: 1", "a & b, step 2,000: 2"]


def test_a_single_point_and_a_constant_have_a_place():
    for values in ([3.0], [3.0, 3.0], [0.0, 0.0]):
        for x, y in points(next(parsed(line(values)).iter("path"))):
            assert 0 < x < 560 and 0 < y < 250


def test_large_steps_are_written_short():
    assert "300k" in texts(parsed(line([1, 2], steps=[0, 300_000])))

"""Curves lie where their numbers say."""

import drawn
import numpy as np
import pytest

from brave_tf.reporting.line_chart import Line, line_chart


def chart(*lines):
    return drawn.Chart(line_chart(lines, "a chart"))


def line(values, steps=None, **changes):
    steps = np.arange(len(values)) if steps is None else np.array(steps)
    return Line(
        **{"name": "run", "colour": 0, "steps": steps, "values": np.array(values, float), **changes}
    )


def test_a_curve_is_linear_in_steps_and_values():
    (path,) = chart(line([4, 2, 1], steps=[0, 100, 300])).lines()
    x, y = path.line.T
    np.testing.assert_allclose((x[1] - x[0]) / (x[2] - x[0]), 1 / 3, atol=0.01)
    # Down is up in SVG.
    np.testing.assert_allclose((y[1] - y[0]) / (y[2] - y[0]), 2 / 3, atol=0.01)
    assert y[0] < y[2]


def test_the_numbers_of_the_axes_stand_at_their_places():
    found = chart(line([4, 2, 1], steps=[0, 100, 300]))
    (path,) = found.lines()
    assert found.texts["100"][0] == pytest.approx(path.line[1, 0], abs=0.1)
    assert found.texts["300"][0] == pytest.approx(path.line[2, 0], abs=0.1)
    step = found.texts["2"][1] - found.texts["4"][1]
    assert step == pytest.approx(path.line[1, 1] - path.line[0, 1], abs=0.1)


def test_all_curves_share_their_axes():
    first, second = chart(line([1, 3]), line([2, 2], colour=1)).lines()
    assert "stroke: var(--s1)" in first.style and "stroke: var(--s2)" in second.style
    np.testing.assert_allclose(second.line[:, 1], first.line[:, 1].mean(), atol=0.1)


def test_runs_beyond_the_colours_begin_again():
    (path,) = chart(line([1, 3], colour=6)).lines()
    assert "stroke: var(--s1)" in path.style


def test_what_is_no_number_is_left_out():
    (path,) = chart(line([1, np.nan, 3, np.inf])).lines()
    assert len(path.line) == 2
    assert line_chart([line([np.nan])], "none") is None
    assert line_chart([], "none") is None


def test_long_curves_are_means_of_parts():
    values = np.sin(np.arange(2400) / 200)
    (path,) = chart(line(values)).lines()
    x, y = path.line.T
    assert len(x) == 240
    means = values.reshape(240, 10).mean(axis=1)
    np.testing.assert_allclose(np.corrcoef(y, means)[0, 1], -1, atol=1e-4)


def test_the_last_values_stand_beside_and_apart():
    lines = line([1, 0.55]), line([1, 0.5501], colour=1), line([0, 0.9], colour=2)
    found = drawn.Chart(str(line_chart(lines, "a chart")).replace(">0.55<", ">first<", 1))
    ends = [found.texts[text] for text in ("0.9", "first", "0.55")]
    (right,) = {x for x, _ in ends}
    assert right > max(shape.line[:, 0].max() for shape in found.lines())
    assert min(np.diff([y for _, y in ends])) >= 12
    # The two that are almost equal have the colours of their curves.
    assert (
        "fill: var(--s2)" in found.colours["first"] and "fill: var(--s1)" in found.colours["0.55"]
    )
    assert "fill: var(--s3)" in found.colours["0.9"]


def test_points_far_apart_are_marked_and_say_their_value():
    found = chart(line([1, 2], steps=[1000, 2000], dots=True, name="a & b"))
    (path,) = found.lines()
    dots = [shape for shape in found.shapes if not len(shape.line)]
    assert [dot.title for dot in dots] == ["a & b, step 1,000: 1", "a & b, step 2,000: 2"]
    np.testing.assert_allclose(np.concatenate([dot.markers for dot in dots]), path.line, atol=0.02)
    assert path.title == "a & b" and "opacity: 0.45" in path.style


def test_those_who_do_not_see_it_are_told_the_last_values():
    found = chart(line([1, 2], steps=[10, 2000], name="<run>"), line([5, np.nan], name="other"))
    assert found.label == "a chart"
    assert found.description == "Last values: <run>, step 2,000: 2; other, step 0: 5"


def test_a_single_point_and_a_constant_have_a_place():
    for values in ([3.0], [3.0, 3.0], [0.0, 0.0]):
        for shape in chart(line(values)).shapes:
            for x, y in [*shape.line, *shape.markers]:
                assert 0 < x < 560 and 0 < y < 250


def test_large_numbers_are_written_short_and_small_ones_whole():
    assert "300k" in chart(line([1, 2], steps=[0, 300_000])).texts
    assert {"20M", "31.2M"} <= chart(line([1e7, 3.123e7])).texts.keys()
    assert "1e-07" in chart(line([1e-7, 3e-7])).texts
    assert {"0.2", "0.4"} <= chart(line([0.1, 0.5])).texts.keys()

"""What charts have in common: names, colours, texts that are shown when a shape is pointed at."""

import subprocess
import sys

import drawn
import matplotlib
import pytest

from brave_tf.pages import chart


def draw(name="a name", label="label", description="numbers", most=20):
    with chart.drawing(100, 200, 60, 10, 20) as drawing:
        (dots,) = drawing.axes.plot([0, 1], [0, 1], "o", color=chart.colour(1))
        drawing.tell(dots, f"first {name}", f"second {name}")
        drawing.name(-10, 0.5, name, most)
        return drawing.svg(label, description)


@pytest.mark.parametrize("odd", ["<b>&\"'", "$x^2$ costs", "\udcff", "\x00 \x1b \uffff", "日本語"])
def test_any_name_is_text(odd):
    svg = draw(odd, odd, odd)
    found = drawn.Chart(svg)
    expected = odd.translate(dict.fromkeys(map(ord, "\udcff\x00\x1b\uffff"), "?"))
    assert expected in found.texts
    assert (found.label, found.description) == (expected, expected)
    assert found.titles() == [f"first {expected}", f"second {expected}"]
    assert "<b>" not in svg


def test_texts_for_other_than_all_shapes_are_an_error():
    with chart.drawing(100, 200, 60, 10, 20) as drawing:
        (dots,) = drawing.axes.plot([0, 1], [0, 1], "o")
        drawing.tell(dots, "one", "two", "three")
        with pytest.raises(AssertionError, match="3 texts for 2 shapes"):
            drawing.svg("label", "")


def test_names_of_shapes_differ_among_the_charts_of_a_page():
    first, second = (draw(label=label) for label in ("a", "b"))
    marker = drawn.Chart(first)
    assert marker.size == (560, 100)
    identifiers = [set(each.split('id="')[1:2][0].split('"')[:1]) for each in (first, second)]
    assert not identifiers[0] & identifiers[1]
    assert draw(label="a") == first


def test_settings_of_the_user_change_nothing_and_are_kept():
    plain = draw()
    with matplotlib.rc_context({"font.size": 30, "lines.markersize": 40, "svg.fonttype": "path"}):
        assert draw() == plain
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("four", 4, "four"),
        ("five!", 4, "fiv…"),
        ("日本", 4, "日本"),
        ("日本語", 4, "日…"),
        ("", 4, ""),
    ],
)
def test_letters_of_east_asia_are_two_wide(text, most, expected):
    assert chart.shortened(text, most) == expected


@pytest.mark.long
def test_what_makes_no_page_starts_without_the_libraries_of_pages():
    code = (
        "import importlib, sys\n"
        "for name in ('cli.report', 'cli.inspect', 'training.run', 'evaluation.tasks.registry'):\n"
        "    importlib.import_module(f'brave_tf.{name}')\n"
        "print({'matplotlib', 'jinja2', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[-2] == "{'tensorflow'}"

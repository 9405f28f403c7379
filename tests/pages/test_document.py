"""Pages and their tables."""

import html_page
import jinja2
import pytest

from brave_tf.pages import document


def test_names_are_text_and_what_is_none_is_replaced(tmp_path):
    path = tmp_path / "index.html"
    document.write(str(path), "page.html", title="a <b> & \udcff")
    page = html_page.Page(path)
    page.check_self_contained()
    assert page.data.count("a <b> & ?") == 2
    assert not page.count(href="") and "b" not in {tag for tag, _ in page.tags}


def test_a_page_is_written_while_its_parts_are_made(tmp_path, monkeypatch):
    path = tmp_path / "index.html"
    templates = {"parts.html": "{% for part in parts %}{{ part }}{% endfor %}"}
    monkeypatch.setattr(document.TEMPLATES, "loader", jinja2.DictLoader(templates))
    monkeypatch.setattr(document.TEMPLATES, "cache", None)
    sizes = []

    def parts():
        for _ in range(3):
            sizes.append(path.stat().st_size)
            yield "<" * 10_000

    document.write(str(path), "parts.html", parts=parts())
    assert sizes[0] < sizes[1] < sizes[2] < path.stat().st_size
    assert path.read_text() == "&lt;" * 30_000


def test_a_value_that_a_template_lacks_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="title"):
        document.render("page.html")


def test_columns_of_text_are_to_the_left_and_rows_can_be_marked():
    rows = [["", "backbone", "top-1", "interval"], ["<a>", "R3D", "65.1", "60.1\u201370.2"]]
    rows.append(["b", "", "\u2013", "\u2013"])
    shown = document.table(rows, marked=[1])
    assert (
        '<tr class="marked"><td class="text">&lt;a&gt;</td><td class="text">R3D</td><td>65.1'
        in shown
    )
    assert shown.count("marked") == 1
    assert '<th class="text">backbone</th><th>top-1</th><th>interval</th>' in shown


def test_a_table_may_have_no_rows():
    assert "<th>only a head</th>" in document.table([["only a head"]])


@pytest.mark.parametrize("name", document.TEMPLATES.list_templates())
def test_no_template_takes_text_for_markup(name):
    source, *_ = document.TEMPLATES.loader.get_source(document.TEMPLATES, name)
    parsed = document.TEMPLATES.parse(source)
    assert not [each for each in parsed.find_all(jinja2.nodes.Filter) if each.name == "safe"]
    assert not [*parsed.find_all((jinja2.nodes.ScopedEvalContextModifier, jinja2.nodes.MarkSafe))]

"""Pages and their tables."""

import html_page

from brave_tf.pages import document


def test_a_page_holds_its_parts_and_names_that_are_no_text(tmp_path):
    path = tmp_path / "index.html"
    document.write(str(path), "a <b>", ["<p>one</p>", "<p>two \udcff</p>"])
    page = html_page.Page(path)
    page.check_self_contained()
    assert "a <b>" in page.data and "one" in page.data and "two ?" in page.data


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

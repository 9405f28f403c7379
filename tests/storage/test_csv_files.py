"""Tables in CSV."""

import csv
import os

import pytest

from brave_tf.storage import csv_files


def read(path):
    with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r", "＝"])
def test_no_cell_is_a_formula(tmp_path, sign):
    name = f"{sign}HYPERLINK(1).mp4"
    csv_files.write(tmp_path / "a.csv", ["path", "start", "reason"], [[name, -1.5, f"{sign}1"]])
    head, row = read(tmp_path / "a.csv")
    assert head == ["path", "start", "reason"]
    assert row == [f"./{name}", "-1.5", f" {sign}1"]


def test_a_name_makes_no_row(tmp_path):
    csv_files.write(tmp_path / "a.csv", ["path", "reason"], [["a\r=1\nb", "c\r\nd"]])
    assert read(tmp_path / "a.csv")[1:] == [["a\r=1\nb", "c\r\nd"]]


def test_the_path_is_that_of_the_same_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "=a.mp4").write_text("here")
    csv_files.write("a.csv", ["path"], [["=a.mp4"]])
    (_, (path,)) = read("a.csv")
    assert os.path.samefile(path, "=a.mp4")


def test_other_cells_are_as_they_were(tmp_path):
    row = ["a,b\n=c\udcff.mp4", 0.5, None, 'say "x"']
    csv_files.write(tmp_path / "a.csv", list("abcd"), [row])
    assert read(tmp_path / "a.csv")[1] == ["a,b\n=c\udcff.mp4", "0.5", "", 'say "x"']


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "mine").write_text("old")
    (tmp_path / "a.csv").symlink_to(tmp_path / "mine")
    csv_files.write(tmp_path / "a.csv", ["path"], [["b"]])
    assert (tmp_path / "mine").read_text() == "old"
    assert read(tmp_path / "a.csv") == [["path"], ["b"]]

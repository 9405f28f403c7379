import pytest
import waiting_pipes

from brave_tf.data.public.annotations import lines, rows, seconds, table
from brave_tf.errors import UserError


def test_lines_and_rows(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b'\xef\xbb\xbf# one\r\n\r\n two, "a, b" \r\n,\r\nthree,c\r\n')
    assert list(lines(path)) == [(1, "# one"), (3, 'two, "a, b"'), (4, ","), (5, "three,c")]
    assert list(rows(path)) == [(3, ["two", "a, b"]), (5, ["three", "c"])]


def test_table(tmp_path):
    path = tmp_path / "file.csv"
    path.write_text('b,a\n1,2\n"x, y", z\n')
    assert list(table(path, ("a", "b"))) == [
        (2, {"a": "2", "b": "1"}),
        (3, {"b": "x, y", "a": "z"}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1: expected a header with a, b; the file is empty"),
        (b"b,c\n1,2\n", "line 1: no column 'a' among b, c"),
        (b"a,b\n1,2\n\n1,2,3\n", "line 4: 3 cells, the header has 2"),
        (b"a,b\n1\n", "line 2: 1 cells, the header has 2"),
        (b'a,b\n1,"2"3\n', "line 2: not a row of a CSV"),
        (b'a,b\n"1,2\n3,4\n', "line 3: not a row of a CSV"),
        (b"a,b\n\xff,2\n", "not text in UTF-8"),
    ],
)
def test_damaged_tables(tmp_path, content, message):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        list(table(str(path), ("a", "b")))
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    "window", [("a", "2"), ("2", "2"), ("-1", "2"), ("1", "inf"), ("nan", "2")]
)
def test_seconds(window):
    assert seconds("file", 3, "1.5", "2") == (1.5, 2.0)
    with pytest.raises(UserError, match="file: line 3: from"):
        seconds("file", 3, *window)


@pytest.mark.parametrize("read", [lines, rows])
def test_a_pipe_is_not_waited_for(tmp_path, read):
    path = str(tmp_path / "list.txt")
    with waiting_pipes.unwritten(path), pytest.raises(UserError, match="list.txt is a pipe"):
        list(read(path))

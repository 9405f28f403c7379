"""What others wrote is shown on a terminal, and commands it nothing."""

import io
import unicodedata

import pytest

from brave_tf.process import visible_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("\x9b31m", "\\x9b31m"),
        ("safe\rerror", "safe\\rerror"),
        ("exe\u202egpj.", "exe\\u202egpj."),
        ("é 日本 \u05e9 😀\tx\n", "é 日本 \u05e9 😀\tx\n"),
    ],
)
def test_commands_are_shown_as_escapes(text, shown):
    assert visible_text.escaped(text) == shown


def test_no_control_character_is_left():
    every = "".join(map(chr, range(0x3000)))
    left = {sign for sign in visible_text.escaped(every) if unicodedata.category(sign) == "Cc"}
    assert left == {"\t", "\n"}


def test_a_stream_of_visible_text():
    stream = io.StringIO()
    visible = visible_text.Visible(stream)
    assert visible.write("\r 50 %") == 6
    assert visible.write("\x1b[Ax") == 4
    print("name\r", file=visible, flush=True)
    assert stream.getvalue() == "\r 50 %\\x1b[Axname\\r\n"
    assert not visible.isatty()

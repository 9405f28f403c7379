import hashlib
import json
import os

import pytest

from brave_tf import files


def test_replacing_leaves_the_new_content_and_nothing_else(tmp_path):
    target = tmp_path / "deep" / "results.txt"
    for text in ("first", "second"):
        with files.replacing(target) as aside:
            aside.write_text(text)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == text
        assert os.listdir(target.parent) == ["results.txt"]


def test_replacing_keeps_the_old_content_when_the_body_fails(tmp_path):
    target = tmp_path / "results.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), files.replacing(target) as aside:
        aside.write_text("half of the n")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["results.txt"]


def test_replacing_says_when_the_folder_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), files.replacing(tmp_path / "file" / "results.txt"):
        raise AssertionError("there is nowhere to write")


def test_json_is_read_back(tmp_path):
    contents = {"name": "é", "values": [1, 2.5, None]}
    files.write_json(tmp_path / "a.json", contents)
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == contents


@pytest.mark.parametrize("size", [0, 1, 2**20, 2**21 + 3])
def test_sha256(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "a").write_bytes(content)
    assert files.sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()

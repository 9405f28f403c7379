import pytest

from brave_tf.data.sources import base
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.sources.records import Records
from brave_tf.errors import UserError


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    monkeypatch.setattr(base, "_KINDS", list(base._KINDS))


def test_a_kind_of_source_of_ones_own_is_asked_first(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")

    @base.register_source
    class Library(Records):
        def __init__(self, location):
            self.location = location

        @classmethod
        def accepts(cls, location):
            return location == str(tmp_path)

        @classmethod
        def open(cls, location):
            return cls(location)

    found = open_source(tmp_path)
    assert isinstance(found, Library) and found.location == str(tmp_path)


def test_registering_twice_changes_nothing():
    before = base.registered_sources()
    base.register_source(Records)
    assert base.registered_sources() == before


@pytest.mark.parametrize("kind", [dict, Records.open, base.Source])
def test_what_is_no_complete_source_is_refused(kind):
    with pytest.raises(TypeError, match="expected a subclass of Source"):
        base.register_source(kind)


def test_nothing_to_open(tmp_path):
    with pytest.raises(UserError, match=r"none.*brave_tf_prepare --input=VIDEOS_OR_CSV"):
        open_source(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("no media")
    with pytest.raises(UserError, match=r"\*\.tfrecord\*: no such files"):
        open_source(tmp_path)

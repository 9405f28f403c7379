"""Which files of a folder are raw media, and what is said of the others."""

import logging
import os
import shutil

import gin
import media
import numpy as np
import pytest
from raw_films import RGB

from brave_tf.data.sources.kinds import open_source
from brave_tf.data.sources.raw_media import RawMedia
from brave_tf.errors import UserError


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    return media.write_video(path, map(media.numbered_frame, range(30)))


def warnings(caplog, location):
    with caplog.at_level(logging.WARNING, "absl"):
        source = open_source(str(location))
    assert isinstance(source, RawMedia)
    return source, [record.getMessage() for record in caplog.records]


def test_what_a_folder_holds_besides_is_counted(film, tmp_path, caplog):
    for folder in ("cat", "Cat"):
        (tmp_path / folder).mkdir()
        shutil.copy(film, tmp_path / folder / "film")
    (tmp_path / "cat" / "cover.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("notes")
    source, said = warnings(caplog, tmp_path)
    assert source.num_clips("train") == 2
    assert said == [
        f"{tmp_path}: labels that differ in capitals or spacing alone: 'Cat', 'cat'",
        f"{tmp_path}: 2 other files left out (1 .jpg, 1 .txt)",
    ]


def test_columns_are_those_of_a_preparation(film, tmp_path, caplog):
    shutil.copy(film, tmp_path / "film.mp4")
    source = tmp_path / "list.csv"
    source.write_text("path,start_time\nfilm.mp4,0.5\n")
    with pytest.raises(UserError, match=r"start_time \(did you mean start\?\)"):
        open_source(str(source))
    source.write_text("path,start,notes\n.\\film.mp4,0.4,x\n")
    opened, said = warnings(caplog, source)
    assert said == [f"{source}: columns not read: notes"]
    assert opened.num_clips("train") == 1


def test_a_folder_of_other_files_is_no_source(tmp_path):
    (tmp_path / "cover.jpg").write_bytes(b"x")
    (tmp_path / "data").write_bytes(b"\0\1\2")
    assert not RawMedia.accepts(str(tmp_path))
    assert not RawMedia.accepts(str(tmp_path / "cover.jpg"))


def test_names_that_are_no_text(film, tmp_path):
    gin.parse_config("RawMedia.min_side = None")
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(folder)
    names = [b"\xfe.mp4", b"\xff"]
    for name in names:
        shutil.copy(film, os.fsdecode(os.path.join(folder, name)))
    source = open_source(str(tmp_path))
    assert source.label_names == (r"caf\xe9",)
    stream = source.stream("train", RGB)
    items = [item for item, _ in stream.once(0)]
    clips = [stream.parse(item) for item in items]
    assert [clip.path.numpy() for clip in clips] == [b"caf\xe9/" + name for name in names]
    assert [stream.name(item) for item in items] == [r"caf\xe9/\xfe.mp4", r"caf\xe9/\xff"]
    for clip in clips:
        found = [media.number_of(frame) for frame in np.asarray(clip.images)]
        assert found == list(range(30))

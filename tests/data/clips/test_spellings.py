"""Clips whose names are spelled in several ways."""

import collections
import logging
import os
import unicodedata

import pytest
from listed_clips import touch, write_csv

from brave_tf.data.clips.clip_list import read_clips
from brave_tf.data.clips.division import move_to_test
from brave_tf.errors import UserError

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def test_one_class_in_two_forms(tmp_path):
    touch(tmp_path, f"train/{NFC}/1.mp4", f"test/{NFD}/2.mp4", f"test/{NFD} /3.mp4")
    clips = read_clips(str(tmp_path))
    assert {clip.labels for clip in clips} == {(NFC,)}
    assert {clip.path for clip in clips} == {
        f"train/{NFC}/1.mp4",
        f"test/{NFC}/2.mp4",
        f"test/{NFC} /3.mp4",
    }
    assert [clip.size for clip in clips] == [1, 1, 1], "files are opened by their own names"


def test_two_files_whose_names_differ_in_form_alone(tmp_path):
    touch(tmp_path, f"a/{NFC}.mp4", f"a/{NFD}.mp4")
    rows = f"path\na/{NFC}.mp4\na/{NFD}.mp4\n"
    for source in (str(tmp_path), write_csv(tmp_path, rows)):
        clips = read_clips(source)
        assert {clip.path for clip in clips} == {f"a/{NFC}.mp4", f"a/{NFD}.mp4"}
        assert all(os.path.samefile(clip.file, tmp_path / clip.path) for clip in clips)


def test_csv_in_another_form_than_the_disk(tmp_path):
    touch(tmp_path, f"{NFD}/a.mp4")
    text = f"path,label,split\n{NFC}/a.mp4,{NFD},{NFD}\n{NFD}/a.mp4,{NFC},{NFC}\n"
    clips = read_clips(write_csv(tmp_path, text))
    assert clips[0] == clips[1]
    assert (clips[0].path, clips[0].labels, clips[0].split) == (f"{NFC}/a.mp4", (NFC,), NFC)
    assert clips[0].size == 1


def test_a_blank_folder_is_no_class(tmp_path):
    touch(tmp_path, " /a.mp4")
    with pytest.raises(UserError, match="' ' is blank"):
        read_clips(str(tmp_path))


def test_csv_with_separators_of_windows(tmp_path):
    touch(tmp_path, "dog/a.mp4", "b.mp4", r"cat\c.mp4", "cat/c.mp4")
    source = write_csv(
        tmp_path, "path\ndog\\a.mp4\n.\\dog\\a.mp4\n..\\x\\gone.mp4\ncat\\c.mp4\nC:\\b.mp4\n"
    )
    assert [(clip.path, clip.size) for clip in read_clips(source)] == [
        ("dog/a.mp4", 1),
        ("dog/a.mp4", 1),
        ("../x/gone.mp4", None),
        (r"cat\c.mp4", 1),
        ("C:/b.mp4", None),
    ]


def test_a_way_back_out_of_a_linked_folder(tmp_path):
    touch(tmp_path, "b.mp4", "far/off/x.mp4")
    (tmp_path / "far" / "b.mp4").write_bytes(b"another")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "off")
    (clip,) = read_clips(write_csv(tmp_path, "path\nlink/../b.mp4\n"))
    assert os.path.samefile(clip.file, tmp_path / "far" / "b.mp4") and clip.size == 7


def test_columns_that_nobody_reads_are_named_once(tmp_path, caplog):
    source = write_csv(tmp_path, "path,notes,start,end,start_time\na.mp4,x,1,2,9\nb.mp4,y,,,\n")
    with caplog.at_level(logging.WARNING, "absl"):
        read_clips(source)
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.endswith("columns not read: notes, start_time (did you mean start?)")


def test_all_names_of_a_file_move_to_test_together(tmp_path):
    touch(tmp_path, *(f"{NFD}{number}.mp4" for number in range(8)), "x/y")
    rows = ["path,label,start"]
    for number in range(8):
        spellings = (f"{NFC}{number}.mp4", f"./{NFD}{number}.mp4", f"x/../{NFC}{number}.mp4")
        spellings += (f".\\{NFC}{number}.mp4", f"{tmp_path}/{NFC}{number}.mp4")
        rows += [f"{spelling},a,{start}" for start, spelling in enumerate(spellings)]
    clips = read_clips(write_csv(tmp_path, "\n".join(rows)))
    assert all(clip.size == 1 for clip in clips)
    splits = collections.defaultdict(set)
    for clip in move_to_test(clips, 0.5, seed=1):
        splits[os.path.realpath(clip.file)].add(clip.split)
    assert len(splits) == 8
    assert sorted(map(sorted, splits.values())) == [["test"]] * 4 + [["train"]] * 4

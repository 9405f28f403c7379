import unicodedata

import pytest
from listed_clips import touch

from brave_tf.data.clips.names import Disk, look_alikes, one_form, tidy

NFC, NFD = (unicodedata.normalize(form, "Café/Zoé ñ.mp4") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(("listed", "there"), [(NFC, NFD), (NFD, NFC), (NFC, NFC), (NFD, NFD)])
def test_a_file_is_found_in_either_form(tmp_path, listed, there):
    touch(tmp_path, there)
    assert Disk(str(tmp_path)).find(listed) == there
    assert Disk("/").find(f"{tmp_path}/{listed}") == f"{tmp_path}/{there}"
    assert one_form(NFD) == one_form(NFC) == NFC


def test_a_file_of_just_this_name_comes_first(tmp_path):
    touch(tmp_path, NFC, NFD)
    disk = Disk(str(tmp_path))
    assert [disk.find(NFC), disk.find(NFD)] == [NFC, NFD]


def test_folders_in_one_form_and_files_in_the_other(tmp_path):
    mixed = NFD.split("/")[0] + "/" + NFC.split("/")[1]
    touch(tmp_path, mixed)
    assert Disk(str(tmp_path)).find(NFC) == mixed
    assert Disk(str(tmp_path)).find(NFC.replace("/", "\\")) == mixed


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (r"dog\a.mp4", "dog/a.mp4"),
        (r".\dog\a.mp4", "./dog/a.mp4"),
        (r"dog\deep/b.mp4", "dog/deep/b.mp4"),
        (r"dog\missing.mp4", "dog/missing.mp4"),
        (r"odd\name.mp4", r"odd\name.mp4"),
        (r"C:\dog\a.mp4", "C:/dog/a.mp4"),
    ],
)
def test_separators_of_windows(tmp_path, listed, expected):
    touch(tmp_path, "dog/a.mp4", "dog/deep/b.mp4", "odd/name.mp4", r"odd\name.mp4")
    assert Disk(str(tmp_path)).find(listed) == expected


def test_tidy(tmp_path):
    touch(tmp_path, "x/a.mp4", "a.mp4", "far/off/b.mp4", "b.mp4", "far/b.mp4")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "off")
    paths = {
        "./a.mp4": "a.mp4",
        "x/../a.mp4": "a.mp4",
        "x//./a.mp4": "x/a.mp4",
        "gone/./c.mp4": "gone/c.mp4",
        "../x/a.mp4": "../x/a.mp4",
        "link/../b.mp4": "link/../b.mp4",  # That is far/b.mp4.
    }
    assert {path: tidy(str(tmp_path), path) for path in paths} == paths


def test_look_alikes():
    names = ["Dog", "dog", "cat", "air drumming", "air_drumming", "Air-Drumming", "a", "", "_"]
    assert look_alikes(names) == [
        ("Air-Drumming", "air drumming", "air_drumming"),
        ("Dog", "dog"),
    ]

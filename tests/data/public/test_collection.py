import os
import unicodedata

import pytest
from dataset_script import write

from brave_tf.data.public.collection import Collection, Excerpt
from brave_tf.errors import UserError


def collection(root, *media):
    write(root, dict.fromkeys(media, "x"))
    return Collection(str(root), "Get them there.")


@pytest.mark.parametrize(
    ("media", "stem", "folder", "expected"),
    [
        (["a/v.avi"], "v", "", "a/v.avi"),
        (["deep/down/in/here/v.mp4"], "v", "a", "deep/down/in/here/v.mp4"),
        (["a/v.avi", "b/v.avi"], "v", "b", "b/v.avi"),
        (["a/v.avi", "B/v.avi"], "v", "b", "B/v.avi"),
        (["a/v.avi", "b/v.avi"], "v", "c", "a/v.avi"),
        (["a/v.flac", "a/v.mp4"], "v", "a", "a/v.mp4"),
        (["a/v[1]&(2)!#.avi"], "v[1]&(2)!#", "a", "a/v[1]&(2)!#.avi"),
        (["a/V.avi"], "v", "", None),
        (["a/v.txt"], "v", "", None),
        (["a/.v.avi"], "v", "", None),
        ([".hidden/v.avi"], "v", "", None),
        (["a/v.x.avi"], "v", "", None),
        (["a/v.avi.mp4"], "v", "", "a/v.avi.mp4"),
        (["a/v.mp4.mkv.webm"], "v", "", "a/v.mp4.mkv.webm"),
        (["a/v.avi.mp4", "b/v.mkv"], "v", "", "b/v.mkv"),
        (["a/v.avi.mp4", "b/v.mkv"], "v", "a", "a/v.avi.mp4"),
        (["a/v.f137.mp4"], "v", "", None),
        (["a/v.mp4.part"], "v", "", None),
    ],
)
def test_media_are_found_by_name(tmp_path, media, stem, folder, expected):
    assert collection(tmp_path, *media).find(stem, folder) == expected


def test_accents_and_capitals(tmp_path):
    split = unicodedata.normalize("NFD", "é")
    found = collection(tmp_path, f"a/{split}.avi", "a/Up.avi", "b/down.avi", "b/DOWN.avi")
    assert found.find("é") == f"a/{split}.avi"
    assert found.find("uP", any_case=True) == "a/Up.avi"
    assert found.find("DOWN", any_case=True) == "b/DOWN.avi"


def test_linked_folders_are_searched_once(tmp_path):
    videos = write(tmp_path / "elsewhere", {"v.avi": "x"})
    root = tmp_path / "root"
    root.mkdir()
    os.symlink(videos, root / "videos")
    os.symlink(root, videos / "back")
    assert collection(root).find("v") == "videos/v.avi"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ab-_cdefghi_000012_000022.mp4", True),
        ("ab-_cdefghi_12_22.webm", True),
        ("ab-_cdefghi_12000_22000.mkv", True),
        ("ab-_cdefghi_000012.mp4", True),
        ("ab-_cdefghi_12.wav", True),
        ("ab-_cdefghi_12000.flac", True),
        ("ab-_cdefghi_12.000_22.000.mp4", True),
        ("Yab-_cdefghi_12000.wav", True),
        ("ab-_cdefghi_000012_000022.mp4.mkv", True),
        ("ab-_cdefghi_000012_000022.mp4.webm", True),
        ("ab-_cdefghi_12.0-22.0.wav", True),
        ("ab-_cdefghi_12-22.mp4", True),
        ("ab-_cdefghi-12-22.mp4", True),
        ("ab-_cdefghi-12_22.mp4", True),
        ("ab-_cdefghi 12-22.mp4", True),
        ("[ab-_cdefghi]-[12-22].mp4", True),
        ("ab-_cdefghi_[12-22].mp4", True),
        ("ab-_cdefghi[12-22].mp4", True),
        ("ab-_cdefghi (12-22).mp4", True),
        ("ab-_cdefghi_12.0.mp4", True),
        ("v_ab-_cdefghi_000012_000022.mp4", True),
        ("Yab-_cdefghi_12_22.wav", True),
        ("A film [ab-_cdefghi].mkv", False),
        ("Mr. Who - part 2 [ab-_cdefghi].mp4.webm", False),
        ("A film-ab-_cdefghi.mkv", False),
        ("[ab-_cdefghi].mp4", False),
        ("v_ab-_cdefghi.mp4", False),
        ("ab-_cdefghi.mp4.mkv", False),
        ("ab-_cdefghi.mp4", False),
        ("Yab-_cdefghi.wav", False),
        ("ab-_cdefghi_13_23.mp4", None),
        ("ab-_cdefghi_13.mp4", None),
        ("ab-_cdefghi_1_12_22.mp4", None),
        ("ab-_cdefghi.f137.mp4", None),
        ("Xab-_cdefghi_12_22.mp4", None),
        ("A film about ab-_cdefghi.mp4", None),
        ("ab-_cdefghi_12_23.mp4", None),
        ("AB-_cdefghi_12_22.mp4", None),
        ("ab-_cdefghi_12_22_more.mp4", None),
    ],
)
def test_names_of_excerpts(tmp_path, name, expected):
    found = collection(tmp_path, name).find_excerpt("ab-_cdefghi", 12.0, 22.0)
    assert found == ((None, False) if expected is None else (name, expected))


def test_an_excerpt_comes_before_the_whole_video_and_a_preferred_folder_first(tmp_path):
    names = ("a/v.mp4", "a/v_1_2.mp4", "b/v_1_2.mp4", "v_1/x_3_4.mp4", "x_3_4_5_6.mp4")
    found = collection(tmp_path, *names)
    assert found.find_excerpt("v", 1, 2) == ("a/v_1_2.mp4", True)
    assert found.find_excerpt("v", 1, 2, folder="b") == ("b/v_1_2.mp4", True)
    assert found.find_excerpt("v", 2, 3) == ("a/v.mp4", False)
    assert found.find_excerpt("x_3_4", 5, 6) == ("x_3_4_5_6.mp4", True)


@pytest.mark.parametrize(
    "video", ["-_bcdefgh-_", "--PJHxphWEs", "_bcdefgh_12", "bcdefghi-30", "Ybcdefghijk"]
)
def test_ids_that_begin_or_end_with_signs_and_numbers(tmp_path, video):
    names = [f"{video}_12_22.mp4", f"{video}-[30-40].mp4", f"[{video}]-[50-60].mp4", f"{video}.mp4"]
    found = collection(tmp_path, *names)
    windows = [(12, 22), (30, 40), (50, 60)]
    assert [found.find_excerpt(video, *window) for window in windows] == [
        (name, True) for name in names[:3]
    ]
    assert found.find_excerpt(video, 70, 80) == (names[3], False)


@pytest.mark.parametrize(
    ("name", "windows", "expected"),
    [
        # Whole seconds stand for a fraction, unless another window has just these.
        ("v_30_40", [(30.4, 40.4)], [True]),
        ("v_30_40", [(30.6, 40.6)], [True]),
        ("v_31_41", [(30.6, 40.6)], [True]),
        ("v_30.400_40.400", [(30.4, 40.4), (30.0, 40.0)], [True, False]),
        ("v_30_40", [(30.0, 40.0), (50.0, 60.0)], [True, False]),
        ("v_30_40", [(30.2, 40.2), (30.0, 40.0)], [False, True]),
        ("v_30000_40000", [(30.0, 40.0), (50.0, 60.0)], [True, False]),
    ],
)
def test_names_that_fit_one_window(tmp_path, name, windows, expected):
    found = collection(tmp_path, f"{name}.mp4")
    found.expect(("v", *window) for window in windows)
    assert [found.find_excerpt("v", *window)[1] for window in windows] == expected


@pytest.mark.parametrize(
    ("names", "windows"),
    [
        (["v_30"], [(30, 40), (30, 35)]),
        (["v_30_40"], [(30.2, 40.2), (30.4, 40.4)]),
        (["v_10000_20000"], [(10, 20), (10000, 20000)]),
    ],
)
def test_names_that_may_be_two_windows_are_refused(tmp_path, names, windows):
    found = collection(tmp_path, *(f"{name}.mp4" for name in names))
    found.expect(("v", *window) for window in windows)
    with pytest.raises(
        UserError, match=rf"{names[0]}.mp4 may be the window of v from .* or that from"
    ):
        found.find_excerpt("v", *windows[0])
    # With a name that says more, there is nothing to be mistaken.
    exact = "v_{:.3f}_{:.3f}".format(*windows[0])
    found = collection(tmp_path, f"{exact}.mp4")
    found.expect(("v", *window) for window in windows)
    assert found.find_excerpt("v", *windows[0]) == (f"{exact}.mp4", True)


def test_a_file_of_one_of_several_windows_may_not_be_cut(tmp_path):
    found = collection(tmp_path, "v.mp4", "w.mp4")
    found.expect([("v", 1, 2), ("v", 3, 4), ("w", 1, 2), ("w", 1, 2)])
    for video, may_be_cut in (("v", False), ("w", True)):
        clip = found.clip(Excerpt("train", video, 1, 2, ("cat",)), "missing.mp4")
        assert (clip.path, clip.labels, clip.split) == (f"{video}.mp4", ("cat",), "train")
        assert (clip.start, clip.end, clip.may_be_cut) == (1, 2, may_be_cut)


def test_annotations(tmp_path):
    write(tmp_path, {"a/list1.txt": "", "list2.txt": "", "b/list3.csv": "", "list4.mp4": ""})
    found = collection(tmp_path)
    assert found.annotations(r"list\d\..*") == {
        "list1.txt": str(tmp_path / "a" / "list1.txt"),
        "list2.txt": str(tmp_path / "list2.txt"),
        "list3.csv": str(tmp_path / "b" / "list3.csv"),
    }
    assert found.annotation("list2.txt") == str(tmp_path / "list2.txt")
    with pytest.raises(UserError, match=r"found no list9.txt there .* Get them there\."):
        found.annotation("list9.txt")


def test_one_annotation_twice_is_refused(tmp_path):
    write(tmp_path, {"a/list.txt": "", "b/list.txt": ""})
    with pytest.raises(UserError, match=r"two files list.txt: a/list.txt and b/list.txt"):
        collection(tmp_path).annotation("list.txt")


def test_no_such_folder(tmp_path):
    with pytest.raises(UserError, match=r"nowhere: no such folder. Get them there\."):
        Collection(str(tmp_path / "nowhere"), "Get them there.")

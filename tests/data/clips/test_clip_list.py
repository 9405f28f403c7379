import os
import random

import pytest
from listed_clips import make_clips, touch, write_csv

from brave_tf.data.clips.clip_list import read_clips, shuffled
from brave_tf.errors import UserError


def listing(clips):
    return [(clip.path, "|".join(clip.labels), clip.split) for clip in clips]


def test_folder_per_class(tmp_path):
    touch(tmp_path, "dog/b.mp4", "cat/a.WAV", "dog/more/c.avi", "loose.mkv")
    touch(tmp_path, "dog/notes.txt", "dog/.hidden.mp4", ".cache/d.mp4")
    clips = read_clips(str(tmp_path))
    assert listing(clips) == [
        ("cat/a.WAV", "cat", "train"),
        ("dog/b.mp4", "dog", "train"),
        ("dog/more/c.avi", "dog", "train"),
        ("loose.mkv", "", "train"),
    ]
    assert all(os.path.samefile(clip.file, tmp_path / clip.path) for clip in clips)
    assert {(clip.start, clip.end, clip.size) for clip in clips} == {(0.0, None, 1)}


def test_folders_named_like_splits(tmp_path):
    touch(tmp_path, "train/dog/a.mp4", "Val/cat/b.mp4", "test/c.mp4", "d.mp4")
    assert listing(read_clips(str(tmp_path))) == [
        ("Val/cat/b.mp4", "cat", "val"),
        ("d.mp4", "", "train"),
        ("test/c.mp4", "", "test"),
        ("train/dog/a.mp4", "dog", "train"),
    ]


def test_a_train_among_other_folders_is_a_class(tmp_path):
    touch(tmp_path, "train/a.mp4", "bus/b.mp4")
    assert listing(read_clips(str(tmp_path))) == [
        ("bus/b.mp4", "bus", "train"),
        ("train/a.mp4", "train", "train"),
    ]


def test_splits_beside_other_folders_are_refused(tmp_path):
    touch(tmp_path, "train/x/a.mp4", "test/x/b.mp4", "extras/c.mp4")
    with pytest.raises(UserError, match="'extras' is not"):
        read_clips(str(tmp_path))


def test_linked_folders_are_followed_once(tmp_path):
    touch(tmp_path, "data/dog/a.mp4")
    (tmp_path / "data" / "dog" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "cat").symlink_to(tmp_path / "elsewhere")
    touch(tmp_path, "elsewhere/b.mp4")
    assert [clip.path for clip in read_clips(str(tmp_path / "data"))] == ["cat/b.mp4", "dog/a.mp4"]


def test_broken_link_is_listed_as_missing(tmp_path):
    (tmp_path / "a.mp4").symlink_to(tmp_path / "gone")
    assert [clip.size for clip in read_clips(str(tmp_path))] == [None]


def test_folder_without_media(tmp_path):
    touch(tmp_path, "readme.txt")
    with pytest.raises(UserError, match="holds no media files .*mp4"):
        read_clips(str(tmp_path))


def test_folder_whose_name_is_no_text(tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(folder)
    with open(os.path.join(folder, b"a.mp4"), "wb"):
        pass
    (clip,) = read_clips(str(tmp_path))
    assert clip.labels == (r"caf\xe9",) and clip.size == 0


def test_folder_whose_name_is_no_line(tmp_path):
    touch(tmp_path, "big\ncat/a.mp4")
    with pytest.raises(UserError, match=r"'big\\ncat' holds a line break"):
        read_clips(str(tmp_path))


def test_input_that_is_neither_a_folder_nor_a_csv(tmp_path):
    touch(tmp_path, "a.mp4")
    for name in ("none", "a.mp4"):
        with pytest.raises(UserError, match="no such folder or CSV"):
            read_clips(str(tmp_path / name))


def test_csv(tmp_path):
    touch(tmp_path, "a.mp4", "sub/b.mp4")
    source = write_csv(
        tmp_path,
        "\ufeffsplit, path ,end,start,label,note\n"
        f"test,a.mp4,2.5,1,cat,x\n"
        f'train,{tmp_path}/sub/b.mp4,,,"dog, big",\n'
        ",gone.mp4,3,,,\n"
        "\n",
    )
    clips = read_clips(source)
    rows = [(c.path, c.start, c.end, c.labels, c.split, c.size) for c in clips]
    assert rows == [
        ("a.mp4", 1.0, 2.5, ("cat",), "test", 1),
        (f"{tmp_path}/sub/b.mp4", 0.0, None, ("dog, big",), "train", 1),
        ("gone.mp4", 0.0, 3.0, (), "train", None),
    ]
    assert clips[0].file == str(tmp_path / "a.mp4")


def test_csv_columns_by_name_and_several_labels(tmp_path):
    source = write_csv(tmp_path, 'path, tags, fold\na.mp4, "b; a;b", one\n')
    (clip,) = read_clips(source, "tags", "fold", ";")
    assert clip.labels == ("b", "a") and clip.split == "one"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column 'path' in line 1: nothing"),
        ("file,label\na,b\n", "no column 'path' in line 1: file, label"),
        ("Path,label\na,b\n", "Did you mean Path"),
        ("path,label\n", "no clips"),
        ("path,start\na.mp4,0\nb.mp4,soon\n", "line 3: column 'start' is 'soon', expected seconds"),
        ("path,start\na.mp4,-1\n", "line 2: column 'start' is '-1'"),
        ("path,end\na.mp4,nan\n", "line 2: column 'end' is 'nan'"),
        ("path,start,end\na.mp4,2,2\n", "line 2: column 'end' is 2, not after the start"),
        ("path,end\na.mp4,0\n", "line 2: column 'end' is 0"),
        ("path,label\na.mp4,b\n,c\n", "line 3: column 'path' is empty"),
        ("path,label\na.mp4,b,c\n", "line 2: more cells than the header"),
        ("path,split\na.mp4,../up\n", "line 2: column 'split' is '../up'"),
        ('path,label\na.mp4,"x\ny"\n', "column 'label' holds a line break"),
        ("path,label\na.mp4,x\u2028y\n", "line 2: column 'label' holds a line break"),
        ("path,path\na.mp4,b.mp4\n", "two columns 'path'"),
        ('path,label\na.mp4,"x\n', "not a readable CSV"),
    ],
)
def test_unusable_csv(tmp_path, text, message):
    source = write_csv(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_clips(source)
    assert message in str(caught.value) and source in str(caught.value)


def test_csv_in_another_encoding(tmp_path):
    (tmp_path / "a.csv").write_bytes("path,label\na.mp4,caf\xe9\n".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        read_clips(str(tmp_path / "a.csv"))


def test_named_column_that_is_missing(tmp_path):
    source = write_csv(tmp_path, "path,colour\na.mp4,b\n")
    with pytest.raises(UserError, match="no column 'color'.*Did you mean colour"):
        read_clips(source, label_column="color")
    with pytest.raises(UserError, match="no column 'fold'"):
        read_clips(source, split_column="fold")


@pytest.mark.parametrize(
    ("header", "options", "groups"),
    [
        ("path,group", {}, ["p 1", ""]),
        ("path,who", {"group_column": "who"}, ["p 1", ""]),
        ("path,other", {}, ["", ""]),
        # A column that is read as the label or the split already.
        ("path,group", {"label_column": "group"}, ["", ""]),
    ],
)
def test_groups(tmp_path, header, options, groups):
    source = write_csv(tmp_path, f"{header}\na.mp4, p 1\nb.mp4,\n")
    assert [clip.group for clip in read_clips(source, **options)] == groups


def test_a_column_of_groups_that_is_none(tmp_path):
    source = write_csv(tmp_path, "path,label,people\na.mp4,b,c\n")
    with pytest.raises(UserError, match="no column 'person'.*Did you mean people"):
        read_clips(source, group_column="person")
    with pytest.raises(UserError, match="column 'label' is that of the label"):
        read_clips(source, group_column="label")


def test_shuffled_mixes_and_depends_on_the_seed_alone(tmp_path):
    clips = make_clips(tmp_path)
    order = shuffled(clips, 3)
    assert order != clips and set(order) == set(clips) and len(order) == len(clips)
    assert shuffled(random.Random(0).sample(clips, len(clips)), 3) == order
    assert shuffled(clips, 4) != order
    # Any stretch holds all classes.
    assert {clip.labels[0] for clip in order[:30]} == set("abc")

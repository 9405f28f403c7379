"""Clips without splits, divided into a part for training and one for tests, or into folds."""

import collections
import dataclasses
import random

import pytest
from listed_clips import make_clips, touch, write_csv

from brave_tf.data.clips.clip_list import read_clips
from brave_tf.data.clips.division import divide, into_folds, move_to_test, together
from brave_tf.errors import UserError


def make_grouped(tmp_path, people=12, clips=5, header="path,label,group"):
    """Clips of people who do all the classes a, b and c, each in a file of its own."""
    rows = [
        f"{label}/{person}_{number}.mp4,{label},person {person}"
        for label in "abc"
        for person in range(people)
        for number in range(clips)
    ]
    return read_clips(
        write_csv(tmp_path, "\n".join([header, *rows]) + "\n"),
        group_column=header.split(",")[-1],
    )


def splits_of(clips, key):
    """Returns key of clips -> the splits that they are in."""
    found = collections.defaultdict(set)
    for clip in clips:
        found[key(clip)].add(clip.split)
    return found


def test_test_fraction_moves_whole_files_of_every_class(tmp_path):
    clips = make_clips(tmp_path)
    moved = move_to_test(clips, 0.25, seed=0)
    assert [dataclasses.replace(c, split="train") for c in moved] == clips
    files = {(clip.labels[0], clip.path, clip.split) for clip in moved}
    assert len(files) == 60, "the windows of a file must stay together"
    counts = collections.Counter((label, split) for label, _, split in files)
    assert counts == {(x, s): n for x in "abc" for s, n in (("train", 15), ("test", 5))}


def test_test_fraction_depends_on_names_and_seed_alone(tmp_path):
    clips = make_clips(tmp_path)

    def chosen(clips, seed):
        return {c.path for c in move_to_test(clips, 0.3, seed) if c.split == "test"}

    mixed = random.Random(0).sample(clips, len(clips))
    assert chosen(mixed, 0) == chosen(clips, 0)
    assert chosen(clips, 1) != chosen(clips, 0)
    assert move_to_test(clips, 0.0, 0) == clips


def test_test_fraction_leaves_something_on_both_sides(tmp_path):
    for fraction in (0.01, 0.99):
        moved = move_to_test(make_clips(tmp_path, per_class=3), fraction, 0)
        assert {(c.labels[0], c.split) for c in moved} == {
            (x, s) for x in "abc" for s in ("train", "test")
        }
    alone = move_to_test(make_clips(tmp_path, per_class=1), 0.5, 0)
    assert {clip.split for clip in alone} == {"train"}


def test_test_fraction_needs_an_input_without_tests(tmp_path):
    clips = read_clips(write_csv(tmp_path, "path,split\na.mp4,test\nb.mp4,train\n"))
    with pytest.raises(UserError, match="has a split 'test' already"):
        move_to_test(clips, 0.5, 0)


def test_test_fraction_moves_whole_groups(tmp_path):
    clips = make_grouped(tmp_path)
    moved = move_to_test(clips, 0.25, seed=0)
    by_group = splits_of(moved, lambda clip: clip.group)
    assert all(len(splits) == 1 for splits in by_group.values())
    assert sorted(map(sorted, by_group.values())) == [["test"]] * 3 + [["train"]] * 9
    counts = collections.Counter((clip.labels[0], clip.split) for clip in moved)
    assert counts == {(x, s): n for x in "abc" for s, n in (("train", 45), ("test", 15))}


@pytest.mark.parametrize("count", [2, 5, 7])
def test_folds_have_their_share_of_every_class_and_divide_no_file(tmp_path, count):
    clips = make_clips(tmp_path)
    divided = into_folds(clips, count, seed=0)
    assert [dataclasses.replace(clip, split="train") for clip in divided] == clips
    assert {clip.split for clip in divided} == {f"fold{n}" for n in range(1, count + 1)}
    assert all(len(splits) == 1 for splits in splits_of(divided, lambda c: c.path).values())
    files = {(clip.labels[0], clip.path, clip.split) for clip in divided}
    counts = collections.Counter((label, split) for label, _, split in files)
    assert set(counts.values()) <= {20 // count, 20 // count + 1}
    assert len(counts) == 3 * count


def test_folds_depend_on_the_clips_and_the_seed_alone(tmp_path):
    clips = make_clips(tmp_path)

    def folds(clips, seed):
        return {(clip.path, clip.start, clip.split) for clip in into_folds(clips, 5, seed)}

    mixed = random.Random(0).sample(clips, len(clips))
    assert folds(mixed, 3) == folds(clips, 3)
    assert folds(clips, -1) != folds(clips, 3)


@pytest.mark.parametrize("header", ["path,label,group", "path,label,subject"])
def test_folds_divide_no_group(tmp_path, header):
    divided = into_folds(make_grouped(tmp_path, header=header), 4, seed=0)
    by_group = splits_of(divided, lambda clip: clip.group)
    assert len(by_group) == 12
    assert all(len(splits) == 1 for splits in by_group.values())
    counts = collections.Counter((clip.labels[0], clip.split) for clip in divided)
    assert counts == {(label, f"fold{n}"): 15 for label in "abc" for n in range(1, 5)}


def test_clips_without_a_label_are_spread(tmp_path):
    rows = "".join(f"{number}.mp4\n" for number in range(23))
    divided = into_folds(read_clips(write_csv(tmp_path, f"path\n{rows}")), 5, seed=0)
    counts = collections.Counter(clip.split for clip in divided)
    assert sorted(counts.values()) == [4, 4, 5, 5, 5]


def test_classes_of_fewer_clips_than_folds_are_spread_as_far_as_they_go(tmp_path, recwarn):
    rows = "".join(f"{number}.mp4,often\n" for number in range(10)) + "x.mp4,rare\ny.mp4,rare\n"
    divided = into_folds(read_clips(write_csv(tmp_path, f"path,label\n{rows}")), 5, seed=0)
    assert len({clip.split for clip in divided if clip.labels == ("rare",)}) == 2
    assert not [each for each in recwarn if "populated" in str(each.message)]


def test_files_and_groups_connect_clips(tmp_path):
    rows = ["a.mp4,one", "b.mp4,", "a.mp4,two", "c.mp4,two", "d.mp4,", "./b.mp4,", "e.mp4,three"]
    clips = read_clips(write_csv(tmp_path, "\n".join(["path,group", *rows])))
    assert together(clips) == [0, 1, 0, 0, 2, 1, 3]
    assert together([]) == []


def test_links_to_a_file_are_that_file(tmp_path):
    touch(tmp_path, "a.mp4", "b.mp4")
    (tmp_path / "c.mp4").symlink_to(tmp_path / "a.mp4")
    clips = read_clips(str(tmp_path))
    assert [clip.path for clip in clips] == ["a.mp4", "b.mp4", "c.mp4"]
    assert together(clips) == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "count", "said"),
    [
        ("path\na.mp4\nb.mp4\n", 1, "folds = 1: expected 2 or more"),
        ("path\na.mp4\nb.mp4\n", -5, "folds = -5: expected 2 or more"),
        ("path\na.mp4\nb.mp4\n", 3, "of 2 files or groups"),
        ("path,group\na.mp4,x\nb.mp4,x\nc.mp4,\n", 3, "of 2 files or groups"),
        ("path,split\na.mp4,val\nb.mp4,train\n", 2, "the splits train, val already"),
        ("path,label\na.mp4,x\nb.mp4,y\nc.mp4,x\n", 3, "no class has more than 2 clips"),
    ],
)
def test_folds_that_cannot_be_made(tmp_path, text, count, said):
    with pytest.raises(UserError, match=said):
        into_folds(read_clips(write_csv(tmp_path, text)), count, 0)


def test_one_split_of_any_name_becomes_folds(tmp_path):
    clips = read_clips(write_csv(tmp_path, "path,split\na.mp4,all\nb.mp4,all\n"))
    assert sorted(clip.split for clip in into_folds(clips, 2, 0)) == ["fold1", "fold2"]


def test_one_way_to_divide_at_a_time(tmp_path):
    clips = make_clips(tmp_path)
    assert divide(clips) == clips
    assert divide(clips, test_fraction=0.3, seed=4) == move_to_test(clips, 0.3, 4)
    assert divide(clips, folds=3, seed=4) == into_folds(clips, 3, 4)
    with pytest.raises(UserError, match=r"folds = 5: a share of 0\.3 for tests"):
        divide(clips, test_fraction=0.3, folds=5)

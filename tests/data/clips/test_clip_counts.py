from brave_tf.data.clips import clip_counts
from brave_tf.data.clips.clip_list import make_clip


def folded(*clips):
    return [make_clip("", f"{i}.mp4", labels=[a], split=s) for i, (a, s) in enumerate(clips)]


def test_classes_that_are_in_one_fold_are_named():
    mixed = [("a", "fold1"), ("a", "fold2"), ("b", "fold2"), ("b", "fold2")]
    (said,) = clip_counts.suspicions(folded(*mixed))
    assert said.startswith("labels whose clips are all in one fold: 'b';")
    assert not list(clip_counts.suspicions(folded(*mixed[:2])))
    assert not list(clip_counts.suspicions(folded(("a", "train"), ("b", "test"))))
    many = [(str(number), "fold1") for number in range(7)]
    (said,) = clip_counts.suspicions(folded(*mixed[:2], *many))
    assert "'0', '1', '2', '3', '4' and 2 more" in said


def test_missing_files_are_named_once_and_not_without_end(tmp_path):
    clips = [
        make_clip(str(tmp_path), f"{number:02}.mp4", labels=("wave", "nod"), start=start)
        for number in range(25)
        for start in (0.0, 1.0)
    ]
    (tmp_path / "a.mp4").touch()
    clips += [make_clip(str(tmp_path), "a.mp4", split="test")]
    assert list(clip_counts.lines(clips)) == [
        "test: 1 clips, 0 labels",
        "  (none) 1",
        "train: 50 clips (50 of missing files), 2 labels",
        "  nod  50 (50 of missing files)",
        "  wave 50 (50 of missing files)",
        *(f"missing: {number:02}.mp4" for number in range(20)),
        "missing: 5 more files",
    ]
    assert list(clip_counts.missing(clips)) == ["train: 50 of 50 clips are of missing files"]

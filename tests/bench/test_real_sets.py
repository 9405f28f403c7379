import collections
import csv

import pytest

from bench import real_sets
from brave_tf.errors import UserError


def write_list(folder, name, columns, rows, file="clips.csv"):
    (folder / name).mkdir(exist_ok=True)
    lines = [columns, *rows]
    (folder / name / file).write_text("\n".join(",".join(map(str, line)) for line in lines) + "\n")


def test_clips_of_consecutive_numbers_share_a_fold(tmp_path):
    rows = [(f"{label}_{n}.mp4", label) for n in range(12, 0, -1) for label in ("up", "down")]
    write_list(tmp_path, "egogestar", ("path", "label"), rows)
    clips = real_sets.read(tmp_path, real_sets.SETS["egogestar"])
    assert [clip["path"] for clip in clips] == [
        str(tmp_path / "egogestar" / path) for path, _ in rows
    ]
    for label in ("up", "down"):
        folds = {
            int(clip["path"].rsplit("_", 1)[1][:-4]): clip["split"]
            for clip in clips
            if clip["label"] == label
        }
        in_order = [folds[number] for number in range(1, 13)]
        assert in_order == sorted(in_order)
        assert set(in_order) == {f"fold{n}" for n in range(1, 6)}


def test_a_subject_is_in_one_fold(tmp_path):
    rows = [(f"{s}_{t}.mp4", "wave", s) for s in range(1, 9) for t in range(2)]
    write_list(tmp_path, "utd_mhad_rgb5", ("path", "label", "subject"), rows)
    clips = real_sets.read(tmp_path, real_sets.SETS["utd"])
    folds = {row[2]: set() for row in rows}
    for row, clip in zip(rows, clips):
        folds[row[2]].add(clip["split"])
    assert all(len(found) == 1 for found in folds.values())
    assert set().union(*folds.values()) == {f"fold{n}" for n in range(1, 6)}


@pytest.fixture
def words(tmp_path):
    columns = ("path", "start_s", "end_s", "slot", "word", "split")
    rows = [
        ("a.mp4", 0.5, 0.75, "command", "bin", "train"),
        ("a.mp4", 1.5, 1.75, "digit", "two", "train"),
        ("b.mp4", 0.0, 0.2, "command", "set", "test"),
    ]
    write_list(tmp_path, "grid_s1_words", columns, rows, file="words.csv")
    (tmp_path / "grid_s1").mkdir()
    return tmp_path


def test_words_of_a_slot_are_clips_of_one_length(words):
    first, second = real_sets.read(words, real_sets.SETS["command"])
    assert first == {
        "path": str(words / "grid_s1" / "a.mp4"),
        "label": "bin",
        "split": first["split"],
        "start": "0.425",
        "end": "0.825",
    }
    # Nothing is before the start of the file.
    assert (second["label"], second["start"], second["end"]) == ("set", "0.000", "0.400")


def test_sentences_are_what_is_spoken(words):
    first, second = real_sets.read(words, real_sets.SETS["sentences"])
    assert first == {
        "path": str(words / "grid_s1" / "a.mp4"),
        "label": "",
        "split": first["split"],
        "start": "0.500",
        "end": "1.750",
    }
    assert (second["start"], second["end"]) == ("0.000", "0.200")


def test_words_are_in_the_fold_of_their_sentence(words):
    fold = {
        clip["path"]: clip["split"] for clip in real_sets.read(words, real_sets.SETS["sentences"])
    }
    assert sorted(fold.values()) == ["fold1", "fold2"]
    for slot in ("command", "digit"):
        for clip in real_sets.read(words, real_sets.SETS[slot]):
            assert clip["split"] == fold[clip["path"]]


def test_a_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"esc50/clips.csv was not found: --data"):
        real_sets.read(tmp_path, real_sets.SETS["esc50"])


def test_lists_are_read_again_as_they_were_written(tmp_path):
    rows = [{"path": "/a,b.mp4", "label": "", "split": "fold1"}]
    path = real_sets.write(tmp_path / "new" / "clips.csv", rows)
    with open(path, newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == rows


def test_real_lists(shared_dir):
    sizes = {"egogestar": 237, "tennis7": 371, "utd": 160, "esc50": 2000, "sentences": 1000}
    for name, size in {**sizes, "digit": 1000}.items():
        clips = real_sets.read(shared_dir / "data", real_sets.SETS[name])
        assert len(clips) == size
        assert {clip["split"] for clip in clips} == {f"fold{n}" for n in range(1, 6)}
    counts = collections.Counter((clip["label"], clip["split"]) for clip in clips)
    assert max(counts.values()) < 3 * min(counts.values())

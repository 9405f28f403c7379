"""What is found in folders of records that something was done to."""

import json
import shutil

import inspected
import numpy as np
import pytest
import tensorflow as tf
from inspected import check, clip, found

from brave_tf.data.records import fields as record_fields
from brave_tf.errors import UserError
from brave_tf.inspection.findings import MAX_EXAMPLES, Findings


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return inspected.good(tmp_path_factory.mktemp("inspected") / "records")


@pytest.fixture
def folder(good, tmp_path):
    return shutil.copytree(good, tmp_path / "records")


def shard(folder, number=0, split="train"):
    return folder / f"{split}-{number:05d}-of-00002.tfrecord"


def change_description(folder, change):
    description = json.loads((folder / "dataset.json").read_text())
    change(description)
    (folder / "dataset.json").write_text(json.dumps(description))


@pytest.mark.parametrize("workers", [1, 3])
def test_nothing_is_found_where_nothing_is_wrong(good, workers):
    facts = check(good, workers=workers)
    assert found(facts) == {}
    train = facts.splits["train"].as_dict(facts.label_names)
    assert train["clips"] == train["with_rgb"] == train["with_flow"] == train["with_audio"] == 6
    assert train["labels"] == {"cat": 3, "dog": 3}
    assert train["durations"] == {"min": 1.0, "median": 1.0, "max": 1.0}
    assert (train["frame_rates"], train["sample_rates"]) == ({"5": 6}, {"8000": 6})
    assert train["frame_sizes"] == {"16x24": 6}
    assert train["bytes"] == sum(shard(good, n).stat().st_size for n in (0, 1))
    assert facts.splits["test"].clips == 4


def test_one_split_can_be_chosen(good):
    assert list(check(good, ["test"]).splits) == ["test"]
    with pytest.raises(UserError, match="Did you mean test"):
        check(good, ["tset"])


def test_records_without_a_description(good, tmp_path):
    for path in good.glob("*.tfrecord"):
        shutil.copy(path, tmp_path)
    facts = check(tmp_path)
    assert {kind for kind, _ in found(facts)} == {"index_missing"}
    assert facts.splits["train"].clips == 6
    assert facts.label_names == {0: "0", 1: "1"}
    shard(tmp_path, 1).unlink()
    missing = found(check(tmp_path))[("shard_missing", "train")]
    assert missing == ["train-00001-of-00002.tfrecord"]


def test_missing_and_unlisted_shards(folder):
    shutil.move(shard(folder), folder / "stray.tfrecord")
    places = found(check(folder))
    assert places[("shard_missing", "train")] == ["train-00000-of-00002.tfrecord"]
    assert places[("shard_unlisted", "the folder")] == ["stray.tfrecord"]
    assert places[("count_differs", "train")] == [
        "3 clips in all, not 6",
        "3 clips with rgb, not 6",
        "3 clips with flow, not 6",
        "3 clips with audio, not 6",
    ]


def test_a_truncated_shard(folder):
    data = shard(folder).read_bytes()
    shard(folder).write_bytes(data[:-100])
    facts = check(folder)
    kinds = {kind for kind, _ in found(facts)}
    assert kinds == {"shard_truncated", "shard_bytes", "shard_checksum", "count_differs"}
    (example,) = found(facts)[("shard_truncated", "train")]
    assert example.startswith("train-00000-of-00002.tfrecord record 2: ")
    assert facts.splits["train"].clips == 5


def test_a_flipped_bit_in_a_record(folder):
    data = bytearray(shard(folder).read_bytes())
    data[len(data) // 2] ^= 1
    shard(folder).write_bytes(data)
    places = found(check(folder))
    (example,) = places[("record_damaged", "train")]
    assert example.startswith("train-00000-of-00002.tfrecord record 1: ")
    assert ("shard_checksum", "train") in places
    assert ("shard_bytes", "train") not in places


def test_another_good_shard_in_its_place_has_another_checksum(folder):
    records = [clip(n) for n in (0, 2, 8)]
    inspected.record_fixtures.write_shards(folder / "new", records)
    shutil.move(next((folder / "new").glob("*.tfrecord")), shard(folder))
    assert ("shard_checksum", "train") in found(check(folder))


def test_records_that_are_none(tmp_path):
    other = tf.train.SequenceExample()
    other.context.feature[record_fields.PATH].int64_list.value.append(1)
    records = [clip(0), b"no record", other.SerializeToString(), b"", clip(1)]
    inspected.record_fixtures.write_shards(tmp_path, records, described=False)
    places = found(check(tmp_path))
    unreadable = places[("record_unreadable", "train")]
    assert [text.split(":")[0].split()[-1] for text in unreadable] == ["1", "2"]
    (empty,) = places[("record_empty", "train")]
    assert "record 3" in empty


def test_what_single_clips_lack_is_named_with_its_place(tmp_path):
    silent = clip(2, audio=np.zeros(8000, np.float32), labels=[0])
    wrong = clip(3, labels=[7])
    inspected.write(tmp_path, train=[clip(0), clip(1), silent, wrong, clip(4, flow=None)])
    places = found(check(tmp_path))
    assert places[("silent", "train")] == ["train-00000-of-00002.tfrecord record 1 (clip_2.mp4)"]
    (label,) = places[("label_range", "train")]
    assert label == (
        "train-00001-of-00002.tfrecord record 1 (clip_3.mp4): index 7, labels.txt has 2 labels"
    )
    (missing,) = places[("modality_missing", "train")]
    assert missing.endswith("record 2 (clip_4.mp4): no flow")


def test_clips_in_two_splits_are_a_leak(tmp_path):
    train, test = [clip(0), clip(1), clip(2)], [clip(1), clip(5), clip(2, path="renamed.mp4")]
    inspected.write(tmp_path, train=train, test=test)
    facts = check(tmp_path)
    places = found(facts)
    (leak,) = places[("leak", "test + train")]
    assert leak.count("clip_1.mp4") == 2
    assert "test: test-00000" in leak and "train: train-00001" in leak
    (same,) = places[("leak_content", "test + train")]
    assert "renamed.mp4" in same and "clip_2.mp4" in same
    assert facts.findings.problems == 2


def test_a_clip_twice_in_a_split_is_a_note(tmp_path):
    inspected.write(tmp_path, train=[clip(0), clip(1), clip(0), clip(0)])
    facts = check(tmp_path)
    (finding,) = [f for f in facts.findings if f.kind == "duplicate"]
    assert (finding.count, finding.split) == (2, "train")
    assert facts.findings.problems == 0


def started(number, microseconds):
    example = tf.train.SequenceExample.FromString(clip(number, path="long.mp4"))
    example.context.feature[record_fields.START].int64_list.value.append(microseconds)
    return example.SerializeToString()


def test_parts_of_one_file_in_two_splits_are_a_note(tmp_path):
    records = {"train": [started(0, 0), clip(1)], "test": [started(2, 10_000_000), clip(3)]}
    inspected.write(tmp_path, **records)
    facts = check(tmp_path)
    assert ("shared_file", "test + train") in found(facts)
    assert facts.findings.problems == 0


def test_still_and_silent_clips_are_no_leak(tmp_path):
    grey = inspected.record_fixtures.jpeg(np.full((16, 24, 3), 90, np.uint8))
    still = {"images": [grey] * 5, "flow": None, "audio": np.zeros(8000, np.float32)}
    inspected.write(tmp_path, train=[clip(0, **still)], test=[clip(1, **still)])
    assert check(tmp_path).findings.problems == 0


def test_rates_that_differ(tmp_path):
    odd = clip(2, sample_rate=16000.0, audio=np.full(16000, 0.1))
    inspected.write(tmp_path, train=[clip(0), clip(1), odd])
    places = found(check(tmp_path))
    assert places[("rates_differ", "train")] == ["2 at 8000 Hz, 1 at 16000 Hz"]
    assert places[("rate_setting", "train")] == ["1 clips at 16000 Hz, not 8000"]


def test_durations_far_from_the_median(tmp_path):
    jpeg = inspected.record_fixtures.jpeg(np.zeros((16, 24, 3), np.uint8))
    long = clip(4, images=[jpeg] * 15, flow=None, audio=None)
    inspected.write(tmp_path, train=[*(clip(n) for n in range(4)), long])
    (example,) = found(check(tmp_path))[("duration", "train")]
    assert example.endswith("(clip_4.mp4): 3.00 s")


def test_labels(tmp_path):
    records = [clip(2 * n) for n in range(11)] + [clip(1), clip(30, labels=[])]
    inspected.write(tmp_path, train=records, test=[clip(40)])
    places = found(check(tmp_path))
    assert places[("label_balance", "train")] == ["11 of 'cat', 1 of 'dog'"]
    assert places[("label_absent", "test")] == ["dog"]
    assert len(places[("unlabelled", "train")]) == 1


def test_label_counts_and_texts_are_compared_with_what_is_written(folder):
    def change(description):
        description["splits"]["train"]["labels"] = {"cat": 5, "dog": 1}
        description["splits"]["train"]["seconds"] = 60.0

    change_description(folder, change)
    assert found(check(folder)) == {
        ("count_differs", "train"): [
            "6.0 s, not 60.0",
            "3 clips of 'cat', not 5",
            "3 clips of 'dog', not 1",
        ]
    }
    example = tf.train.SequenceExample.FromString(clip(0))
    example.context.feature[record_fields.LABEL_TEXT].bytes_list.value.append(b"cow")
    inspected.write(folder / "text", train=[example.SerializeToString(), clip(1)])
    (text,) = found(check(folder / "text"))[("label_text", "train")]
    assert text.endswith("index 0 is 'cow' here, 'cat' there")


def test_examples_are_bounded_and_counted():
    findings, more = Findings(), Findings()
    for number in range(MAX_EXAMPLES):
        findings.add("silent", "train", f"clip {number}")
    findings.add("silent", "train", lambda: pytest.fail("this place is not kept"), 4)
    more.add("silent", "train", "another clip")
    more.add("leak", "train", lambda: "a clip")
    findings.merge(more)
    problem, note = findings
    assert (problem.kind, problem.examples, note.kind) == ("leak", ["a clip"], "silent")
    assert (note.count, len(note.examples)) == (MAX_EXAMPLES + 5, MAX_EXAMPLES)
    assert note.line().startswith(
        "note: clips with silent sound (25 in train): clip 0; clip 1; clip 2; "
    )
    assert "and 22 more" in note.line()


def test_a_shard_without_a_record(folder):
    (folder / "dataset.json").unlink()
    shard(folder).write_bytes(b"")
    (example,) = found(check(folder))["shard_damaged", "train"]
    assert "0 bytes, no record" in example


def test_windows_of_one_file_are_not_one_clip(tmp_path):
    """The same start does not make them one, another form of the same name does."""
    noise = iter(range(9))

    def window(end, path="caf\u00e9.mp4"):
        return clip(next(noise), path=path, window=(0, end))

    train = [window(1_000_000), window(2_000_000)]
    apart = {"train": train, "test": [window(3_000_000), window(4_000_000)]}
    kinds = {kind for kind, _ in found(check(inspected.write(tmp_path / "apart", **apart)))}
    assert "shared_file" in kinds and not {"leak", "duplicate"} & kinds
    leaking = {"train": train, "test": [window(2_000_000, "cafe\u0301.mp4"), window(3_000_000)]}
    assert ("leak", "test + train") in found(check(inspected.write(tmp_path / "leak", **leaking)))

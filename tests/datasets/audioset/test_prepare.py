import json

import pytest
from dataset_script import listing, load, write

from brave_tf.errors import UserError

COMMENTS = """# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=22160, num_segs=22160, num_unique_labels=527, num_positive_labels=52882
# YTID, start_seconds, end_seconds, positive_labels
"""
LABELS = """index,mid,display_name
0,/m/09x0r,"Speech"
1,/m/05zppz,"Male speech, man speaking"
2,/m/0k4j,"Car"
"""
ONTOLOGY = [
    {"id": "/m/09x0r", "name": "Speech", "child_ids": ["/m/05zppz"]},
    {"id": "/m/05zppz", "name": "Male speech, man speaking", "child_ids": []},
    {"id": "/m/0k4j", "name": "Car", "child_ids": []},
]
SEGMENTS = {
    "balanced_train_segments.csv": '--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/m/05zppz"\n'
    '-abcdefgh_1, 0.000, 10.000, "/m/0k4j"\n',
    "unbalanced_train_segments.csv": 'ABCDEFGHIJK, 120.000, 130.000, "/m/0k4j,/m/09x0r"\n',
    "eval_segments.csv": 'YbcdefghijK, 5.000, 15.000, "/m/05zppz"\n',
}


def read_clips(root):
    return load("audioset").read_clips(str(root))


@pytest.fixture
def official(tmp_path):
    segments = {f"csv/{name}": COMMENTS + text for name, text in SEGMENTS.items()}
    return write(tmp_path, {**segments, "csv/class_labels_indices.csv": LABELS})


def test_official_files(official):
    media = (
        "a/--PJHxphWEs_30000.mp4",
        "b/Y-abcdefgh_1.wav",
        "c/ABCDEFGHIJK_120_130.flac",
    )
    write(official, dict.fromkeys(media, "x"))
    speech = ("Speech", "Male speech, man speaking")
    clips = read_clips(official)
    assert sorted(listing(clips)) == [
        (media[0], speech, "balanced_train", 0.0, None, True),
        (media[1], ("Car",), "balanced_train", 0.0, 10.0, True),
        (media[2], ("Car", "Speech"), "unbalanced_train", 0.0, None, True),
        ("eval_segments/YbcdefghijK_5.mp4", speech[1:], "eval", 5.0, 15.0, False),
    ]
    assert [clip.may_be_cut for clip in sorted(clips, key=lambda c: c.path)] == [0, 1, 0, 1]


def test_the_ontology_will_do_for_names(official):
    expected = listing(read_clips(official))
    (official / "csv" / "class_labels_indices.csv").unlink()
    write(official, {"ontology.json": json.dumps(ONTOLOGY)})
    assert listing(read_clips(official)) == expected


def test_labels_of_one_name_are_told_apart(official):
    write(official, {"csv/class_labels_indices.csv": LABELS.replace('"Car"', '"Speech"')})
    labels = {label for clip in read_clips(official) for label in clip.labels}
    assert labels == {"Speech (/m/09x0r)", "Speech (/m/0k4j)", "Male speech, man speaking"}


def test_any_of_the_lists_will_do(tmp_path):
    write(tmp_path, {"class_labels_indices.csv": LABELS})
    with pytest.raises(
        UserError, match=r"found no balanced_train_segments.csv .*audioset/download"
    ):
        read_clips(tmp_path)
    write(tmp_path, {"eval_segments.csv": COMMENTS + SEGMENTS["eval_segments.csv"]})
    assert [clip.split for clip in read_clips(tmp_path)] == ["eval"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("abc, 1.0, 11.0, /m/09x0r,/m/0k4j", "line 4: expected: YTID, start, end"),
        ("abc, 1.0", "line 4: expected: YTID, start, end"),
        ('abc, ten, 20, "/m/09x0r"', "line 4: from 'ten' to '20'"),
        ('abc, 10, 20, "/m/09x0r,/m/none"', "line 4: the label id '/m/none' has no name"),
        ('abc, 10, 20, ""', "line 4: the label id '' has no name"),
    ],
)
def test_malformed_rows(official, row, message):
    write(official, {"csv/eval_segments.csv": f"{COMMENTS}{row}\n"})
    with pytest.raises(UserError, match=f"eval_segments.csv: {message}"):
        read_clips(official)


@pytest.mark.parametrize("text", ["", "[1]", '[{"id": "/m/09x0r"}]', '{"id": "name"}'])
def test_a_damaged_ontology(official, text):
    (official / "csv" / "class_labels_indices.csv").unlink()
    with pytest.raises(UserError, match="found no class_labels_indices.csv, and no ontology.json,"):
        read_clips(official)
    write(official, {"ontology.json": text})
    with pytest.raises(UserError, match="ontology.json: "):
        read_clips(official)

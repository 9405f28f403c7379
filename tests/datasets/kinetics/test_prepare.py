import pytest
from dataset_script import listing, load, write

from brave_tf.errors import UserError

HEADER = "label,youtube_id,time_start,time_end,split\n"


@pytest.fixture(params=["kinetics400", "kinetics600"])
def read_clips(request):
    return lambda root: load(request.param).read_clips(str(root))


def test_official_files(tmp_path, read_clips):
    videos = (
        "train/--aBc_dEf-1_000012_000022.mp4",  # flat
        "val/air_drumming/_axE99QAhe8_000026_000036.mkv",  # by class
        "test/Zz3456789-_.webm",  # not cut
    )
    write(tmp_path, dict.fromkeys(videos, "x"))
    annotations = {
        "annotations/train.csv": HEADER
        + "abseiling,--aBc_dEf-1,12,22,train\n"
        + '"massaging person\'s head",gone-------,3,13,train\n',
        "annotations/validate.csv": "label,youtube_id,time_start,time_end,split,is_cc\n"
        + '"air drumming",_axE99QAhe8,26,36,validate,0\n',
        "annotations/test.csv": "youtube_id,time_start,time_end,split\nZz3456789-_,7,17,test\n",
    }
    write(tmp_path, annotations)
    clips = read_clips(tmp_path)
    assert sorted(listing(clips)) == [
        ("test/Zz3456789-_.webm", (), "test", 7.0, 17.0, True),
        (videos[0], ("abseiling",), "train", 0.0, None, True),
        (
            "train/gone-------_000003_000013.mp4",
            ("massaging person's head",),
            "train",
            3.0,
            13.0,
            False,
        ),
        (videos[1], ("air drumming",), "val", 0.0, None, True),
    ]
    assert [clip.path for clip in clips if clip.may_be_cut and clip.size] == [
        "test/Zz3456789-_.webm"
    ]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train.csv", "train"),
        ("val.txt", "val"),
        ("validate.csv", "val"),
        ("kinetics_val.csv", "val"),
        ("kinetics-400_train.csv", "train"),
        ("kinetics600_test.csv", "test"),
        ("k600_validate.csv", "val"),
    ],
)
def test_names_of_annotation_files(tmp_path, read_clips, name, split):
    write(tmp_path, {name: HEADER + "a b,id,1,11,any\n", "k400_train_path.txt": "x"})
    assert [(clip.split, clip.labels) for clip in read_clips(tmp_path)] == [(split, ("a b",))]


def test_repeated_rows_and_replaced_videos(tmp_path, read_clips):
    row = "zumba,v,22,32,train\n"
    better = "replacement/replacement_for_corrupted_k400/v_000022_000032.mp4"
    write(tmp_path, {"train.csv": HEADER + row + row, "a/v_000022_000032.mp4": "", better: "x"})
    assert [clip.path for clip in read_clips(tmp_path)] == [better]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {},
            "found no train.csv, val.csv, validate.csv or test.csv there .*github.com/cvdfoundation",
        ),
        ({"train.csv": "label,id\n"}, "train.csv: line 1: no column 'youtube_id' among label, id"),
        ({"train.csv": HEADER + "a,,1,2,train\n"}, "line 2: column 'youtube_id' is empty"),
        ({"train.csv": HEADER + "a,v,9,2,train\n"}, "line 2: from '9' to '2', expected seconds"),
        ({"train.csv": HEADER + "a,v,,,train\n"}, "line 2: from '' to ''"),
        ({"train.csv": HEADER + "a,v,1\n"}, "line 2: 3 cells, the header has 5"),
        ({"a/val.csv": HEADER, "b/validate.csv": HEADER}, "both list the split val"),
    ],
)
def test_unusable_folders(tmp_path, read_clips, files, message):
    write(tmp_path, files)
    with pytest.raises(UserError, match=message):
        read_clips(tmp_path)


@pytest.mark.parametrize(("name", "classes"), [("kinetics400", 400), ("kinetics600", 600)])
def test_annotations_of_another_kinetics(tmp_path, name, classes):
    rows = [f"class {i},v{i},1,2,train" for i in range(classes + 1)]
    write(tmp_path, {"train.csv": HEADER + "\n".join(rows[:-1])})
    assert len(load(name).read_clips(str(tmp_path))) == classes
    write(tmp_path, {"train.csv": HEADER + "\n".join(rows)})
    with pytest.raises(UserError, match=f"name {classes + 1} classes, Kinetics-{classes} has"):
        load(name).read_clips(str(tmp_path))

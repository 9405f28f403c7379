import pytest
from dataset_script import listing, load, write

from brave_tf.errors import UserError

FOLDER = "testTrainMulti_7030_splits"
ODD = "#437_How_To_(Ride)_A_Bike&Co!_ride_bike_f_cm_np1_ba_med_0"


def read_clips(root):
    return load("hmdb51").read_clips(str(root))


def lists(label, *splits):
    return {f"{FOLDER}/{label}_test_split{i}.txt": text for i, text in enumerate(splits, start=1)}


@pytest.fixture
def official(tmp_path):
    ride = (f"{ODD}.avi 1 \nb.avi 2 \nc.avi 0 \n", f"{ODD}.avi 2 \nb.avi 1 \n", f"{ODD}.avi 1 \n")
    wave = ("d.avi 1\nwith space.avi 2\n", "d.avi 1\nwith space.avi 0\n", "d.avi 1\n")
    return write(tmp_path, {**lists("ride_bike", *ride), **lists("wave", *wave)})


def test_roles_in_the_three_splits_become_one(official):
    media = (f"videos/ride_bike/{ODD}.avi", "videos/wave/with space.mp4", "videos/wave/b.avi")
    write(official, dict.fromkeys((*media, "videos/ride_bike/b.avi", "not_listed/e.avi"), "x"))
    assert listing(read_clips(official)) == [
        (media[0], ("ride_bike",), "train-test-train", 0.0, None, True),
        ("videos/ride_bike/b.avi", ("ride_bike",), "test-train-unused", 0.0, None, True),
        ("ride_bike/c.avi", ("ride_bike",), "unused-unused-unused", 0.0, None, False),
        ("wave/d.avi", ("wave",), "train-train-train", 0.0, None, False),
        (media[1], ("wave",), "test-unused-unused", 0.0, None, True),
    ]


def test_a_list_is_missing(tmp_path, official):
    (official / FOLDER / "wave_test_split3.txt").unlink()
    with pytest.raises(
        UserError, match=r"found no wave_test_split3.txt there .*test_train_splits.rar"
    ):
        read_clips(official)
    with pytest.raises(UserError, match=r"found no <class>_test_split1.txt, .*serre-lab"):
        read_clips(write(tmp_path / "empty", {"a.avi": "x"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("d.avi 1\n\ne.avi 3\n", "line 3: 'e.avi 3', expected a video and 0, 1 or 2"),
        ("d.avi\n", "line 1: 'd.avi', expected a video"),
        ("1\n", "line 1: '1', expected a video"),
        ("d.avi 1\nd.avi 2\n", "line 2: 'd.avi' has another role further up"),
        ("\n", "is empty"),
    ],
)
def test_malformed_lists(official, text, message):
    write(official, {f"{FOLDER}/wave_test_split2.txt": text})
    with pytest.raises(UserError, match=f"wave_test_split2.txt: {message}"):
        read_clips(official)

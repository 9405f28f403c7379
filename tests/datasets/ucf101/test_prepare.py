import pytest
from dataset_script import listing, load, write

from brave_tf.errors import UserError

CLASSES = "1 Diving\n37 HandstandPushups\n"
STAND, UP = "HandstandPushups/v_HandStandPushups_g01_c01.avi", "Diving/v_Diving_g{:02d}_c01.avi"


def read_clips(root):
    return load("ucf101").read_clips(str(root))


@pytest.fixture
def official(tmp_path):
    """Group 1 is tested in the first list, 2 in the second, 3 in the third, 4 never."""
    files = {"ucfTrainTestlist/classInd.txt": CLASSES}
    for number in (1, 2, 3):
        groups = [group for group in (1, 2, 3, 4) if group != number]
        train = [f"{UP.format(group)} 1" for group in groups]
        test = [UP.format(number)]
        (test if number == 1 else train).append(STAND if number == 1 else f"{STAND} 37")
        files[f"ucfTrainTestlist/trainlist0{number}.txt"] = "\r\n".join(train) + "\r\n"
        files[f"ucfTrainTestlist/testlist0{number}.txt"] = "\r\n".join(test) + "\r\n"
    return write(tmp_path, files)


def test_roles_in_the_three_lists_become_one(official):
    capitals = "UCF-101/HandStandPushups/v_HandstandPushups_g01_c01.avi"
    write(official, {capitals: "x", f"UCF-101/{UP.format(2)}": "x"})
    assert listing(read_clips(official)) == [
        (UP.format(1), ("Diving",), "test-train-train", 0.0, None, False),
        (f"UCF-101/{UP.format(2)}", ("Diving",), "train-test-train", 0.0, None, True),
        (UP.format(3), ("Diving",), "train-train-test", 0.0, None, False),
        (UP.format(4), ("Diving",), "train-train-train", 0.0, None, False),
        (capitals, ("HandstandPushups",), "test-train-train", 0.0, None, True),
    ]


def test_a_video_that_a_list_leaves_out_is_unused(official):
    write(official, {"ucfTrainTestlist/trainlist03.txt": f"{UP.format(1)} 1\n"})
    splits = {clip.path: clip.split for clip in read_clips(official)}
    assert splits[UP.format(4)] == "train-train-unused"


@pytest.mark.parametrize("name", ["classInd.txt", "trainlist02.txt", "testlist03.txt"])
def test_a_list_is_missing(official, name):
    (official / "ucfTrainTestlist" / name).unlink()
    with pytest.raises(UserError, match=f"found no {name} there .*www.crcv.ucf.edu"):
        read_clips(official)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trainlist01.txt", "v_Diving_g01_c01.avi 1", "line 1: .* expected Class/video.avi"),
        ("testlist02.txt", "\n\nDiving/ 1", "line 3: .* expected Class/video.avi"),
        ("testlist02.txt", "Dancing/v.avi", "line 1: the class 'Dancing' is not in classInd.txt"),
        ("trainlist03.txt", "Diving/v.avi 2", "line 1: the class 'Diving' has another number"),
        ("testlist03.txt", UP.format(1), "line 1: .* is in the other list too"),
        ("classInd.txt", "1 Diving\nHandstandPushups\n", "line 2: .* expected a number and the"),
        ("classInd.txt", "\n", "is empty"),
    ],
)
def test_malformed_lists(official, name, text, message):
    write(official, {f"ucfTrainTestlist/{name}": text})
    with pytest.raises(UserError, match=f"{name}: {message}"):
        read_clips(official)

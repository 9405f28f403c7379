import csv

import pytest
from dataset_script import listing, load, write

from brave_tf.data.preparation import clip_encoder
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.public.official_splits import held_out_fold
from brave_tf.errors import UserError

HEADER = "filename,fold,target,category,esc10,src_file,take\n"


def read_clips(root, **options):
    return load("esc50").read_clips(str(root), **options)


@pytest.fixture
def official(tmp_path):
    rows = (
        "1-100032-A-0.wav,1,0,dog,True,100032,A\n5-9032-A-0.wav,5,14,chirping_birds,False,9032,A\n"
    )
    return write(tmp_path, {"meta/esc50.csv": HEADER + rows, "audio/1-100032-A-0.wav": "x"})


def test_official_file(official):
    dog = ("audio/1-100032-A-0.wav", ("dog",), "fold1", 0.0, None, True)
    birds = ("audio/5-9032-A-0.wav", ("chirping_birds",), "fold5", 0.0, None, False)
    assert listing(read_clips(official)) == [dog, birds]
    assert listing(read_clips(official, esc10=True)) == [dog]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("filename,category\n", "line 1: no column 'fold'"),
        (HEADER + "a.wav,6,0,dog,True,1,A\n", "line 2: the fold is '6', expected 1 to 5"),
        (HEADER + ",1,0,dog,True,1,A\n", "line 2: the filename or the category is empty"),
        (HEADER + "a.wav,1,0\n", "line 2: 3 cells, the header has 7"),
        (HEADER, "names no clip"),
    ],
)
def test_malformed_lists(official, text, message):
    write(official, {"meta/esc50.csv": text})
    with pytest.raises(UserError, match=f"esc50.csv: {message}"):
        read_clips(official)


def test_no_list(tmp_path):
    with pytest.raises(
        UserError, match=r"found no esc50.csv there .*github.com/karolpiczak/ESC-50"
    ):
        read_clips(tmp_path)


def test_real_sounds(shared_dir, tmp_path):
    """The 400 sounds of ESC-10, in another container than that of the official names."""
    source = shared_dir / "data" / "esc10"
    with open(source / "clips.csv", newline="") as file:
        sounds = list(csv.DictReader(file))
    (tmp_path / "audio").mkdir()
    rows = []
    for sound in sounds:
        name = sound["path"].rpartition("/")[2]
        (tmp_path / "audio" / name).symlink_to(source / sound["path"])
        rows.append(f"{name[:-4]}.wav,{sound['fold']},0,{sound['label']},True,0,A")
    write(tmp_path, {"meta/esc50.csv": HEADER + "\n".join(rows)})
    clips = read_clips(tmp_path)
    assert len(clips) == 400 and all(clip.size for clip in clips)
    assert sorted(clip.labels[0] for clip in clips) == sorted(sound["label"] for sound in sounds)
    splits = {clip.split for clip in clips}
    assert held_out_fold(splits, 5) == ("fold1+fold2+fold3+fold4", "fold5")
    prepared = clip_encoder.encode(clips[0], PreparationSettings(sample_rate=16000))
    assert prepared.end == pytest.approx(5, abs=0.1) and prepared.frames is None

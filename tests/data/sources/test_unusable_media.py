"""Media files that cannot be used, or not for every view."""

import gin
import media
import pytest
from raw_films import RGB, SOUND, VIEWS, clips, texture, write_films

from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.sources.attempts import SkippedClips
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_films(tmp_path_factory.mktemp("films"))


@pytest.fixture(autouse=True)
def small():
    gin.parse_config("RawMedia.min_side = 40")


def test_clips_without_a_modality_are_left_out(folder, tmp_path):
    media.write_audio(tmp_path / "a.wav", media.tone(1.0))
    media.write_video(tmp_path / "b.avi", texture(0))
    media.write_video(tmp_path / "c.avi", texture(0), audio=media.tone(1.2))
    (tmp_path / "d.avi").write_bytes(b"no film")
    source = open_source(tmp_path)
    assert clips(source, {"narrow": SOUND}).keys() == {"a.wav", "c.avi"}
    assert clips(source, RGB).keys() == {"b.avi", "c.avi"}
    assert clips(source, VIEWS).keys() == {"c.avi"}
    assert source.num_clips("train") == 4


@pytest.mark.parametrize("decoder", ["tfio", "pyav"])
def test_a_clip_that_breaks_later_is_skipped_and_counted(tmp_path, decoder):
    for number in range(3):
        media.write_video(tmp_path / f"{number}.avi", texture(number))
    gin.parse_config(f"RawMedia.decoder = '{decoder}'\nSkippedClips.max_share = 1.0")
    skipped = SkippedClips()
    dataset = clip_dataset(tmp_path, "train", RGB, 1, training=False, skipped=skipped)
    (tmp_path / "1.avi").write_bytes(b"garbage" * 500)
    assert len(list(dataset)) == 2
    assert skipped.count == 1
    assert list(skipped.reasons) == ["1.avi"]
    assert "nvalid data" in skipped.reasons["1.avi"]


@pytest.mark.parametrize(
    "views, split, bindings, message",
    [
        ({"narrow": FlowView()}, "train", "", "'narrow' needs flow.*brave_tf_prepare --flow=tvl1"),
        (RGB, "tarin", "", "has no split 'tarin'.*Did you mean train"),
        (RGB, "train", "RawMedia.max_seconds = 0.1", "spans 0.32 s.*max_seconds = 0.1"),
        (RGB, "train", "RawMedia.decoder = 'ffmpeg'", "decoder = 'ffmpeg'.*auto, tfio, pyav"),
        (RGB, "train", "RawMedia.fps = 0", "RawMedia.fps = 0"),
        (RGB, "train", "RawMedia.min_side = 3", "RawMedia.min_side = 3"),
        (
            RGB,
            "train",
            "RawMedia.test_fraction = 2",
            r"RawMedia.test_fraction = 2: .* share in \[0, 1\)",
        ),
        (RGB, "train", "RawMedia.folds = 9", "RawMedia.folds = 9: the clips are of 6 files"),
        (RGB, "train", "RawMedia.folds = 2", r"no split 'train'.*train\.split = '\*'"),
        (
            RGB,
            "train",
            "RawMedia.folds = 2\nRawMedia.test_fraction = 0.2",
            "RawMedia.folds = 2: a share of 0.2",
        ),
        (
            {"narrow": SOUND, "other": AudioView()},
            "train",
            "",
            "narrow 8000 Hz, other 48000 Hz.*LogMel.sample_rate",
        ),
    ],
)
def test_what_cannot_be_used_is_named(folder, views, split, bindings, message):
    gin.parse_config(bindings)
    with pytest.raises(UserError, match=message):
        open_source(folder).check(split, views)


def test_files_that_cannot_be_used(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"garbage" * 100)
    with pytest.raises(UserError, match="none of the 1 clips.*a.mp4: Invalid data"):
        open_source(tmp_path).check("train", RGB)
    media.write_video(tmp_path / "b.avi", texture(0))
    with pytest.raises(UserError, match="'broad_audio' needs audio, which no clip"):
        open_source(tmp_path).check("train", VIEWS)
    media.write_audio(tmp_path / "c.wav", media.tone(1.0))
    with pytest.raises(UserError, match="no clip of split 'train' has all of audio, rgb"):
        open_source(tmp_path).check("train", VIEWS)


def test_a_data_service_is_refused(folder):
    with pytest.raises(UserError, match="only clip records can be decoded by a tf.data service"):
        open_source(folder).stream("train", RGB).by_shard(0, 1)

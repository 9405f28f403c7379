"""Views of media files that were not prepared."""

import csv
import dataclasses

import gin
import media
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.attempts import SkippedClips
from brave_tf.data.log_mel import LogMel
from brave_tf.data.pipeline import clip_dataset, crop_dataset
from brave_tf.data.preparation import clip_list
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.settings import Settings
from brave_tf.data.source import open_source
from brave_tf.data.sources.media_clips import MediaClips
from brave_tf.data.sources.raw_media import RawMedia
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation import windows

MEL = LogMel(sample_rate=8000, frame_length=160, frame_step=80, mel_bins=20, upper_hz=3800.0)
SOUND = AudioView(duration=0.4, log_mel=MEL)
VIEW = RgbView(num_frames=4, frame_step=2, size=32, augmentations=())
VIEWS = {"narrow": VIEW, "broad_audio": SOUND}
RGB = {"narrow": VIEW}
FILMS = {
    "jump/a.mp4": {},
    "jump/b.avi": {"fps": 10},
    "run/c.webm": {"codec": "libvpx-vp9", "fps": 30000 / 1001},
    "run/d.mkv": {"fps": 30000 / 1001},
    "run/turned.mp4": {},
    "walk/uneven.mp4": {"times": [i / 25 + 0.01 * (i % 3) for i in range(30)]},
}


def texture(seed, number=30):
    """Pictures in which JPEG changes little: smooth, and of hardly any colour."""
    frames = media.moving_texture(number, 48, 64, seed=seed)
    return [np.repeat(frame[..., :1], 3, axis=2) // 2 + frame // 16 for frame in frames]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six films with sound, of three classes."""
    root = tmp_path_factory.mktemp("films")
    for number, (name, options) in enumerate(FILMS.items()):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        sound = media.tone(1.2, 300 + 100 * number)
        media.write_video(path, texture(number), **{"fps": 25, "audio": sound, **options})
    media.set_display_matrix(root / "run/turned.mp4", [[0, 1], [-1, 0]])
    return root


@pytest.fixture(scope="module")
def records(folder, tmp_path_factory):
    """The same, prepared."""
    output = str(tmp_path_factory.mktemp("records"))
    settings = Settings(flow="none", min_side=40, sample_rate=8000)
    prepare(clip_list.read_clips(str(folder)), output, settings, workers=1)
    return output


@pytest.fixture(autouse=True)
def small():
    gin.parse_config("RawMedia.min_side = 40")


def clips(source, views=VIEWS, split="train", seed=None):
    """All clips by path."""
    stream = source.stream(split, views)
    parse = tf.function(lambda item: stream.parse(item, seed))
    found = [parse(item) for item, _ in stream.once(0)]
    return {clip.path.numpy().decode(): clip for clip in found}


def batches(location, number, views=RGB, batch_size=2, training=True, **kwargs):
    dataset = clip_dataset(location, "train", views, batch_size, training=training, **kwargs)
    return [{k: v.numpy() for k, v in batch.items()} for batch in dataset.take(number)]


def assert_equal(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key], err_msg=key)


@pytest.mark.parametrize("decoder", ["tfio", "pyav"])
def test_clips_are_those_of_records_before_jpeg(folder, records, decoder):
    prepared = clips(open_source(records))
    raw = clips(RawMedia(str(folder), decoder=decoder, min_side=40))
    assert raw.keys() == prepared.keys() == FILMS.keys()
    for path, clip in raw.items():
        expected = prepared[path]
        jpegs = [tf.io.encode_jpeg(frame, quality=95) for frame in clip.images]
        assert [jpeg.shape for jpeg in jpegs] == [jpeg.shape for jpeg in expected.images]
        shown = np.stack([tf.io.decode_jpeg(jpeg) for jpeg in jpegs])
        stored = np.stack([tf.io.decode_jpeg(jpeg) for jpeg in expected.images.numpy()])
        assert np.abs(shown.astype(int) - stored).max() <= 1
        np.testing.assert_array_equal(clip.audio, expected.audio)
        np.testing.assert_array_equal(clip.labels, expected.labels)
        assert float(clip.frame_rate) == 25 and float(clip.sample_rate) == 8000


def test_labels_and_splits_are_those_of_records(folder, records):
    raw, prepared = open_source(folder), open_source(records)
    assert raw.label_names == prepared.label_names == ("jump", "run", "walk")
    assert raw.split_names == prepared.split_names == ("train",)
    assert raw.num_clips("train") == prepared.num_clips("train") == 6


def test_tensorflow_io_decodes_what_it_can_and_pyav_the_rest(folder, monkeypatch):
    opened = set()
    read = MediaClips._read_frames

    def note(self, item, *window):
        opened.add(self._clips[int(item)].path)
        return read(self, item, *window)

    monkeypatch.setattr(MediaClips, "_read_frames", note)
    found = clips(RawMedia(str(folder), decoder="auto", min_side=40))
    assert opened == {"run/turned.mp4", "walk/uneven.mp4"}
    for path, clip in clips(RawMedia(str(folder), decoder="pyav", min_side=40)).items():
        np.testing.assert_array_equal(found[path].images, clip.images, err_msg=path)
    assert opened == FILMS.keys()


@pytest.mark.parametrize("name, codec", [("a.avi", "mpeg4"), ("a.webm", "libvpx-vp9")])
def test_truncated_films_are_the_same_with_both_decoders(tmp_path, name, codec):
    path = media.write_video(tmp_path / name, texture(0, 40), codec=codec, audio=media.tone(1.6))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    both = [clips(RawMedia(str(tmp_path), decoder=d))[name] for d in ("tfio", "pyav")]
    assert 5 < len(both[0].images) < 40
    np.testing.assert_array_equal(both[0].images, both[1].images)
    np.testing.assert_array_equal(both[0].audio, both[1].audio)


def test_views_are_those_of_records_but_for_jpeg(folder, records):
    for view, tolerance in ((VIEW, 0.06), (SOUND, 1e-5)):
        pairs = []
        for location in (folder, records):
            dataset = crop_dataset(location, "train", view, temporal=3, spatial=2)
            pairs.append({bytes(clip["path"].numpy()): clip for clip in dataset})
        assert pairs[0].keys() == pairs[1].keys() and len(pairs[0]) == 6
        for path, clip in pairs[0].items():
            assert int(clip["label"]) == int(pairs[1][path]["label"])
            np.testing.assert_allclose(clip["crops"], pairs[1][path]["crops"], atol=tolerance)
    whole = {"narrow": dataclasses.replace(VIEW, num_frames=30, frame_step=1, min_area=1.0)}
    raw, prepared = (
        {int(label): window for b in found for label, window in zip(b["label"], b["narrow"])}
        for found in (batches(location, 9, whole, training=False) for location in (folder, records))
    )
    # The only clip of its class: its window is the whole clip.
    np.testing.assert_allclose(raw[2], prepared[2], atol=0.06)


def test_batches_of_training(folder):
    first = batches(folder, 6, VIEWS, seed=3)
    assert [batch["narrow"].shape for batch in first] == [(2, *VIEW.shape)] * 6
    assert [batch["broad_audio"].shape for batch in first] == [(2, *SOUND.shape)] * 6
    for epoch in (first[:3], first[3:]):
        assert sorted(np.concatenate([b["label"] for b in epoch])) == [0, 0, 1, 1, 1, 2]
    orders = [
        np.concatenate([b["label"] for b in epoch]).tolist() for epoch in (first[:3], first[3:])
    ]
    other = np.concatenate([b["label"] for b in batches(folder, 3, RGB, seed=4)]).tolist()
    assert len({*map(tuple, orders), tuple(other)}) > 1
    assert_equal(first[:3], batches(folder, 3, VIEWS, seed=3, num_parallel=1, shuffle_buffer=1))


@pytest.mark.parametrize("start", [1, 4])
def test_a_resumed_run_goes_on_with_the_same_batches(folder, start):
    whole = batches(folder, 6, VIEWS, seed=3)
    assert_equal(whole[start:], batches(folder, 6 - start, VIEWS, seed=3, start_batch=start))


def test_input_pipelines_share_no_clip(folder):
    found = []
    for pipeline in range(4):
        stream = open_source(folder).stream("train", RGB, 4, pipeline)
        found += [int(item) for item, _ in stream.once(0)]
    assert sorted(found) == list(range(6))
    with pytest.raises(UserError, match="input pipeline 6 of 7 finds no clip.*has 6"):
        open_source(folder).stream("train", RGB, 7, 6)


@pytest.fixture(scope="module")
def long_film(tmp_path_factory):
    """Eight seconds of pictures that show their numbers, at 10 per second."""
    root = tmp_path_factory.mktemp("long")
    sound = np.repeat(np.arange(80) / 100, 800).astype(np.float32)
    frames = [media.numbered_frame(i) for i in range(80)]
    media.write_video(root / "a.avi", frames, 10, audio=sound, sample_rate=8000)
    return root


def shown(clip):
    return [media.number_of(frame) for frame in clip.images.numpy()]


def test_of_a_long_clip_a_stretch_is_read(long_film):
    source = RawMedia(str(long_film), fps=10, max_seconds=2)
    (middle,) = clips(source).values()
    assert shown(middle) == list(range(30, 50))
    np.testing.assert_allclose(middle.audio[400::800], np.arange(30, 50) / 100, atol=1e-3)
    firsts = set()
    for seed in range(12):
        (clip,) = clips(source, seed=(seed, 0)).values()
        first = shown(clip)[0]
        assert shown(clip) == list(range(first, first + 20))
        np.testing.assert_allclose(clip.audio[400], first / 100, atol=1e-3)
        firsts.add(first)
    assert len(firsts) > 6 and min(firsts) < 15 and max(firsts) > 45


def test_clips_of_a_list(long_film, tmp_path):
    rows = [
        ("path", "start", "end", "action", "set"),
        (long_film / "a.avi", 1.0, 2.5, "run|jump", "train"),
        (long_film / "a.avi", 3, 4, "walk", "val"),
        (long_film / "a.avi", 7.5, "", "", "train"),
        (long_film / "a.avi", 1, 7, "jump", "train"),
        (tmp_path / "missing.mp4", "", "", "run", "train"),
    ]
    path = tmp_path / "clips.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows(rows)
    columns = {"label_column": "action", "split_column": "set", "label_separator": "|"}
    source = RawMedia(str(path), fps=10, max_seconds=3, **columns)
    assert source.label_names == ("jump", "run", "walk")
    assert set(source.split_names) == {"train", "val"}
    stream = source.stream("train+val", RGB)
    found = [stream.parse(item) for item, _ in stream.once(0)]
    assert [shown(clip) for clip in found] == [
        list(range(10, 25)),
        list(range(75, 80)),
        list(range(25, 55)),
        list(range(30, 40)),
    ]
    assert [clip.labels.numpy().tolist() for clip in found] == [[1, 0], [], [0], [2]]
    np.testing.assert_array_equal(source.labels("train", VIEW), [1, -1, 0])
    assert source.num_clips("train") == 4
    assert source.files("val") == [str(path), str(long_film / "a.avi")]


def test_sound_without_pictures(tmp_path):
    rate = {"a.wav": 8000, "b.flac": 8000, "c.mp3": 8000, "d.wav": 16000, "e.ogg": 8000}
    for number, (name, sample_rate) in enumerate(rate.items()):
        tone = media.tone(1.0, 200 + 100 * number, sample_rate)
        media.write_audio(tmp_path / name, tone, sample_rate)
    views = {"narrow": SOUND}
    both = [clips(RawMedia(str(tmp_path), decoder=d), views) for d in ("tfio", "pyav")]
    assert both[0].keys() == rate.keys()
    for name, clip in both[0].items():
        np.testing.assert_allclose(clip.audio, both[1][name].audio, atol=2e-6, err_msg=name)
        assert clip.images.shape == (0,)
    expected = media.tone(1.0, 200, 8000)
    np.testing.assert_allclose(both[0]["a.wav"].audio, expected, atol=1e-4)


def test_only_the_sound_of_films_lasts_as_long_as_their_frames(folder):
    alone = clips(open_source(folder), {"narrow": SOUND})
    for path, clip in clips(open_source(folder)).items():
        np.testing.assert_array_equal(alone[path].audio, clip.audio, err_msg=path)


def test_sound_in_the_graph_is_not_decoded_by_pyav(tmp_path, monkeypatch):
    media.write_audio(tmp_path / "a.wav", media.tone(1.0, 200, 8000), 8000)
    stream = RawMedia(str(tmp_path)).stream("train", {"narrow": SOUND})
    monkeypatch.setattr(stream, "_read_sound", None)
    assert stream.parse(tf.constant(0, tf.int64)).audio.shape == (8000,)


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


def test_windows_of_labelled_clips(folder):
    found = windows.labelled_clips(str(folder), "train", VIEW)
    np.testing.assert_array_equal(found.labels, [0, 0, 1, 1, 1, 2])
    assert found.total == 6
    crops = windows.crop_windows(str(folder), "train", VIEW, temporal=2, spatial=1)
    labels = [label for clip in crops for label in clip["label"].numpy()]
    assert labels == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2]
    gin.parse_config("RawMedia.fps = 10")
    assert windows.labelled_clips(str(folder), "train", VIEW).version != found.version


def test_a_split_for_tests_can_be_taken_off(folder):
    gin.parse_config("RawMedia.test_fraction = 0.4")
    source = open_source(folder)
    assert [source.num_clips(split) for split in ("train", "test")] == [4, 2]


@pytest.mark.parametrize(
    "views, split, bindings, message",
    [
        ({"narrow": FlowView()}, "train", "", "'narrow' needs flow.*brave_tf_prepare --flow=tvl1"),
        (RGB, "tarin", "", "has no split 'tarin'.*Did you mean train"),
        (RGB, "train", "RawMedia.max_seconds = 0.1", "spans 0.32 s.*max_seconds = 0.1"),
        (RGB, "train", "RawMedia.decoder = 'ffmpeg'", "decoder = 'ffmpeg'.*auto, tfio, pyav"),
        (RGB, "train", "RawMedia.fps = 0", "RawMedia.fps = 0"),
        (RGB, "train", "RawMedia.min_side = 3", "RawMedia.min_side = 3"),
        (RGB, "train", "RawMedia.test_fraction = 2", r"test_fraction=2.* share in \[0, 1\)"),
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


def test_tensorflow_io_without_ffmpeg_4(folder, monkeypatch):
    monkeypatch.setattr("brave_tf.data.tfio.can_decode_video", lambda: False)
    with pytest.raises(UserError, match=r"decoder = 'tfio'.*pip install 'brave_tf\[ffmpeg4\]'"):
        RawMedia(str(folder), decoder="tfio")
    source = RawMedia(str(folder), decoder="auto", min_side=40)
    assert clips(source, RGB).keys() == FILMS.keys()


def test_a_data_service_is_refused(folder):
    with pytest.raises(UserError, match="only clip records can be decoded by a tf.data service"):
        open_source(folder).stream("train", RGB).by_shard(0, 1)

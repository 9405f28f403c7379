"""Views of media files that were not prepared."""

import csv
import dataclasses

import gin
import media
import numpy as np
import pytest
import tensorflow as tf
from raw_films import FILMS, RGB, SOUND, VIEW, VIEWS, clips, texture, write_films

from brave_tf.data.clips import clip_list
from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.pipeline.clip_fields import ClipFields, ClipGroups
from brave_tf.data.pipeline.clip_windows import crop_dataset
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.sources.media_clips import MediaClips
from brave_tf.data.sources.raw_media import RawMedia
from brave_tf.errors import UserError
from brave_tf.evaluation.features import windows


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_films(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def records(folder, tmp_path_factory):
    """The films, prepared."""
    output = str(tmp_path_factory.mktemp("records"))
    settings = PreparationSettings(flow="none", min_side=40, sample_rate=8000)
    prepare(clip_list.read_clips(str(folder)), output, settings, workers=1)
    return output


@pytest.fixture(autouse=True)
def small():
    gin.parse_config("RawMedia.min_side = 40")


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
        of_records = expected.images.read_all().numpy()
        assert len(jpegs) == len(of_records)
        shown = np.stack([tf.io.decode_jpeg(jpeg) for jpeg in jpegs])
        stored = np.stack([tf.io.decode_jpeg(jpeg) for jpeg in of_records])
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


def test_rows_and_groups_of_media_files(folder):
    source = open_source(folder)
    asked = ClipFields(("clip_id", "group"), source.rows("train", RGB), True, ClipGroups())
    labels = source.labels("train", RGB["narrow"])
    assert asked.rows.count == len(labels) == 6
    found = batches(folder, 4, RGB, batch_size=4, seed=3, clip_fields=asked)
    for batch in found:
        assert len(set(batch["clip_id"])) == 4
        np.testing.assert_array_equal(labels[batch["clip_id"]], batch["label"])
        # Each is a file of its own.
        assert len(set(batch["group"])) == 4
    rest = batches(folder, 2, RGB, batch_size=4, seed=3, clip_fields=asked, start_batch=2)
    assert_equal(found[2:], rest)
    part = source.rows("train", RGB, (3, False))
    assert part.count == 4 and part.digest != asked.rows.digest
    assert [int(part.of(tf.constant(n))) for n in range(6)] == [-1, 0, 1, -1, 2, 3]


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


def test_folds_can_be_made(folder):
    gin.parse_config("RawMedia.folds = 2")
    source = open_source(folder)
    assert sorted(source.split_names) == ["fold1", "fold2"]
    assert sorted(source.num_clips(split) for split in source.split_names) == [3, 3]
    assert source.num_clips("*") == 6
    stream = source.stream("*", RGB)
    assert len({stream.name(item) for item, _ in stream.once(0)}) == 6
    gin.parse_config("RawMedia.folds = 3")
    assert open_source(folder).version("*") != source.version("*")


def test_settings_that_came_later_change_no_version_where_they_are_not_bound(folder):
    assert list(open_source(folder).settings) == [
        *("location", "decoder", "fps", "min_side", "max_seconds", "label_column", "split_column"),
        *("label_separator", "test_fraction", "seed", "timeout"),
    ]


def test_tensorflow_io_without_ffmpeg_4(folder, monkeypatch):
    monkeypatch.setattr("brave_tf.data.media.tfio.can_decode_video", lambda: False)
    with pytest.raises(UserError, match=r"decoder = 'tfio'.*pip install 'brave_tf\[ffmpeg4\]'"):
        RawMedia(str(folder), decoder="tfio")
    source = RawMedia(str(folder), decoder="auto", min_side=40)
    assert clips(source, RGB).keys() == FILMS.keys()

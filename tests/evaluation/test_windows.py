"""Labelled clips and their windows, from records of plain gray clips."""

import collections

import numpy as np
import pytest
import record_fixtures

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation import windows

VIEW = RgbView(num_frames=2, frame_step=1, size=8, augmentations=())


def gray(value, label=None, frames=4, **fields):
    pixels = np.full((12, 16, 3), value, np.uint8)
    return record_fixtures.record(
        images=[record_fixtures.jpeg(pixels)] * frames,
        labels=[] if label is None else [label],
        **fields,
    )


@pytest.fixture(scope="module", params=[True, False], ids=["described", "bare"])
def records(request, tmp_path_factory):
    """Gray values 20, 40, ... in two shards; clip 3 has no label, clip 4 no frames."""
    clips = [gray(20 * (i + 1), label=i % 3) for i in range(7)]
    clips[3] = gray(80)
    clips[4] = record_fixtures.record(audio=np.zeros(4800, np.float32), labels=[1])
    folder = tmp_path_factory.mktemp("records")
    return record_fixtures.write_shards(folder, clips, 2, described=request.param)


def values(dataset):
    return [(round(float(np.mean(window)) * 255 / 20), int(label)) for window, label in dataset]


def test_labels_are_of_the_usable_clips_in_the_order_of_the_shards(records):
    found = windows.labelled_clips(str(records), "train", VIEW)
    np.testing.assert_array_equal(found.labels, [0, 2, 0, 1, 2])  # clips 0, 2, 6 and 1, 5
    assert found.missing == 2


def test_every_pass_has_a_window_of_each_labelled_clip(records):
    dataset = windows.augmented_windows(str(records), "train", VIEW, batch_size=4, seed=0)
    found = values(dataset.take(15).as_numpy_iterator())
    for start in (0, 5, 10):
        assert sorted(found[start : start + 5]) == [(1, 0), (2, 1), (3, 2), (6, 2), (7, 0)]
    counted = collections.Counter(found)
    assert set(counted.values()) == {3}


def test_crops_of_a_clip_follow_each_other(records):
    dataset = windows.crop_windows(str(records), "train", VIEW, temporal=2, spatial=3)
    window, _ = dataset.element_spec
    assert window.shape == VIEW.shape
    expected = [clip for clip in [(1, 0), (3, 2), (7, 0), (2, 1), (6, 2)] for _ in range(6)]
    assert values(dataset.as_numpy_iterator()) == expected


def test_the_version_changes_with_the_records(tmp_path):
    clips = [gray(10, 0), gray(20, 1)]
    record_fixtures.write_shards(tmp_path, clips)
    first = windows.labelled_clips(str(tmp_path), "train", VIEW)
    assert first.version == windows.labelled_clips(str(tmp_path), "train", VIEW).version
    record_fixtures.write_shards(tmp_path, [*clips, gray(30, 1)])
    assert first.version != windows.labelled_clips(str(tmp_path), "train", VIEW).version


def test_what_cannot_be_used_is_named(records, tmp_path):
    with pytest.raises(UserError, match="train"):
        windows.labelled_clips(str(records), "trian", VIEW)
    with pytest.raises(UserError, match="nowhere"):
        windows.labelled_clips(str(tmp_path / "nowhere"), "train", VIEW)
    unlabelled = record_fixtures.write_shards(tmp_path / "a", [gray(10), gray(20)])
    with pytest.raises(UserError, match="no clip of split 'train' has both rgb and a label"):
        windows.labelled_clips(str(unlabelled), "train", VIEW)
    empty = record_fixtures.write_shards(tmp_path / "c", [])
    with pytest.raises(UserError, match="rgb|no record can be read"):
        windows.labelled_clips(str(empty), "train", VIEW)
    silent = record_fixtures.write_shards(tmp_path / "b", [gray(10, 1)])
    with pytest.raises(UserError, match="audio"):
        windows.labelled_clips(str(silent), "train", AudioView(duration=0.1))

"""The windows of each clip, in order."""

import numpy as np
import record_fixtures
import tensorflow as tf
from noise_clips import VIEWS, clip, write_damaged, write_ten

from brave_tf.data.pipeline.clip_windows import crop_dataset
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.sources.attempts import SkippedClips


def test_crop_dataset_is_in_order_with_numbers(tmp_path):
    record_fixtures.write_shards(tmp_path, [clip(i, good=i != 2) for i in range(5)], 2)
    view = VIEWS["narrow"]
    dataset = crop_dataset(tmp_path, "train", view, temporal=4, spatial=3)
    assert dataset.element_spec["crops"].shape == (12, *view.shape)
    items = list(dataset)
    # The shards hold 0, 2, 4 and 1, 3.
    assert [int(item["label"]) for item in items] == [0, 4, 1, 3]
    assert [int(item["index"]) for item in items] == [0, 2, 3, 4]
    assert [item["path"].numpy() for item in items] == [b"0.mp4", b"4.mp4", b"1.mp4", b"3.mp4"]
    expected = view.crops(parse_clip(tf.constant(clip(4)), view.fields), 4, 3)
    np.testing.assert_allclose(items[1]["crops"], expected, atol=1e-6)


def test_crop_dataset_of_sound(tmp_path):
    dataset = crop_dataset(
        write_ten(tmp_path), "train", VIEWS["broad_audio"], temporal=3, num_labels=10
    )
    items = list(dataset)
    assert [item["crops"].shape[0] for item in items] == [3] * 10
    assert [int(np.argmax(item["multi_hot"])) for item in items] == [0, 3, 6, 9, 1, 4, 7, 2, 5, 8]


def test_test_crops_name_what_they_leave_out(tmp_path):
    skipped = SkippedClips(1.0)
    dataset = crop_dataset(write_damaged(tmp_path), "train", VIEWS["narrow"], 2, 1, skipped=skipped)
    assert [int(item["label"]) for item in dataset] == [0, 3, 6, 4, 7, 10, 2, 8, 11]
    assert skipped.count == 3 == len(skipped.reasons)

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.augment.random_channel import random_channel
from brave_tf.errors import UserError


def channels(video, result):
    """Of which channel each frame is a copy."""
    found = []
    for frame, gray in zip(video, np.asarray(result)):
        same = [np.array_equal(gray, np.repeat(frame[..., c : c + 1], 3, -1)) for c in range(3)]
        assert sum(same) == 1
        found.append(same.index(True))
    return found


def test_each_frame_is_a_copy_of_one_of_its_channels():
    video = np.random.default_rng(0).random((50, 4, 5, 3), np.float32)
    found = channels(video, random_channel(video, (1, 2), probability=1.0))
    assert all(8 <= found.count(channel) <= 26 for channel in range(3))
    again = channels(video, random_channel(video, (1, 2), probability=1.0))
    assert found == again != channels(video, random_channel(video, (3, 2), probability=1.0))


def test_a_clip_can_have_one_channel():
    video = np.random.default_rng(0).random((5, 4, 5, 3), np.float32)
    drawn = [random_channel(video, (i, 0), 1.0, per_frame=False) for i in range(30)]
    found = [set(channels(video, result)) for result in drawn]
    assert {len(each) for each in found} == {1}
    assert set.union(*found) == {0, 1, 2}


def test_a_fifth_of_the_videos_is_gray():
    video = np.random.default_rng(0).random((2, 2, 2, 3), np.float32)
    drawn = [not np.array_equal(random_channel(video, (i, 0)), video) for i in range(300)]
    assert 0.12 < np.mean(drawn) < 0.28


def test_refuses_flow():
    with pytest.raises(UserError, match="random_channel"):
        random_channel(tf.zeros((1, 2, 2, 2)), (1, 2))

"""Messages about features that are not finite."""

import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.finite_features import check_finite


def test_the_message_names_model_view_and_clips():
    features = np.ones((4, 2, 3), np.float32)
    features[1, 0, 2], features[3, 1, 0] = np.nan, np.inf
    with pytest.raises(UserError) as error:
        check_finite(features, ["a.mp4", "b.mp4", "c.mp4", "d.mp4"], "runs/mine", "narrow")
    for part in (
        "runs/mine, view 'narrow'",
        "2 of 4 clips are not finite: b.mp4 (NaN), d.mp4 (infinite).",
    ):
        assert part in str(error.value)


def test_a_clip_is_named_once_and_many_are_counted():
    paths = [f"{number // 2}.mp4" for number in range(20)]
    with pytest.raises(UserError, match=r"10 of 10 clips .*: 0\.mp4 .*, 4\.mp4 \(NaN\) and 5 more"):
        check_finite(np.full((20, 3), np.nan), paths, "m", "v")


def test_the_largest_floats_are_features():
    check_finite(np.full((2, 3), np.finfo(np.float32).max), ["a", "b"], "m", "v")

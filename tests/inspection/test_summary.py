"""The table of splits."""

import inspected
import numpy as np
import pytest
from inspected import clip

from brave_tf.inspection import summary


@pytest.mark.parametrize(
    ("decode", "silent", "still"), [("all", "33.3%", "50.0%"), ("none", "33.3%", "-")]
)
def test_shares_are_of_the_clips_that_were_looked_at(tmp_path, decode, silent, still):
    grey = inspected.record_fixtures.jpeg(np.full((16, 24, 3), 90, np.uint8))
    clips = [
        clip(0, audio=np.zeros(8000, np.float32)),
        clip(1, images=[grey] * 5),
        clip(2, images=None, flow=None),
    ]
    inspected.write(tmp_path, train=clips)
    head, row = summary.split_table(inspected.check(tmp_path, decode=decode))
    cells = dict(zip(head, row))
    assert (cells["silent sound"], cells["still picture"]) == (silent, still)

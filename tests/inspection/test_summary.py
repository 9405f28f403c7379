"""The table of splits."""

import inspected
import numpy as np
import pytest
from inspected import clip

from brave_tf.inspection import summary


def test_what_to_bind_for_folds_is_said(tmp_path):
    folds = {f"fold{number}": [clip(number)] for number in (1, 2)}
    inspected.write(tmp_path / "folds", **folds)
    said = summary.trainable_recipes(inspected.check(tmp_path / "folds"))
    assert "train.split = 'fold1+fold2'" in said
    assert "train.split = '*'" in said and "folds/..." in said
    inspected.good(tmp_path / "good")
    assert "fold" not in summary.trainable_recipes(inspected.check(tmp_path / "good")).replace(
        str(tmp_path), ""
    )


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

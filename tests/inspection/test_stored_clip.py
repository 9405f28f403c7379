"""Records as plain values."""

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.inspection.stored_clip import StoredClip

NO_RATES = [0.0, -25.0, float("nan"), float("inf"), 1e9, 1e-9]


@pytest.mark.parametrize("rate", NO_RATES)
def test_what_is_no_rate_is_refused(rate):
    sound = np.zeros(10, np.float32)
    for record in (
        record_fixtures.record(images=[b"a"], frame_rate=rate),
        record_fixtures.record(flow=[b"a"], frame_rate=rate),
        record_fixtures.record(audio=sound, sample_rate=rate if rate != 1e9 else -1.0),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match="rate is no rate that media have"):
            StoredClip.parse(record)


def test_the_rate_of_what_is_not_there_is_no_matter():
    record = record_fixtures.record(images=[b"a"], sample_rate=0.0)
    assert StoredClip.parse(record).stated_frame_rate == 25

"""What views of another kind have to say for themselves."""

import pytest
import tensorflow as tf

from brave_tf.data.records import fields as record_fields
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.base import View
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError


class FirstBytes(View):
    """No more than a view has to define."""

    modality = "rgb"
    duration = 0.04
    shape = (4,)
    fields = (record_fields.IMAGE,)

    def random_start(self, clip, seed, *, loop):
        return tf.constant(0.0, tf.float64)

    def sample(self, clip, start, seed):
        return tf.zeros(self.shape)

    def crops(self, clip, temporal=10, spatial=3):
        return tf.zeros((temporal * spatial, *self.shape))


@pytest.mark.parametrize(
    "ask", [lambda view: view.preparation(), lambda view: view.crop_times(None, 2)]
)
def test_what_a_view_does_not_say_is_not_guessed(ask):
    with pytest.raises(UserError, match="FirstBytes does not say"):
        ask(FirstBytes())


@pytest.mark.parametrize(
    "view, expected",
    [
        (RgbView(size=112, frame_rate=12.5), {"fps": 12.5, "min_side": 128}),
        (RgbView(size=112, resize=120), {"fps": 25.0, "min_side": 120}),
        (RgbView(size=112, region=(0, 0, 1, 0.5)), {"fps": 25.0, "min_side": 256}),
        (RgbView(size=112, region=(0.5, 0, 0.8, 1)), {"fps": 25.0, "min_side": 427}),
        (FlowView(size=56), {"fps": 25.0, "min_side": 64, "flow": "tvl1"}),
        (
            AudioView(log_mel=LogMel(sample_rate=16000)),
            {"audio": "float", "sample_rate": 16000},
        ),
    ],
)
def test_what_has_to_be_prepared_for_a_view(view, expected):
    assert view.preparation() == expected

"""What the signature of whole frames sees is what the view sees of them."""

import dataclasses

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf import modality_registry
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView

SETTINGS = {"num_frames": 3, "frame_step": 1, "size": 16, "resize": 16}
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 45, 80, 3), np.uint8)


def seen_by_signature(view, pixels):
    modality = modality_registry.find(view.modality)
    made = modality.signatures("v", view, (None, 16, 16, view.channels), lambda x: {"seen": x})
    return made["v_frames"](tf.constant(pixels[np.newaxis]))["seen"].numpy()[0]


@pytest.mark.parametrize("kind", [RgbView, FlowView])
@pytest.mark.parametrize("region", [None, (0.2, 0.3, 0.7, 1.0), (0.0, 0.9, 1.0, 1.0)])
@pytest.mark.parametrize("squeeze", [False, True])
def test_frames_are_cut_as_the_centre_crop_of_the_view(kind, region, squeeze):
    view = kind(**SETTINGS, region=region, squeeze=squeeze)
    clip = parse_clip(tf.constant(record_fixtures.record(images=[b""])), ("image/encoded",))
    clip = clip._replace(images=tf.constant(PIXELS), flow=tf.constant(PIXELS))
    expected = view.crops(clip, 1, 1).numpy()[0]
    np.testing.assert_allclose(seen_by_signature(view, PIXELS), expected, atol=2e-6)


@pytest.mark.parametrize("kind", [RgbView, FlowView])
def test_a_region_is_seen_as_if_it_were_the_frame(kind):
    view = kind(**SETTINGS, region=(0.2, 0.25, 0.8, 0.75))
    whole = dataclasses.replace(view, region=None)
    cut = PIXELS[:, 9:36, 20:60]
    np.testing.assert_array_equal(seen_by_signature(view, PIXELS), seen_by_signature(whole, cut))


@pytest.mark.parametrize("kind", [RgbView, FlowView])
def test_all_signatures_normalise_as_the_view_does(kind):
    plain = kind(**SETTINGS)
    view = dataclasses.replace(plain, mean=0.4, deviation=0.2)
    np.testing.assert_allclose(
        seen_by_signature(view, PIXELS), (seen_by_signature(plain, PIXELS) - 0.4) / 0.2, atol=1e-5
    )
    made = modality_registry.find(view.modality).signatures(
        "v", view, (None, 16, 16, view.channels), lambda x: {"seen": x}
    )
    values = np.random.default_rng(1).random((2, 3, 16, 16, view.channels), np.float32)
    expected = (values - 0.4) / 0.2
    np.testing.assert_allclose(made["v"](tf.constant(values))["seen"], expected, atol=1e-5)
    pixels = PIXELS[np.newaxis, :, :16, :16]
    expected = {"rgb": pixels / 255, "flow": pixels[..., :2] / 127.5 - 1}[view.modality]
    found = made["v_uint8"](tf.constant(pixels))["seen"]
    np.testing.assert_allclose(found, (expected - 0.4) / 0.2, atol=1e-5)

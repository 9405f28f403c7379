import dataclasses

import drawn_windows
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.augment.random_color import random_color
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.pipeline.batches import sample_views
from brave_tf.data.records import fields
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.copied_window import CopiedWindow, shifted
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.in_step import finish_views, seed_key
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView
from brave_tf.data.views.sampling import Places
from brave_tf.data.views.windows import check_rules
from brave_tf.errors import UserError

RGB = RgbView(num_frames=4, size=16, augmentations=(random_flip, random_color))
SOUND = AudioView(duration=0.4, log_mel=LogMel(sample_rate=8000, mel_bins=16, upper_hz=3800.0))


@pytest.fixture(scope="module")
def clip():
    rng = np.random.default_rng(0)
    jpegs = [record_fixtures.jpeg(rng.integers(0, 256, (24, 32, 3), np.uint8)) for _ in range(30)]
    pcm = rng.normal(0, 0.1, 9600).astype(np.float32)
    record = record_fixtures.record(images=jpegs, audio=pcm, sample_rate=8000.0)
    return parse_clip(tf.constant(record), (fields.IMAGE, fields.AUDIO))


@pytest.mark.parametrize("view", [RGB, SOUND])
@pytest.mark.parametrize("reverse", [False, True])
def test_a_copy_has_the_values_of_the_other_view(clip, view, reverse):
    other = dataclasses.replace(view, sync=False)
    rule = CopiedWindow(view="copy", of="broad", reverse=reverse)
    views = {"narrow": view, "broad": other, "copy": view}
    sample = sample_views(clip, views, (5, 6), windows=[rule])
    expected = sample["broad"].numpy()
    np.testing.assert_allclose(sample["copy"], expected[::-1] if reverse else expected, atol=1e-6)
    assert not np.allclose(sample["narrow"], expected)


def test_a_copy_that_the_step_finishes_is_the_same(clip):
    view = RgbView(num_frames=4, size=16, augmentations=(), step_augmentations=(random_color,))
    rule = CopiedWindow(view="copy", of="narrow", reverse=True)
    views = {"narrow": view, "copy": view}
    whole = sample_views(clip, views, (5, 6), windows=[rule])
    begun = sample_views(clip, views, (5, 6), finished=False, windows=[rule])
    np.testing.assert_array_equal(begun[seed_key("copy")], begun[seed_key("narrow")])
    finished = finish_views(views, {name: value[tf.newaxis] for name, value in begun.items()})
    for name in views:
        np.testing.assert_allclose(finished[name][0], whole[name], atol=1e-6)
    np.testing.assert_allclose(whole["copy"], whole["narrow"][::-1], atol=1e-6)


def test_a_copy_is_shifted_from_wherever_the_other_window_is():
    views = drawn_windows.views("narrow", "later")
    rule = CopiedWindow(view="later", of="narrow", seconds=2.0)
    found = drawn_windows.starts([rule], views, drawn_windows.clip(250), 200)
    last = (250 - 31) / 25
    expected = np.where(found[:, 0] + 2 <= last + 1e-6, found[:, 0] + 2, found[:, 0] - 2)
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-9)
    assert np.any(found[:, 1] < found[:, 0]) and np.any(found[:, 1] > found[:, 0])


@pytest.mark.parametrize(
    "start, seconds, expected",
    [(1.0, 0.5, 1.5), (1.5, -0.5, 1.0), (0.2, -0.5, 0.7), (1.8, 0.5, 1.3), (1.0, 1.5, 0.1)],
)
def test_what_does_not_fit_is_shifted_the_other_way_or_loops(start, seconds, expected):
    # A clip of 2.4 s, in which the last window starts at 1.9 s.
    places = Places(tf.constant(24), tf.constant(5), tf.constant(10.0, tf.float64))
    got = shifted(tf.constant(start, tf.float64), seconds, places)
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_flow_does_not_run_backwards():
    views = {"narrow": RGB, "flow": FlowView(num_frames=4, size=16)}
    with pytest.raises(UserError, match="'flow' is of flow, which cannot run backwards"):
        check_rules([CopiedWindow(view="flow", of="narrow", reverse=True)], views)
    check_rules([CopiedWindow(view="flow", of="narrow", seconds=0.2)], views)
    with pytest.raises(UserError, match="FlowView.reverse = True: expected False"):
        FlowView(reverse=True)


@pytest.mark.parametrize(
    "fields, message", [({"of": "copy"}, "another view"), ({"seconds": float("nan")}, "seconds")]
)
def test_refuses_what_is_no_copy(fields, message):
    with pytest.raises(UserError, match=f"CopiedWindow.{next(iter(fields))} = .*{message}"):
        CopiedWindow(**{"view": "copy", "of": "narrow", **fields})

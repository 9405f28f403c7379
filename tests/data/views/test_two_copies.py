import dataclasses

import drawn_windows
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.pipeline.batches import sample_views
from brave_tf.data.views.flow_picture import FlowPictureView
from brave_tf.data.views.rgb import RgbView
from brave_tf.data.views.two_copies import TwoCopies
from brave_tf.data.views.windows import check_rules, draw_windows
from brave_tf.errors import UserError

CROPPED = {"num_frames": 4, "frame_step": 1, "size": 16, "min_area": 0.2, "crop_draw": "area"}
RGB = RgbView(**CROPPED, augmentations=(random_flip,))
FLOW = FlowPictureView(**CROPPED, augmentations=(random_flip,))
STREAMS = {"narrow": RGB, "second": RGB, "flow": FLOW}
COPIES = ("narrow", ("second", "flow"))
# What a record stores of both, but for blue, which pictures of flow do without.
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 24, 32, 3), np.uint8)
PIXELS[..., 2] = 0


def clip():
    empty = drawn_windows.clip(1)
    return empty._replace(images=tf.constant(PIXELS), flow=tf.constant(PIXELS))


def negative(video, seed):
    del seed
    return -video


def draw(rule, of, number):
    """Draws again and again: (number, 2) starts, and (number, 2), whether copies are strong."""
    views = drawn_windows.views("narrow", "second")

    @tf.function
    def some(count):
        def one(index):
            windows = draw_windows(of, views, tf.stack([index, 5]), [rule]).values()
            ones = [w.view.augmentations[-1](tf.ones(()), w.seed) for w in windows]
            return tf.stack([w.start for w in windows]), tf.stack(ones) < 0

        specs = tf.TensorSpec((2,), tf.float64), tf.TensorSpec((2,), tf.bool)
        return tf.map_fn(one, tf.range(count), fn_output_signature=specs)

    return [found.numpy() for found in some(tf.constant(number))]


def is_share(found, probability):
    return stats.binomtest(int(found.sum()), found.size, probability).pvalue > 1e-3


def test_coins_say_whether_windows_are_one_and_which_copies_are_strong():
    rule = TwoCopies(copies=("narrow", "second"), strong=(negative,))
    starts, strong = draw(rule, drawn_windows.clip(100_000), 3000)
    same = starts[:, 0] == starts[:, 1]
    assert is_share(same, 0.5)
    # Of one window exactly one copy is strong, either.
    assert np.all(strong[same].sum(1) == 1) and is_share(strong[same][:, 0], 0.5)
    # Of two windows each is, whatever the other is.
    apart = strong[~same]
    assert is_share(apart[:, 0], 0.3) and is_share(apart[:, 1], 0.3)
    assert is_share(apart.all(1), 0.09) and is_share((~apart).all(1), 0.49)


def test_windows_start_wherever_they_fit():
    rule = TwoCopies(copies=("narrow", "second"), same=0.0, strong=(negative,))
    # Windows of 31 frames have 4 places, and in too short a clip all 10.
    for frames, places in ((34, 4), (10, 10)):
        starts, _ = draw(rule, drawn_windows.clip(frames), 400)
        found = np.round(starts * 25).astype(int)
        counts = np.histogram2d(*found.T, bins=places, range=[[-0.5, places - 0.5]] * 2)[0]
        assert counts.sum() == 400 and stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_views_of_a_copy_share_all_draws():
    rule = TwoCopies(copies=COPIES, strong_probability=1.0)
    for seed in range(8):
        sample = sample_views(clip(), STREAMS, (seed, 1), windows=[rule])
        np.testing.assert_allclose(sample["second"], sample["flow"], atol=1e-5)
        assert not np.allclose(sample["second"], sample["narrow"], atol=0.01)


def test_strong_augmentations_follow_those_of_the_views():
    seeds = [(seed, 2) for seed in range(6)]
    weak = TwoCopies(copies=COPIES, same=0.0, strong_probability=0.0, strong=(negative,))
    strong = dataclasses.replace(weak, strong_probability=1.0)
    for seed in seeds:
        plain, changed = (
            sample_views(clip(), STREAMS, seed, windows=[rule]) for rule in (weak, strong)
        )
        for name in STREAMS:
            np.testing.assert_array_equal(changed[name], -plain[name].numpy())


def test_one_window_is_cropped_twice():
    rule = TwoCopies(copies=COPIES, same=1.0, strong=())
    windows = draw_windows(clip(), STREAMS, (3, 4), [rule])
    assert len({float(each.start) for each in windows.values()}) == 1
    seeds = {name: tuple(each.seed.numpy()) for name, each in windows.items()}
    assert seeds["narrow"] != seeds["second"] == seeds["flow"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"copies": ("narrow",)}, "copies = .*expected two"),
        ({"same": 1.5}, r"same = 1.5: expected a probability"),
        ({"strong_probability": -1}, "strong_probability = -1"),
        ({"strong": (3,)}, "without parentheses"),
        ({"copies": ("narrow", "narrow")}, "each name once"),
        ({"copies": ("narrow", "long")}, "one duration, not narrow: 0.16 s, long: 0.32 s"),
        ({"copies": ("narrow", ("second", "plain"))}, "as many augmentations"),
        ({"copies": ("narrow", "stepped")}, "'stepped' has step_augmentations"),
    ],
)
def test_refuses_what_cannot_be(changed, message):
    views = {
        **STREAMS,
        "long": dataclasses.replace(RGB, num_frames=8),
        "plain": dataclasses.replace(RGB, augmentations=()),
        "stepped": dataclasses.replace(RGB, step_augmentations=(random_flip,)),
    }
    with pytest.raises(UserError, match=message):
        check_rules([TwoCopies(**{"copies": COPIES, **changed})], views)

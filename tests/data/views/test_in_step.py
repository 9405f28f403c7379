import functools

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.augment.gaussian_blur import gaussian_blur
from brave_tf.data.augment.random_color import random_color
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.augment.spec_augment import spec_augment
from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.pipeline.clip_windows import pass_dataset
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.in_step import finish_views, seed_key
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.objectives.supervised import Supervised

MEL = LogMel(sample_rate=8000, frame_length=160, frame_step=80, mel_bins=20, upper_hz=3800.0)
SMALL_BLUR = functools.partial(gaussian_blur, kernel_size=5)
STEPS = (random_flip, SMALL_BLUR, functools.partial(random_color, method="addons"))


def views(of_pipeline, rgb, audio):
    """Views whose augmentations are the pipeline's up to a number, and the step's from it on."""
    return {
        "narrow": RgbView(
            num_frames=2,
            size=16,
            augmentations=rgb[:of_pipeline],
            step_augmentations=rgb[of_pipeline:],
        ),
        "broad_audio": AudioView(
            duration=0.2,
            log_mel=MEL,
            augmentations=audio[:of_pipeline],
            step_augmentations=audio[of_pipeline:],
        ),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rng = np.random.default_rng(0)
    records = [
        record_fixtures.record(
            images=[
                record_fixtures.jpeg(rng.integers(0, 256, (16, 24, 3), np.uint8)) for _ in range(5)
            ],
            audio=rng.normal(0, 0.1, 3200).astype(np.float32),
            labels=[number % 2],
            sample_rate=8000.0,
        )
        for number in range(6)
    ]
    return record_fixtures.write_shards(tmp_path_factory.mktemp("records"), records, 2)


def batches(folder, some_views, **kwargs):
    return list(clip_dataset(folder, "train", some_views, 4, training=True, **kwargs).take(2))


@pytest.fixture(scope="module")
def whole(folder):
    return batches(folder, views(3, STEPS, (spec_augment,)))


@pytest.mark.parametrize("of_pipeline", [0, 2])
def test_clips_are_the_same_wherever_they_are_augmented(folder, whole, of_pipeline):
    divided = views(of_pipeline, STEPS, (spec_augment,))
    finish = tf.function(functools.partial(finish_views, divided), autograph=False)
    for expected, begun in zip(whole, batches(folder, divided, finished=False)):
        assert begun[seed_key("narrow")].shape == (4, 2)
        assert np.abs(begun["narrow"] - expected["narrow"]).max() > 0.05
        found = finish(begun)
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=2e-6, err_msg=name)


def test_without_a_step_the_pipeline_applies_them(folder, whole):
    divided = views(1, STEPS, (spec_augment,))
    for expected, found in zip(whole, batches(folder, divided)):
        assert found.keys() == expected.keys()
        np.testing.assert_array_equal(found["narrow"], expected["narrow"])
    with_all = pass_dataset(folder, "train", views(3, STEPS, ())["narrow"])
    divided = pass_dataset(folder, "train", views(1, STEPS, ())["narrow"])
    for expected, found in zip(with_all, divided):
        np.testing.assert_array_equal(found["crops"], expected["crops"])


def test_a_batch_without_seeds_is_finished(whole):
    found = finish_views(views(0, STEPS, (spec_augment,)), whole[0])
    for name, values in whole[0].items():
        np.testing.assert_array_equal(found[name], values)


def test_a_step_trains_on_the_finished_batch(folder, whole):
    divided = views(0, STEPS, (spec_augment,))
    inputs = tf.keras.Input(divided["narrow"].shape)
    features = tf.keras.layers.Dense(3)(tf.keras.layers.Flatten()(inputs))
    objective = Supervised({"narrow": tf.keras.Model(inputs, features)}, num_classes=2)
    objective.compile(tf.keras.optimizers.SGD(0.0))
    objective.finish_batch = functools.partial(finish_views, divided)
    begun = clip_dataset(folder, "train", divided, 4, training=True, finished=False)
    logs = objective.make_train_function()(iter(begun))
    np.testing.assert_allclose(objective.seen.clips["narrow"], whole[0]["narrow"][:2], atol=2e-6)
    losses = objective.terms(whole[0], training=True).losses
    expected = np.mean([np.mean(values) for values in losses.values()])
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


def test_augmentations_of_the_step_are_functions():
    with pytest.raises(UserError, match="RgbView.step_augmentations.*without parentheses"):
        RgbView(step_augmentations=(3,))

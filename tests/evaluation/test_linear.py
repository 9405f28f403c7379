"""The linear protocol against plain numpy, and on records whose classes are known to be (in)separable."""

import dataclasses

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf import config
from brave_tf.data.augment.random_color import random_color
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation import linear
from brave_tf.evaluation.probe import Probe

VIEW = RgbView(num_frames=2, frame_step=1, size=8)


def moments(batch):
    """(B, T, H, W, 3) -> (B, 6), mean and spread of each colour."""
    return tf.concat([tf.reduce_mean(batch, (1, 2, 3)), tf.math.reduce_std(batch, (1, 2, 3))], -1)


def probe(view=VIEW, is_narrow=True, embed=moments, **fields):
    return Probe("narrow", view, is_narrow, embed, **fields)


def clip(label, shade, rng):
    """A noisy clip whose colour `shade` is the brightest."""
    pixels = rng.integers(0, 60, (4, 12, 16, 3))
    pixels[..., shade] += 120
    images = [record_fixtures.jpeg(frame.astype(np.uint8)) for frame in pixels]
    return record_fixtures.record(images=images, labels=[label])


def write(folder, train_labels, test_labels, shade=lambda label: label):
    for seed, (split, labels) in enumerate((("train", train_labels), ("test", test_labels))):
        rng = np.random.default_rng(seed)
        clips = [clip(label, shade(label), rng) for label in labels]
        record_fixtures.write_shards(folder, clips, split=split)
    return str(folder)


def run(data_dir, embed=moments, **settings):
    settings = {"train_passes": 3, "temporal_crops": 2, "C": 0.1, **settings}
    return linear.linear_svm(probe(embed=embed), data_dir, **settings)


def random_features(clips=120, classes=3, size=6, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(clips) % classes
    centers = rng.normal(size=(classes, size))
    return (centers[labels] + rng.normal(size=(clips, size))).astype(np.float32) * 7 + 3, labels


@pytest.mark.parametrize("size", [6, 200])
def test_the_fitted_weights_are_the_optimum_of_the_squared_hinge_problem(size):
    features, labels = random_features(size=size)
    penalty = 0.02
    classifier = linear.fit(features, labels, penalty, seed=0)
    svc = classifier[-1]
    standardised = (features - features.mean(0)) / features.std(0)
    inputs = np.concatenate([standardised, np.ones((len(labels), 1))], 1)
    weights = np.concatenate([svc.coef_, svc.intercept_[:, None]], 1)
    for label in range(3):
        signs = np.where(labels == label, 1, -1)
        slack = np.maximum(0, 1 - signs * (inputs @ weights[label]))
        gradient = weights[label] - 2 * penalty * (slack * signs) @ inputs
        scale = np.abs(2 * penalty * (slack * np.abs(signs)) @ np.abs(inputs)).max()
        assert np.abs(gradient).max() < 2e-3 * scale


def test_decisions_of_mean_features_are_the_mean_of_the_crops_decisions():
    features, labels = random_features()
    classifier = linear.fit(features, labels, 0.1, seed=0)
    crops = random_features(clips=40, seed=1)[0].reshape(10, 4, -1)
    of_crops = classifier.decision_function(crops.reshape(40, -1)).reshape(10, 4, -1)
    of_means = classifier.decision_function(crops.mean(1))
    np.testing.assert_allclose(of_means, of_crops.mean(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("classes", [2, 8])
def test_score_counts_clips_whose_class_is_decided_for(classes):
    features, labels = random_features(clips=400, classes=classes, size=4)
    labels = labels * 10 + 5  # labels need not be 0, 1, ...
    classifier = linear.fit(features[:200], labels[:200], 0.1, seed=0)
    metrics = linear.score(classifier, features[200:], labels[200:], seed=0)
    assert metrics["top1"] == np.mean(classifier.predict(features[200:]) == labels[200:])
    assert metrics["top1"] < metrics["top5"] <= 1
    assert (metrics["top5"] == 1) == (classes == 2)
    low, high = metrics["top1_ci95"]
    assert low < metrics["top1"] < high


def test_separable_classes_are_told_apart(tmp_path):
    data_dir = write(tmp_path, [0, 1, 2] * 4, [2, 1, 0, 0])
    outcome = run(data_dir)
    assert outcome.metrics == {"top1": 1.0, "top5": 1.0, "top1_ci95": [1.0, 1.0]}
    assert outcome.clips == {"train": 12, "test": 4, "missing": 0}
    assert outcome.settings["num_frames"] == 4
    assert outcome.settings["spatial_crops"] == 3
    assert outcome.settings["data"] == data_dir


def test_settings_are_bound_in_gin(tmp_path):
    data_dir = write(tmp_path, [0, 1], [0, 1])
    settings = {"train_passes": 1, "temporal_crops": 1, "spatial_crops": 1, "num_frames": 3}
    settings = {**settings, "C": 0.5, "batch_size": 2, "seed": 4, "size": 6, "resize": 7}
    config.load_config([], [f"linear_svm.{name} = {value}" for name, value in settings.items()])
    found = linear.linear_svm(probe(), data_dir).settings
    config.load_config([])
    assert found == {**found, **settings, "window": [3, 6, 6, 3], "frame_step": 1}


def test_test_labels_are_used_for_the_score_alone(tmp_path):
    train, test = [0, 1] * 6, [0, 1, 1, 0, 1, 0, 0, 1]
    same = {"shade": lambda label: 0}  # nothing to learn: the classifier decides by the noise
    first = run(write(tmp_path / "a", train, test, **same)).metrics["top1"]
    swapped = run(write(tmp_path / "b", train, [1 - label for label in test], **same))
    assert swapped.metrics["top1"] == 1 - first


def test_the_outcome_depends_on_the_seed_alone(tmp_path):
    seen = []

    def watched(batch):
        tf.py_function(lambda x: seen.append(x.numpy()), [batch], [])
        return moments(batch)

    data_dir = write(tmp_path, [0, 1] * 4, [0, 1])
    outcomes = [run(data_dir, watched, seed=seed) for seed in (0, 0, 1)]
    first, second, other = np.split(np.array(seen), 3)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)
    assert outcomes[0] == outcomes[1]


def test_the_backbone_is_left_as_it_is(tmp_path):
    model = tf.keras.Sequential(
        [tf.keras.layers.GlobalAveragePooling3D(), tf.keras.layers.BatchNormalization()]
    )
    model.build((None, None, None, None, 3))
    before = [weight.numpy() for weight in model.weights]
    run(write(tmp_path, [0, 1], [0, 1]), lambda batch: model(batch, training=False))
    for weight, value in zip(model.weights, before):
        np.testing.assert_array_equal(weight, value)


def test_an_interrupted_protocol_goes_on_with_the_same_outcome(tmp_path):
    data_dir = write(tmp_path / "records", [0, 1] * 4, [0, 1])
    settings = {"train_passes": 3, "temporal_crops": 2}
    expected = linear.linear_svm(probe(), data_dir, **settings)
    batches = []

    def watched(batch):
        tf.py_function(lambda: batches.append(1) if len(batches) < 2 else 1 / 0, [], [])
        return moments(batch)

    kept = probe(embed=watched, weights="w", scratch=str(tmp_path / "scratch"))
    with pytest.raises(tf.errors.OpError):
        linear.linear_svm(kept, data_dir, **settings)
    resumed = dataclasses.replace(kept, embed=moments)
    assert linear.linear_svm(resumed, data_dir, **settings) == expected
    assert len(list((tmp_path / "scratch").glob("*/part-*.npz"))) == 3


def test_the_published_window_is_twice_the_narrow_one():
    view = linear.protocol_view(probe(RgbView()), num_frames=None, size=None, resize=None)
    assert view.shape == (32, 224, 224, 3)
    assert view.frame_step == 2
    assert view.augmentations == (random_flip, random_color)
    broad = FlowView(resize=120)
    view = linear.protocol_view(probe(broad, False), num_frames=None, size=None, resize=None)
    assert view == dataclasses.replace(broad, augmentations=(random_flip,))


def test_windows_can_be_bound():
    view = linear.protocol_view(probe(RgbView(resize=300)), num_frames=3, size=None, resize=None)
    assert (view.num_frames, view.size, view.resize) == (3, 224, 300)
    view = linear.protocol_view(probe(RgbView(resize=300)), num_frames=3, size=64, resize=None)
    assert (view.size, view.resize) == (64, None)
    view = linear.protocol_view(probe(RgbView()), num_frames=3, size=64, resize=70)
    assert (view.size, view.resize) == (64, 70)


def test_sound_has_windows_of_its_view_only():
    audio = AudioView(duration=1.0)
    view = linear.protocol_view(probe(audio), num_frames=None, size=None, resize=None)
    assert view == audio
    with pytest.raises(UserError, match="AudioView.duration"):
        linear.protocol_view(probe(audio), num_frames=8, size=None, resize=None)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([1, 1], [1], "all labelled clips of split 'train' are of one class, 1"),
        ([0, 1], [1, 2], "1 classes of split 'test' have no usable clip in split 'train'.*: 2"),
    ],
)
def test_splits_that_cannot_be_used(tmp_path, train, test, message):
    def never(batch):
        raise AssertionError("features were computed")

    with pytest.raises(UserError, match=message):
        run(write(tmp_path, train, test), never)
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\n")
    with pytest.raises(UserError, match="'bee'|'cat'"):
        run(write(tmp_path, train, test), never)


@pytest.mark.parametrize(
    "settings",
    [{"C": 0}, {"C": -1.0}, {"train_passes": 0}, {"temporal_crops": 1.5}, {"batch_size": -2}],
)
def test_numbers_that_cannot_be_used(tmp_path, settings):
    (name,) = settings
    with pytest.raises(UserError, match=rf"linear_svm\.{name} = .*above 0"):
        run(str(tmp_path), **settings)

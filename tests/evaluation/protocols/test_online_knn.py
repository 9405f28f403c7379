"""The probe of runs under way, on clips that are told apart by their colour."""

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf import errors
from brave_tf.data.views.rgb import RgbView
from brave_tf.evaluation.protocols.online_knn import OnlineKnn
from brave_tf.training.monitors.labelled_clips import ClipSample

COLOURS = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200)])


class MeanColour:
    """Has features in the place of an objective: (B, T, H, W, 3) -> (B, 3)."""

    def embed(self, view, x):
        assert view == "narrow"
        return tf.reduce_mean(x, axis=(1, 2, 3))


def write(folder, split, labels, shift=0):
    """A clip for each label, -1 for none, of a colour that says which, or one further on."""
    rng = np.random.default_rng(len(labels))
    records = []
    for label in labels:
        pixels = rng.integers(-30, 30, (6, 20, 20, 3)) + COLOURS[(label + shift) % 3]
        frames = [record_fixtures.jpeg(frame.astype(np.uint8)) for frame in pixels]
        known = [label] if label >= 0 else []
        records.append(record_fixtures.record(images=frames, labels=known, frame_rate=10.0))
    record_fixtures.write_shards(folder, records, 2, split, settings={"fps": 10.0})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours")
    write(folder, "train", [0, 1, 2] * 8)
    write(folder, "test", [0, 1, 2] * 4)
    write(folder, "other", [0, 1, 2] * 4, shift=1)
    write(folder, "mixed", [0, -1] * 5)
    write(folder, "unlabelled", [-1] * 4)
    return folder


def blackened(values, seed):
    del seed
    return values * 0


def view(**settings):
    return RgbView(num_frames=2, frame_step=1, frame_rate=10.0, size=16, **settings)


def probe(folder, **settings):
    return OnlineKnn(str(folder), {"narrow": view()}, k=3, **settings)(MeanColour())


def test_clips_like_their_neighbours_are_right_and_others_wrong(folder):
    assert probe(folder) == {"probe/knn_top1": 1.0}
    assert probe(folder, test_split="other") == {"probe/knn_top1": 0.0}


def sample(folder, split="train", count=10, **settings):
    narrow = view(**settings.pop("view", {}))
    return ClipSample(str(folder), split, "narrow", narrow, count, **settings).embed(MeanColour())


def test_a_bounded_number_of_clips_is_embedded_the_same_every_time(folder):
    first, again = sample(folder), sample(folder)
    assert first.features.shape == (10, 3) and first.stills.shape == (10, 48, 48, 3)
    np.testing.assert_array_equal(first.features, again.features)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert sorted(sample(folder, count=100).labels) == sorted([0, 1, 2] * 8)


def test_features_labels_and_stills_are_of_the_same_clips(folder):
    clips = sample(folder, count=24)
    for colours in (clips.features, clips.stills.mean((1, 2))):
        np.testing.assert_array_equal(colours.argmax(axis=1), clips.labels)


def test_clips_are_not_augmented(folder):
    dark = {"augmentations": (blackened,)}
    np.testing.assert_array_equal(sample(folder, view=dark).features, sample(folder).features)


def test_clips_without_a_label_are_left_out_where_labels_are_needed(folder):
    assert sorted(sample(folder, "mixed", labelled=True).labels) == [0] * 5
    assert sorted(sample(folder, "mixed").labels) == [-1] * 5 + [0] * 5


def test_the_clips_that_are_held_out_are_apart_from_the_others(folder):
    held_out = sample(folder, part=(4, True), count=100)
    assert len(held_out.labels) == 6


class Broken(MeanColour):
    """Features of red clips are not finite."""

    step = 7

    def embed(self, view, x):
        found = super().embed(view, x)
        return tf.where(found[:, :1] > 0.6, np.nan, found)


def test_features_that_are_not_finite_are_told_and_not_scored(folder, caplog):
    online = OnlineKnn(str(folder), {"narrow": view()}, k=3)
    assert online(Broken()) == {}
    assert "view 'narrow' are not finite for 12 of 36 clips" in caplog.text
    assert "at step 7" in caplog.text


def test_mistakes_are_named(folder):
    with pytest.raises(errors.UserError, match="OnlineKnn.view = 'narow': .* Did you mean narrow"):
        probe(folder, view="narow")
    with pytest.raises(errors.UserError, match="no clip of split 'unlabelled' has both rgb and a"):
        probe(folder, test_split="unlabelled")
    with pytest.raises(errors.UserError, match="no split"):
        probe(folder, train_split="tarin")

"""An objective that is made of others, on the same backbones."""

import numpy as np
import pytest
import tensorflow as tf
from remembering import INPUTS, backbone

from brave_tf.objectives import base
from brave_tf.objectives.parts import joined, joined_monitors

X = np.random.default_rng(0).normal(size=(6, INPUTS)).astype(np.float32)
BATCH = {"narrow": X, "label": np.array([0, 1, -1, 0, -1, 1])}


class Column(base.Objective):
    """The size of one feature; of labelled clips, if it is to be."""

    term_names = ("size", "square")

    def __init__(self, backbones, column, labelled=False, followed=None, **options):
        super().__init__(backbones, **options)
        self.column, self.labelled, self.followed = column, labelled, followed
        self.begun = []

    def begin_step(self, step):
        self.begun.append(int(step))

    def terms(self, batch, training):
        features = self(batch, training=training)
        z = features["narrow"][:, self.column]
        counts = tf.cast(batch["label"] >= 0, tf.float32) if self.labelled else None
        followed = None if self.followed is None else self.followed * z
        return base.Terms(
            {"size": z, "square": z**2}, features, {}, counts=counts, followed=followed
        )


class Both(base.Objective):
    """Two of them, weighed."""

    term_names = ("one", "two")

    def __init__(self, followed=None):
        super().__init__({"narrow": backbone()})
        self.one = Column(self.backbones, 0, loss_scale=3.0)
        self.two = Column(self.backbones, 1, labelled=True, followed=followed)
        self.parts = {"one": self.one, "two": self.two}

    @property
    def term_weights(self):
        return {"one": 0.5, "two": 2.0}

    @property
    def monitor_names(self):
        return joined_monitors(self.parts)

    def terms(self, batch, training):
        return joined(self, self.parts, batch, training)


@pytest.fixture(name="both")
def _both():
    tf.keras.utils.set_random_seed(0)
    objective = Both()
    objective.compile(tf.keras.optimizers.SGD(0.1), run_eagerly=True)
    return objective


def test_the_loss_is_the_weighed_sum_of_the_parts_losses(both):
    z = both.backbones["narrow"](X, training=False).numpy()
    logs = both.test_on_batch(BATCH, return_dict=True)
    labelled = BATCH["label"] >= 0
    one = 3 * np.mean(z[:, 0] + z[:, 0] ** 2) / 2
    two = np.mean((z[:, 1] + z[:, 1] ** 2)[labelled]) / 2
    np.testing.assert_allclose(logs["loss"], 0.5 * one + 2 * two, rtol=1e-5)
    np.testing.assert_allclose(logs["loss/two"], two, rtol=1e-5)
    np.testing.assert_allclose(logs["two/square"], np.mean(z[labelled, 1] ** 2), rtol=1e-5)
    np.testing.assert_allclose(logs["one/size"], np.mean(z[:, 0]), rtol=1e-5)


def test_backbones_are_shared_and_see_a_view_once(both):
    assert len(both.trainable_variables) == len(both.backbones["narrow"].trainable_variables)
    both.train_on_batch(BATCH)
    (norm,) = (layer for layer in both.backbones["narrow"].layers if hasattr(layer, "averaging"))
    assert int(norm.averaging.updates) == 1
    # Outside of `joined` features are computed for whoever asks.
    both.one.terms(BATCH, training=True)
    both.one.terms(BATCH, training=True)
    assert int(norm.averaging.updates) == 3


def test_hooks_of_parts_are_called(both):
    both.train_on_batch(BATCH)
    assert both.one.begun == both.two.begun == [0]


def test_what_a_part_follows_is_followed():
    tf.keras.utils.set_random_seed(0)
    objective = Both(followed=5.0)
    terms = objective.terms(BATCH, training=False)
    z = objective.backbones["narrow"](X, training=False).numpy()
    labelled = BATCH["label"] >= 0
    one = 3 * (z[:, 0] + z[:, 0] ** 2) / 2
    two = 5 * z[:, 1] * labelled / np.mean(labelled)
    np.testing.assert_allclose(terms.followed, 0.5 * one + 2 * two, rtol=1e-4, atol=1e-6)

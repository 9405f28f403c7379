"""rho-BYOL against its formula in numpy."""

import numpy as np
import pytest
import tensorflow as tf
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives.rho_byol import RhoBYOL

VIEWS, CLIPS = ("narrow", "b", "c"), 4
RNG = np.random.default_rng(0)
BATCH = {view: RNG.normal(size=(CLIPS, 4)).astype(np.float32) for view in VIEWS}
BATCH["label"] = np.zeros(CLIPS, np.int64)


def head(size, name):
    return dense_backbone(size, 3)


def make(**options):
    tf.keras.utils.set_random_seed(0)
    backbones = {"narrow": dense_backbone(4, 5), "b": "narrow", "c": "narrow"}
    objective = RhoBYOL(backbones, head, head, temperature=0.25, **options)
    objective.compile(tf.keras.optimizers.SGD(0.1), run_eagerly=True)
    return objective


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def compared(objective):
    """Predictions and targets of each view."""
    p, z = {}, {}
    for view in VIEWS:
        features = objective.embed(view, BATCH[view])
        p[view] = unit(objective.predictor(objective.projector(features)).numpy())
        features = objective.target.backbones[view](BATCH[view])
        z[view] = unit(objective.target.heads["projector"](features).numpy())
    return p, z


def pair_losses(objective):
    losses = {}
    p, z = compared(objective)
    for i in VIEWS:
        for j in VIEWS:
            if i != j:
                losses[f"{i}_to_{j}"] = -np.sum(p[i] * z[j], axis=-1) / 0.25
    return losses


@pytest.mark.parametrize("together", [False, True])
def test_losses_of_pairs_what_is_logged_and_what_is_followed(together):
    objective = make(together=together)
    terms = objective.terms(BATCH, training=True)
    losses = pair_losses(objective)
    assert list(terms.losses) == list(losses) == objective.term_names
    for name, loss in losses.items():
        np.testing.assert_allclose(terms.losses[name], loss, rtol=1e-4, atol=1e-5)
    followed = sum(losses.values()) / 2
    np.testing.assert_allclose(terms.followed, followed, rtol=1e-4, atol=1e-5)
    logged = np.mean(followed) / (1 if together else 6)
    logs = objective.test_on_batch(BATCH, return_dict=True)
    np.testing.assert_allclose(logs["loss"], logged, rtol=1e-4)


def test_what_is_shown_of_pairs_and_of_other_clips():
    objective = make()
    terms = objective.terms(BATCH, training=True)
    p, z = compared(objective)
    pairs = [p[i] @ z[j].T for i in VIEWS for j in VIEWS if i != j]
    cosines, own = np.mean(pairs, axis=0), np.eye(CLIPS, dtype=bool)
    assert tuple(terms.monitors) == objective.monitor_names
    positive, negative = terms.monitors.values()
    np.testing.assert_allclose(positive, cosines[own], atol=1e-5)
    expected = [row[~one].mean() for row, one in zip(cosines, own)]
    np.testing.assert_allclose(negative, expected, atol=1e-5)


def test_the_target_is_averaged_before_the_step_with_the_momentum_of_the_one_before():
    objective = make(momentum=lambda step: tf.constant([0.5, 0.9, 0.1])[step])
    kernel = lambda network: network["narrow"].weights[0].numpy()  # noqa: E731
    online, target = [], []
    for _ in range(3):
        online.append(kernel(objective.networks()["online"]))
        objective.train_on_batch(BATCH)
        target.append(kernel(objective.networks()["target"]))
    np.testing.assert_array_equal(target[0], online[0])
    second = 0.5 * target[0] + 0.5 * online[1]
    np.testing.assert_allclose(target[1], second, rtol=1e-5)
    np.testing.assert_allclose(target[2], 0.9 * second + 0.1 * online[2], rtol=1e-5)
    assert not np.allclose(online[1], online[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backbones": {"narrow": dense_backbone(4, 5)}}, r"RhoBYOL.backbones has \['narrow'\]"),
        (
            {"backbones": {"narrow": dense_backbone(4, 5), "b": dense_backbone(4, 5)}},
            "share one backbone",
        ),
        ({"temperature": -1.0}, "RhoBYOL.temperature = -1.0"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    backbones = {"narrow": dense_backbone(4, 5), "b": "narrow"}
    with pytest.raises(errors.UserError, match=said):
        RhoBYOL(**{"backbones": backbones, "projector": head, "predictor": head, **options})

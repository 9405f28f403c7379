"""The BraVe objective against plain numpy."""

import numpy as np
import pytest
import tensorflow as tf
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.models import heads
from brave_tf.objectives.brave import BraVe

VIEWS = {"narrow": 6, "broad_flow": 5, "broad_audio": 4}


def small_projector(size, name):
    return heads.projector(size, hidden=8, output=3, name=name)


def small_predictor(size, name):
    return heads.predictor(size, hidden=8, name=name)


def make_brave(**kwargs):
    tf.keras.utils.set_random_seed(0)
    backbones = {view: dense_backbone(size, 7) for view, size in VIEWS.items()}
    return BraVe(backbones, small_projector, small_predictor, **kwargs)


def make_batch(clips=16):
    rng = np.random.default_rng(1)
    batch = {k: rng.normal(size=(clips, size)).astype(np.float32) for k, size in VIEWS.items()}
    return {**batch, "label": np.zeros(clips, np.int64)}


def batch_norm(x):
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)


def numpy_head(x, model, last_norm):
    """Linear, BN, relu, linear and, for a projector, BN, with batch statistics and fresh BN scales."""
    w0, b0, w1, b1 = [w.numpy() for w in model.trainable_weights if "linear" in w.name]
    x = np.maximum(batch_norm(x @ w0 + b0), 0) @ w1 + b1
    return batch_norm(x) if last_norm else x


def distance(h, z):
    h, z = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (h, z))
    return np.sum((h - z) ** 2, axis=-1)


@pytest.mark.parametrize("kind", ["shared", "per_view"])
def test_terms_equal_numpy(kind):
    brave, batch = make_brave(heads=kind), make_batch()
    terms = brave.terms(batch, training=True)
    z, h = {}, {}
    for view in VIEWS:
        features = brave.backbones[view](batch[view]).numpy()
        z[view] = numpy_head(features, brave.projectors[view], last_norm=True)
        h[view] = numpy_head(z[view], brave.predictors[view], last_norm=False)
    expected = {
        "narrow_to_broad_flow": distance(h["narrow"], z["broad_flow"]),
        "broad_flow_to_narrow": distance(h["broad_flow"], z["narrow"]),
        "narrow_to_broad_audio": distance(h["narrow"], z["broad_audio"]),
        "broad_audio_to_narrow": distance(h["broad_audio"], z["narrow"]),
    }
    assert list(terms.losses) == list(expected) == list(brave.term_names)
    for name, value in expected.items():
        np.testing.assert_allclose(terms.losses[name], value, rtol=2e-3, atol=2e-4)


def test_loss_is_the_papers_sum_over_directions_and_mean_over_broad_views():
    brave, batch = make_brave(), make_batch()
    brave.compile(tf.keras.optimizers.SGD(0.0))
    logs = brave.train_on_batch(batch, return_dict=True)
    terms = [float(logs[f"loss/{name}"]) for name in brave.term_names]
    np.testing.assert_allclose(logs["loss"], sum(terms) / 2, rtol=1e-5)


def test_shared_heads_are_one_pair_and_per_view_heads_are_three():
    shared, per_view = make_brave(heads="shared"), make_brave(heads="per_view")
    assert len({id(model) for model in shared.projectors.values()}) == 1
    assert len({id(model) for model in per_view.predictors.values()}) == 3
    backbones = sum(b.count_params() for b in shared.backbones.values())
    sizes = [sum(int(tf.size(w)) for w in model.weights) for model in (shared, per_view)]
    heads_of = [size - backbones for size in sizes]
    assert heads_of[1] == 3 * heads_of[0]


def make_sharing():
    """BraVe with two broad views of one backbone."""
    tf.keras.utils.set_random_seed(0)
    backbones = {
        "narrow": dense_backbone(6, 7),
        "broad_flow": dense_backbone(5, 7),
        "broad_flow_2": "broad_flow",
    }
    return BraVe(backbones, small_projector, small_predictor)


def make_sharing_batch(seed=1, clips=16):
    rng = np.random.default_rng(seed)
    sizes = {"narrow": 6, "broad_flow": 5, "broad_flow_2": 5}
    batch = {k: rng.normal(size=(clips, n)).astype(np.float32) for k, n in sizes.items()}
    return {**batch, "label": np.zeros(clips, np.int64)}


def test_views_that_share_a_backbone_share_its_weights_and_heads():
    brave = make_sharing()
    assert brave.backbones["broad_flow_2"] is brave.backbones["broad_flow"]
    assert brave.projectors["broad_flow_2"] is brave.projectors["broad_flow"]
    assert brave.predictors["broad_flow_2"] is brave.predictors["broad_flow"]
    assert brave.projectors["narrow"] is not brave.projectors["broad_flow"]
    single = BraVe(
        {"narrow": dense_backbone(6, 7), "broad_flow": dense_backbone(5, 7)},
        small_projector,
        small_predictor,
    )
    assert [w.shape for w in brave.trainable_variables] == [
        w.shape for w in single.trainable_variables
    ]


def test_the_gradient_of_a_shared_backbone_is_the_sum_over_its_views():
    brave, batch = make_sharing(), make_sharing_batch()
    before = [w.numpy() for w in brave.backbones["broad_flow"].trainable_variables]
    brave.compile(tf.keras.optimizers.SGD(1.0))
    brave.train_on_batch(batch)
    moved = [a - w.numpy() for a, w in zip(before, brave.backbones["broad_flow"].weights)]

    # The same nets with a copy of the backbone and heads for the second view.
    fresh = make_sharing()
    apart = BraVe(
        {view: dense_backbone(6 if view == "narrow" else 5, 7) for view in fresh.backbones},
        small_projector,
        small_predictor,
    )
    for view in apart.backbones:
        for models in ("backbones", "projectors", "predictors"):
            getattr(apart, models)[view].set_weights(getattr(fresh, models)[view].get_weights())
    apart.compile(tf.keras.optimizers.SGD(1.0))
    views = ("broad_flow", "broad_flow_2")
    old = [[w.numpy() for w in apart.backbones[view].weights] for view in views]
    apart.train_on_batch(batch)
    steps = [
        [a - w.numpy() for a, w in zip(values, apart.backbones[view].weights)]
        for view, values in zip(views, old)
    ]
    for step, first, second in zip(moved, *steps):
        np.testing.assert_allclose(step, first + second, rtol=1e-4, atol=1e-6)


def test_a_shared_backbone_survives_a_checkpoint(tmp_path):
    brave, again = make_sharing(), make_sharing()
    for model in (brave, again):
        model.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9))
    brave.train_on_batch(make_sharing_batch())
    path = tf.train.Checkpoint(objective=brave, optimizer=brave.optimizer).save(tmp_path / "step")
    restored = tf.train.Checkpoint(objective=again, optimizer=again.optimizer)
    restored.restore(path).assert_consumed()
    for model in (brave, again):
        model.train_on_batch(make_sharing_batch(2))
    for ours, theirs in zip(brave.weights, again.weights):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_a_shared_backbone_that_is_not_there_is_named():
    backbones = {"narrow": dense_backbone(3, 4), "broad": "brood", "brood": "narrow"}
    with pytest.raises(errors.UserError, match="'broad'.*'brood'.*'narrow'"):
        BraVe(backbones, small_projector, small_predictor)


def test_every_trainable_variable_moves_in_a_step():
    brave = make_brave()
    brave.compile(tf.keras.optimizers.SGD(0.1))
    before = [v.numpy() for v in brave.trainable_variables]
    brave.train_on_batch(make_batch())
    # Biases in front of a batch normalisation have no gradient, as their effect is subtracted again.
    for variable, old in zip(brave.trainable_variables, before):
        if "linear" in variable.name and "bias" in variable.name:
            continue
        assert np.abs(variable.numpy() - old).max() > 0, variable.name


def test_test_step_changes_nothing():
    brave = make_brave()
    brave.compile(tf.keras.optimizers.SGD(0.1))
    before = [v.numpy() for v in brave.weights]
    brave.test_on_batch(make_batch())
    for variable, old in zip(brave.weights, before):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_the_loss_falls_when_views_share_their_content():
    brave = make_brave()
    brave.compile(tf.keras.optimizers.Adam(1e-2))
    rng = np.random.default_rng(2)
    mixing = {k: rng.normal(size=(2, size)).astype(np.float32) for k, size in VIEWS.items()}
    losses = []
    for _ in range(150):
        content = rng.normal(size=(64, 2)).astype(np.float32)
        batch = {k: content @ m for k, m in mixing.items()}
        brave.reset_metrics()
        losses.append(brave.train_on_batch(batch, return_dict=True)["loss"])
    assert np.mean(losses[-10:]) < 0.4 * np.mean(losses[:10])


def test_mistakes_are_named():
    with pytest.raises(errors.UserError, match="shared.*per_view"):
        make_brave(heads="common")
    with pytest.raises(errors.UserError, match="at least one broad"):
        BraVe({"narrow": dense_backbone(3, 4)}, small_projector, small_predictor)
    unequal = {"narrow": dense_backbone(3, 4), "broad": dense_backbone(3, 5)}
    with pytest.raises(errors.UserError, match="'narrow': 4, 'broad': 5"):
        BraVe(unequal, small_projector, small_predictor, heads="shared")

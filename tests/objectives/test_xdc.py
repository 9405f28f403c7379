"""XDC on features that fall into clusters."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives.occasions import AtStart, EverySteps, RowFeatures, WhenSaturated
from brave_tf.objectives.xdc import XDC

CLIPS, K = 24, 3
VIEWS = ("narrow", "broad_audio")
RNG = np.random.default_rng(0)
# The two views fall into clusters of their own.
MEMBERS = {view: RNG.permutation(np.arange(CLIPS) % K) for view in VIEWS}
INPUTS = {
    view: (8 * np.eye(K, 4)[MEMBERS[view]] + RNG.normal(size=(CLIPS, 4))).astype(np.float32)
    for view in VIEWS
}


def make(**options):
    tf.keras.utils.set_random_seed(0)
    backbones = {view: dense_backbone(4, 5) for view in VIEWS}
    return XDC(backbones, CLIPS, K, **options)


def of(objective, rows=(), seed=0):
    """Features of all clips; NaN of some rows."""

    def features(view):
        found = objective.embed(view, INPUTS[view]).numpy()
        found[list(rows)] = np.nan
        return found

    return RowFeatures(features, seed)


def clustered(**options):
    objective = make(**options)
    objective.on_occasion(objective.occasions[0], of(objective))
    return objective


def batch(rows, ids=None):
    ids = rows if ids is None else ids
    said = {"clip_id": np.array(ids, np.int64), "label": np.zeros(len(rows), np.int64)}
    return {**{view: INPUTS[view][rows] for view in VIEWS}, **said}


@pytest.mark.parametrize(
    ("labels", "terms"),
    [
        ("cross", ["narrow_by_broad_audio", "broad_audio_by_narrow"]),
        ("own", ["narrow_by_narrow", "broad_audio_by_broad_audio"]),
        (
            "both",
            [
                "narrow_by_narrow",
                "narrow_by_broad_audio",
                "broad_audio_by_narrow",
                "broad_audio_by_broad_audio",
            ],
        ),
        ("concatenated", ["narrow_by_all", "broad_audio_by_all"]),
    ],
)
def test_each_view_learns_the_clusters_that_are_asked_for(labels, terms):
    objective, rows = clustered(labels=labels), np.arange(CLIPS)
    assert objective.term_names == terms
    found = objective.terms(batch(rows), training=True)
    features = {view: objective.embed(view, INPUTS[view]).numpy() for view in VIEWS}
    for term, losses in found.losses.items():
        view, source = term.split("_by_")
        classifier = objective.classifiers[term]
        logits = features[view] @ classifier.kernel.numpy() + classifier.bias.numpy()
        of_clips = objective.sources[source].values.numpy()
        if source in VIEWS:  # the clusters are those that were made
            assert len(set(zip(of_clips.tolist(), MEMBERS[source].tolist()))) == K
        sums = np.log(np.exp(logits).sum(axis=-1))
        np.testing.assert_allclose(losses, sums - logits[rows, of_clips], rtol=1e-4, atol=1e-5)
        right = logits.argmax(axis=-1) == of_clips
        np.testing.assert_array_equal(found.monitors[f"accuracy/{term}"], right)


def test_clips_without_features_do_not_count():
    objective = make()
    objective.on_occasion(objective.occasions[0], of(objective, rows=[2, 7]))
    counts = objective.terms(batch(np.arange(9)), training=True).counts
    np.testing.assert_array_equal(counts, [1, 1, 0, 1, 1, 1, 1, 0, 1])


def test_held_out_clips_have_the_label_of_the_nearest_centroid():
    objective, rows = clustered(), np.arange(CLIPS)
    known = objective.terms(batch(rows), training=False)
    held_out = objective.terms(batch(rows, ids=np.full(CLIPS, -1)), training=False)
    for term, losses in known.losses.items():
        np.testing.assert_allclose(held_out.losses[term], losses, rtol=1e-6)
    np.testing.assert_array_equal(held_out.counts, 1)


def test_classifiers_are_drawn_anew_by_the_seed_of_the_occasion():
    drawn = []
    for seed in (1, 1, 2):
        objective = make()
        objective.on_occasion(objective.occasions[0], of(objective, seed=seed))
        drawn.append([layer.kernel.numpy() for layer in objective.classifiers.values()])
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.allclose(drawn[0][0], drawn[2][0])
    assert not np.allclose(drawn[0][0], drawn[0][1])


def test_it_is_clustered_at_the_start_and_when_the_loss_saturates_or_as_bound():
    assert [type(each) for each in make().occasions] == [AtStart, WhenSaturated]
    assert [type(each) for each in make(occasions=[EverySteps(5)]).occasions] == [
        AtStart,
        EverySteps,
    ]


def test_it_learns_the_clusters():
    objective = clustered()
    objective.compile(tf.keras.optimizers.Adam(0.05))
    logs = [objective.train_on_batch(batch(np.arange(CLIPS)), return_dict=True) for _ in range(150)]
    # What the other view tells cannot be seen in this one; it is learned by heart in part.
    assert logs[-1]["loss"] < 0.8 * logs[0]["loss"]


def test_two_replicas_take_the_step_of_one_device():
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas()):
        with strategy.scope():
            objective = make()
            objective.compile(tf.keras.optimizers.SGD(0.5))
        alone = make()
        alone.set_weights(objective.get_weights())
        objective.on_occasion(objective.occasions[0], of(alone))
        clips = CLIPS // strategy.num_replicas_in_sync
        data = tf.data.Dataset.from_tensor_slices(batch(np.arange(CLIPS)))
        batches = strategy.distribute_datasets_from_function(
            lambda _, data=data, clips=clips: data.batch(clips, drop_remainder=True)
        )
        logs = objective.fit(batches, steps_per_epoch=1, verbose=0).history
        results.append([*logs.values(), *(w.numpy() for w in objective.trainable_weights)])
    for one, two in zip(*results):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"labels": "mine"}, "XDC.labels = 'mine'"),
        ({"clusters": 1}, "XDC.clusters = 1"),
        ({"num_clips": 0}, "num_clips = 0"),
        ({"backbones": {"narrow": dense_backbone(4, 5)}}, "two views or more"),
    ],
)
def test_what_cannot_be_is_refused(options, words):
    backbones = {view: dense_backbone(4, 5) for view in VIEWS}
    with pytest.raises(errors.UserError, match=words):
        XDC(**{"backbones": backbones, "num_clips": CLIPS, "clusters": K, **options})

"""CVRL against a loop over clips."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives.cvrl import CVRL

CLIPS, T = 6, 0.2
RNG = np.random.default_rng(0)
BATCH = {view: RNG.normal(size=(CLIPS, 4)).astype(np.float32) for view in ("narrow", "again")}
BATCH["label"] = np.zeros(CLIPS, np.int64)


def head(size, name):
    return dense_backbone(size, 3)


def make(**options):
    tf.keras.utils.set_random_seed(0)
    backbones = {"again": "narrow", "narrow": dense_backbone(4, 5)}
    return CVRL(backbones, projector=head, temperature=T, **options)


def expected(objective):
    """Losses of both directions, accuracy, entropy, cosines with its own and other views, by clip."""
    z = {v: objective.projectors[v](objective.embed(v, BATCH[v])).numpy() for v in objective.order}
    a, b = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (z["narrow"], z["again"]))
    found = []
    for one, other in ((a, b), (b, a)):
        losses = []
        for i in range(CLIPS):
            candidates = [np.exp(one[i] @ x / T) for x in other]
            candidates += [np.exp(one[i] @ one[j] / T) for j in range(CLIPS) if j != i]
            losses.append(-np.log(np.exp(one[i] @ other[i] / T) / sum(candidates)))
        found.append(losses)
    shares = np.exp(a @ b.T / T)
    shares /= shares.sum(axis=-1, keepdims=True)
    found.append(shares.argmax(axis=-1) == np.arange(CLIPS))
    found.append(-(shares * np.log(shares)).sum(axis=-1))
    own = np.eye(CLIPS, dtype=bool)
    return [*found, (a @ b.T)[own], [row[~one].mean() for row, one in zip(a @ b.T, own)]]


def test_losses_are_those_of_a_loop():
    objective = make()
    assert objective.order == ["narrow", "again"]
    assert objective.projectors["narrow"] is objective.projectors["again"]
    terms = objective.terms(BATCH, training=True)
    assert tuple(terms.monitors) == objective.monitor_names
    found, computed = [*terms.losses.values(), *terms.monitors.values()], expected(objective)
    assert len(found) == len(computed)
    for got, value in zip(found, computed):
        np.testing.assert_allclose(got, value, rtol=1e-4)


def test_weights_decay_by_a_term_of_its_own():
    objective = make(weight_decay=0.01)
    objective.compile(tf.keras.optimizers.SGD(0.0))
    first, second, *_ = expected(objective)
    logs = objective.train_on_batch(BATCH, return_dict=True)
    kernels = [w.numpy() for w in objective.trainable_variables if "kernel" in w.name]
    assert len(kernels) == 2 < len(objective.trainable_variables)
    decay = 0.01 * sum(np.sum(kernel**2) for kernel in kernels) / 2
    np.testing.assert_allclose(logs["loss/weight_decay"], decay, rtol=1e-5)
    np.testing.assert_allclose(logs["loss"], np.mean(first) + np.mean(second) + decay, rtol=1e-4)


def test_two_replicas_take_the_step_of_one_device():
    results = []
    for strategy in (tf.distribute.get_strategy(), two_replicas()):
        with strategy.scope():
            objective = make(loss_scale=2.0)
            objective.compile(tf.keras.optimizers.SGD(0.5))
        clips = CLIPS // strategy.num_replicas_in_sync
        data = tf.data.Dataset.from_tensor_slices(BATCH)
        batches = strategy.distribute_datasets_from_function(
            lambda _, data=data, clips=clips: data.batch(clips, drop_remainder=True)
        )
        logs = objective.fit(batches, steps_per_epoch=1, verbose=0).history
        results.append([*logs.values(), *(w.numpy() for w in objective.trainable_weights)])
    for one, two in zip(*results):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backbones": {"narrow": dense_backbone(4, 5)}}, r"CVRL.backbones has \['narrow'\]"),
        ({"temperature": 0.0}, "CVRL.temperature = 0.0"),
        (
            {"projector": lambda size, name: dense_backbone(size, size)}
            | {"backbones": {"narrow": dense_backbone(4, 5), "b": dense_backbone(4, 6)}},
            "projections have sizes",
        ),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    backbones = {"narrow": dense_backbone(4, 5), "again": "narrow"}
    with pytest.raises(errors.UserError, match=said):
        CVRL(**{"backbones": backbones, "projector": head, **options})

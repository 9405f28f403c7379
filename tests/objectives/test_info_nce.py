"""InfoNCE against a loop over clips."""

import co_training
import numpy as np
import pytest
import tensorflow as tf
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives.info_nce import InfoNCE, two_layers


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_losses_and_ranks_are_those_of_a_loop():
    objective = co_training.make(kind=InfoNCE, norm=False)
    first, batch = co_training.batches(2)
    objective.train_step(first)
    assert (objective.query, objective.key) == ("narrow", "second")
    assert objective.step == 1 and not objective.filling()
    terms = objective.terms(batch, training=True)
    target = objective.target
    queries = objective.heads["narrow"](objective.embed("narrow", batch["narrow"])).numpy()
    keys = target.heads["second"](target.backbones["second"](batch["second"])).numpy()
    entries, first_key = objective.queue.entries.numpy(), terms.projections["second"].numpy()
    np.testing.assert_allclose(first_key, unit(keys), rtol=1e-5)
    for clip, (q, k) in enumerate(zip(unit(queries), unit(keys))):
        logits = np.array([q @ k, *(entries @ q)]) / co_training.TEMPERATURE
        loss = -np.log(np.exp(logits[0]) / np.exp(logits).sum())
        np.testing.assert_allclose(terms.losses["contrast"][clip], loss, rtol=1e-4)
        above = np.sum(logits[1:] > logits[0])
        assert terms.monitors["accuracy/contrast"][clip] == (above == 0)
        assert terms.monitors["accuracy/contrast_top5"][clip] == (above < 5)


def test_keys_enter_the_queue_after_the_copy_was_averaged():
    objective = co_training.make(kind=InfoNCE, norm=False)
    first, second = co_training.batches(2)
    objective.train_step(first)
    kernel = lambda models: models["narrow"].weights[0].numpy()  # noqa: E731
    target, online = kernel(objective.target.heads), kernel(objective.heads)
    assert not np.allclose(target, online)
    objective.train_step(second)
    np.testing.assert_allclose(
        kernel(objective.target.heads), 0.9 * target + 0.1 * online, rtol=1e-4, atol=1e-6
    )
    features = objective.target.backbones["second"](second["second"])
    keys = unit(objective.target.heads["second"](features).numpy())
    np.testing.assert_allclose(objective.queue.entries[co_training.CLIPS :], keys, rtol=1e-4)
    assert int(objective.queue.pointer) == 0 and bool(objective.queue.full)


def test_the_head_of_s3d_has_as_many_parameters_as_published():
    assert two_layers(1024, name="head").count_params() == 1_180_800
    assert [layer.name for layer in two_layers(8, name="a_head").layers[1:]] == [
        "a_head/linear",
        "a_head/relu",
        "a_head/linear_1",
    ]


def test_clips_of_another_device_are_in_no_process_of_this_one():
    objective = co_training.make()
    objective.check_batch(8)
    with pytest.raises(errors.UserError, match="CoCLR.clips_per_process = 2: expected a divisor"):
        objective.check_batch(7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"temperature": 0.0}, "InfoNCE.temperature = 0.0: expected a positive"),
        ({"backbones": {"narrow": dense_backbone(4, 3)}}, r"InfoNCE.backbones = \['narrow'\]"),
        (
            {"backbones": {"narrow": dense_backbone(4, 3), "b": dense_backbone(4, 3)}},
            "expected two views that share a backbone",
        ),
        (
            {"backbones": {"narrow": co_training.backbone(True), "b": "narrow"}},
            "InfoNCE.clips_per_process = None, but batch normalisations",
        ),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    backbones = {"narrow": dense_backbone(4, 3), "b": "narrow"}
    tf.keras.utils.set_random_seed(0)
    with pytest.raises(errors.UserError, match=said):
        InfoNCE(**{"backbones": backbones, "head": co_training.head, "queue_size": 16, **options})

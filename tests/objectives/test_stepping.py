"""What a step follows, what it logs, and which steps count."""

import numpy as np
import pytest
import remembering
import tensorflow as tf
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives import base
from brave_tf.training.checkpoints import Checkpoints


class Two(base.Objective):
    """Two terms with weights; gradients may be of another loss."""

    term_names = ("first", "second")

    def __init__(self, weights=None, followed=None, **options):
        super().__init__({"narrow": dense_backbone(4, 3)}, **options)
        self.weights_of_terms, self.followed = weights, followed
        self.called = []

    @property
    def term_weights(self):
        return self.weights_of_terms

    def begin_step(self, step):
        self.called.append(("begin", int(step)))

    def end_step(self, step):
        self.called.append(("end", int(step)))

    def terms(self, batch, training):
        features = self(batch, training=training)
        z = features["narrow"]
        losses = {"first": z[:, 0], "second": z[:, 1]}
        followed = self.followed and self.followed(z)
        write = lambda: self.called.append(("write", training))  # noqa: E731
        return base.Terms(losses, features, {}, followed=followed, writes=[write])


X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
BATCH = {"narrow": X, "label": np.zeros(5, np.int64)}


def step_of(objective):
    """The logged loss, and the gradient of the kernel that a step followed."""
    objective.compile(tf.keras.optimizers.SGD(1.0), run_eagerly=True)
    before = objective.trainable_weights[0].numpy()
    logs = objective.train_on_batch(BATCH, return_dict=True)
    return logs["loss"], before - objective.trainable_weights[0].numpy(), X @ before


def columns(*weights):
    """Gradient of the mean over clips of the weighted outputs."""
    return np.mean(X, axis=0)[:, None] * np.array(weights)[None]


def test_terms_are_weighed():
    loss, gradient, z = step_of(Two({"first": 3.0, "second": tf.constant(-0.5)}, loss_scale=2.0))
    np.testing.assert_allclose(loss, 2 * np.mean(3 * z[:, 0] - 0.5 * z[:, 1]), rtol=1e-5)
    np.testing.assert_allclose(gradient, columns(6, -1, 0), atol=1e-5)


def test_the_loss_that_is_followed_may_be_another():
    objective = Two(followed=lambda z: 7 * z[:, 2], loss_scale=2.0)
    loss, gradient, z = step_of(objective)
    np.testing.assert_allclose(loss, np.mean(z[:, 0] + z[:, 1]), rtol=1e-5)
    np.testing.assert_allclose(gradient, columns(0, 0, 14), atol=1e-5)


@pytest.mark.parametrize("weights", [{"first": 1.0}, {"first": 1, "second": 1, "third": 1}])
def test_weights_of_other_terms_are_refused(weights):
    with pytest.raises(errors.UserError, match="Two.term_weights has .*: expected a weight for"):
        Two(weights).compile(tf.keras.optimizers.SGD(1.0))


def test_hooks_and_writes_come_in_order_and_not_in_evaluation():
    objective = Two()
    objective.compile(tf.keras.optimizers.SGD(1.0), run_eagerly=True)
    for _ in range(2):
        objective.train_on_batch(BATCH)
    objective.test_on_batch(BATCH)
    steps = [[("begin", step), ("write", True), ("end", step)] for step in (0, 1)]
    assert objective.called == [*steps[0], *steps[1]]


def test_hooks_come_once_in_a_step_of_several_parts():
    objective = Two()
    objective.compile(tf.keras.optimizers.SGD(1.0), accumulate_steps=3, run_eagerly=True)
    data = tf.data.Dataset.from_tensors(BATCH).repeat(3)
    objective.fit(data, steps_per_epoch=1, verbose=0)
    assert [name for name, _ in objective.called] == ["begin", *["write"] * 3, "end"]


def test_an_objective_that_does_not_accumulate_says_so():
    with pytest.raises(errors.UserError, match="train.accumulate_steps = 2: Remembering compares"):
        remembering.make().compile(tf.keras.optimizers.SGD(1.0), accumulate_steps=2)


def test_steps_that_fill_a_queue_do_not_count(tmp_path):
    filling = remembering.QUEUE // remembering.CLIPS
    data = remembering.batches(filling + 3)
    objective = remembering.make(waits=True)
    weights = [weight.numpy() for weight in objective.trainable_weights]
    objective.fit(_dataset(data[: filling + 1]), steps_per_epoch=1, verbose=0)
    assert (objective.step, objective.filling_steps) == (1, filling)
    assert len(np.unique(objective.queue.ids["clip_id"])) > 4
    # Everything but the optimizer's part was done, as by one that does not wait but does not move either.
    still = remembering.make()
    for weight, value in zip(still.trainable_weights, weights):
        np.testing.assert_array_equal(weight, value)
    still.compile(tf.keras.optimizers.SGD(0.0))
    still.fit(_dataset(data[:filling]), steps_per_epoch=filling, verbose=0)
    still.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9))
    logs = still.fit(_dataset(data[filling : filling + 1]), verbose=0).history
    for got, expected in zip(_state(objective), _state(still)):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    again = remembering.make(waits=True)
    Checkpoints(objective, str(tmp_path), keep=1).save()
    Checkpoints(again, str(tmp_path), keep=1).restore(1)
    assert (again.step, again.filling_steps) == (1, filling)
    again.fit(_dataset(data[filling + 1 :]), steps_per_epoch=2, verbose=0)
    assert (again.step, again.filling_steps) == (3, filling)
    assert np.isfinite(logs["loss"]).all()


def _state(objective):
    """All variables but the count of the steps that do not count."""
    found = remembering.state(objective)
    return [value for name, value in found.items() if "filling_steps" not in name]


def _dataset(data):
    stacked = {name: np.stack([each[name] for each in data]) for name in data[0]}
    return tf.data.Dataset.from_tensor_slices(stacked)

"""Where NaN and infinity come from: planted in clips, layers, terms and gradients."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf.objectives import base
from brave_tf.training.monitors.non_finite import NonFiniteError, NonFiniteWatch
from brave_tf.training.monitors.origin import find_origin

VIEWS = ("narrow", "broad_audio")


class Two(base.Objective):
    """Each view's features are brought to length 1, in a way that may fail."""

    term_names = tuple(f"{view}_length" for view in VIEWS)

    def __init__(self, backbones, length=lambda squares: squares, head=None):
        super().__init__(backbones)
        self.length, self.head = length, head

    def terms(self, batch, training):
        features = self(batch, training=training)
        losses = {}
        for view in VIEWS:
            x = self.head(features[view]) if self.head else features[view]
            losses[f"{view}_length"] = self.length(tf.reduce_sum(x**2, axis=-1))
        return base.Terms(losses, features, {})


def backbone(name, planted=None):
    """Dense, then a block with two layers, of which the first may be planted."""
    x = tf.keras.Input((4,))
    inside = tf.keras.Sequential(
        [
            tf.keras.layers.Lambda(planted or (lambda y: y), name="planted"),
            tf.keras.layers.Dense(3, name="after"),
        ],
        name="block",
    )
    return tf.keras.Model(x, inside(tf.keras.layers.Dense(3, name="first")(x)), name=name)


def make(narrow=None, broad_audio=None, **settings):
    planted = {"narrow": narrow, "broad_audio": broad_audio}
    tf.keras.utils.set_random_seed(0)
    objective = Two({view: backbone(f"{view}_net", planted[view]) for view in VIEWS}, **settings)
    objective.compile(tf.keras.optimizers.SGD(0.1))
    return objective


def make_batch(clips=4):
    rng = np.random.default_rng(0)
    return {view: tf.constant(rng.normal(size=(clips, 4)), tf.float32) for view in VIEWS}


def log_of_negative(x):
    return tf.math.log(-tf.abs(x))


def test_nothing_is_found_where_all_is_finite():
    assert find_origin(make(), make_batch()) is None


def test_clips_are_named():
    batch = make_batch()
    batch["broad_audio"] *= np.inf
    assert find_origin(make(), batch) == "the clips of view 'broad_audio', before any layer"


@pytest.mark.parametrize("view", VIEWS)
def test_the_first_term_view_and_innermost_layer_are_named(view):
    found = find_origin(make(**{view: log_of_negative}), make_batch())
    assert found == f"term {view}_length, view {view!r}, layer {view}_net/block/planted"


def test_of_terms_that_are_all_bad_one_of_the_view_is_named():
    objective = make(broad_audio=log_of_negative)
    infinite = tf.constant(np.inf)
    objective.length = lambda squares: squares + infinite
    found = find_origin(objective, make_batch())
    assert (
        found == "term broad_audio_length, view 'broad_audio', layer broad_audio_net/block/planted"
    )


def test_layers_outside_of_backbones_are_named():
    head = tf.keras.layers.Lambda(log_of_negative, name="projector")
    assert find_origin(make(head=head), make_batch()) == "term narrow_length, layer projector"


def test_a_term_is_named_where_all_layers_are_finite():
    assert find_origin(make(length=log_of_negative), make_batch()) == "term narrow_length"


def test_what_is_computed_between_layers_is_told_apart():
    objective = make(head=tf.keras.layers.Dense(2, name="projector"))
    call = objective.call
    objective.call = lambda batch, training=False: {
        view: x * np.inf for view, x in call(batch, training).items()
    }
    found = find_origin(objective, make_batch())
    assert found == "term narrow_length, what goes into layer projector"


def test_the_gradient_is_named_where_the_loss_is_finite():
    objective = make(narrow=lambda x: tf.sqrt(0 * x) + x)
    found = find_origin(objective, make_batch())
    assert found == "term narrow_length, the gradient of first/bias:0"


def test_views_that_share_a_backbone_are_told_apart():
    tf.keras.utils.set_random_seed(0)
    planted = lambda x: tf.where(x > 1e3, np.inf, x)  # noqa: E731
    objective = Two({"narrow": backbone("net", planted), "broad_audio": "narrow"})
    batch = make_batch()
    batch["broad_audio"] *= 1e6
    found = find_origin(objective, batch)
    assert found == "term broad_audio_length, view 'broad_audio', layer net/block/planted"


def test_a_part_of_the_batch_on_the_second_replica_is_found():
    with two_replicas().scope():
        objective = make(narrow=lambda x: tf.where(tf.abs(x) > 1e3, np.inf, x))
    batch = make_batch(4)
    batch["narrow"] = tf.concat([batch["narrow"][:3], 1e6 * batch["narrow"][3:]], axis=0)
    found = find_origin(objective, batch)
    assert found == "term narrow_length, view 'narrow', layer narrow_net/block/planted"


def watch(objective, batches=(), good=40):
    asked = []

    def replay(step, count):
        asked.append((step, count))
        return batches

    return NonFiniteWatch(objective, replay, lambda: good), asked


def test_the_message_says_when_where_and_what_to_do():
    objective = make(narrow=log_of_negative)
    watched, asked = watch(objective, [make_batch()])
    with pytest.raises(NonFiniteError) as error:
        watched.look(1, {"loss": np.nan, "loss/narrow_length": np.nan})
    assert asked == [(0, 1)]
    expected = (
        "step 1: the loss is not finite: first in term narrow_length, view 'narrow', layer "
        "narrow_net/block/planted. Nothing was saved since step 40, whose checkpoint is good. Lower "
    )
    assert str(error.value).startswith(expected)


def test_the_steps_since_the_last_look_are_run_again():
    objective = make()
    bad = {**make_batch(), "narrow": make_batch()["narrow"] * np.nan}
    watched, asked = watch(objective, [make_batch(), bad], good=None)
    watched.look(10, {"loss": 1.0})
    with pytest.raises(NonFiniteError) as error:
        watched.look(20, {"loss": np.inf})
    assert asked == [(10, 10)]
    assert "one of the steps 11 to 20: the loss is not finite: first in the clips" in str(
        error.value
    )
    assert "No checkpoint was saved yet" in str(error.value)


def test_what_is_known_is_said_when_it_does_not_come_again():
    watched, _ = watch(make(), [make_batch()])
    logs = {"loss": np.nan, "loss/narrow_length": 1.0, "loss/broad_audio_length": np.nan}
    with pytest.raises(NonFiniteError, match="first in term broad_audio_length .run again"):
        watched.look(1, logs)
    watched, _ = watch(make())
    with pytest.raises(NonFiniteError, match="the gradient is not finite: all terms are finite"):
        watched.look(1, {"loss": 1.0, base.GRADIENT_NORM: np.inf})


def test_weights_and_slots_are_checked():
    objective = make()
    objective.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9))
    watched, _ = watch(objective)
    watched.check_weights(3)
    slot = objective.optimizer.variables()[-1]
    slot.assign(tf.fill(slot.shape, np.inf))
    with pytest.raises(NonFiniteError, match=f"step 3: {slot.name} is not finite"):
        watched.check_weights(3)

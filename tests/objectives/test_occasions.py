"""When occasions are due, against lists written by hand, and what of that a checkpoint has."""

import clustering
import numpy as np
import pytest
import tensorflow as tf
import toy_models

from brave_tf import errors
from brave_tf.objectives import occasions
from brave_tf.objectives.base import Objective
from brave_tf.objectives.occasions import AtStart, EveryEpochs, EverySteps, Passed, WhenSaturated


def steps(occasion, until=12, batch_size=4, epoch_clips=10):
    """Steps after which it happens, of a run that begins after the last one that it was asked for."""
    found = []
    for step in range(until):
        if occasion.due(Passed(step, batch_size, epoch_clips)):
            occasion.happened(step)
            found.append(step)
            assert not occasion.due(Passed(step, batch_size, epoch_clips))
    return found


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (AtStart, [0]),
        (lambda: EverySteps(5), [5, 10]),
        # 4, 8, 12, 16, 20 ... clips are over: of epochs of 10, at 12, 20, 32 and 40.
        (EveryEpochs, [3, 5, 8, 10]),
        (lambda: EveryEpochs(2), [5, 10]),
        (lambda: EveryEpochs(clips=20), [5, 10]),
    ],
)
def test_each_happens_in_time_and_once(make, expected):
    occasion = make()
    assert steps(occasion) == expected
    assert occasion.times.numpy() == len(expected) and occasion.last_step.numpy() == expected[-1]


def test_one_that_is_late_happens_once():
    occasion = EverySteps(3)
    assert occasion.due(Passed(8, 1, None))
    occasion.happened(8)
    assert [step for step in range(8, 13) if occasion.due(Passed(step, 1, None))] == [9, 10, 11, 12]


def test_a_loss_that_saturates():
    occasion = WhenSaturated(patience=2, least=0.1)
    losses = [2.0, 1.5, 1.4, 1.34, 1.5, 1.6, 1.7]
    # 1.4 is not a tenth below 1.5, 1.34 is; two that follow are above. Then it begins anew.
    due = []
    for step, loss in enumerate(losses):
        occasion.measured(step, loss)
        if occasion.due(Passed(step, 1, None)):
            due.append(step)
            occasion.happened(step)
    assert due == [5]
    assert occasion.lowest.numpy() == 1.7 and occasion.waited.numpy() == 0
    assert not occasion.lacks(6) and occasion.lacks(7)


def test_a_negative_loss_has_to_fall_too():
    occasion = WhenSaturated(patience=1, least=0.1)
    for step, loss in enumerate((-1.0, -1.2)):
        occasion.measured(step, loss)
        assert not occasion.due(Passed(step, 1, None))
    occasion.measured(2, -1.25)
    assert occasion.due(Passed(2, 1, None))


def test_checkpoints_have_what_has_happened(tmp_path):
    def make():
        backbone = toy_models.dense_backbone(3, 4)
        return clustering.Clustering({"broad_audio": backbone}, occasions=[WhenSaturated()])

    first, second = make(), make()
    first.occasions[0].happened(0)
    first.occasions[1].measured(7, 0.25)
    path = tf.train.Checkpoint(objective=first).write(str(tmp_path / "state"))
    tf.train.Checkpoint(objective=second).read(path).assert_consumed()
    assert second.occasions[0].times.numpy() == 1
    assert second.occasions[1].lowest.numpy() == 0.25
    assert second.occasions[1].measured_step.numpy() == 7
    names = {each.name for each in second.nested(occasions.Occasion)}
    assert names == {"at_start", "when_saturated"}


class OfTheClass(clustering.Clustering):
    occasions = ()


def test_occasions_that_checkpoints_would_not_have():
    objective = OfTheClass({"broad_audio": toy_models.dense_backbone(3, 4)})
    with pytest.raises(errors.UserError, match="OfTheClass.occasions is an attribute of the class"):
        objective.compile(tf.keras.optimizers.SGD(0.1))


def test_an_objective_without_the_method():
    class Agreement(Objective):
        term_names = ("none",)

        def terms(self, batch, training):
            raise NotImplementedError

    objective = Agreement({"narrow": toy_models.dense_backbone(3, 4)})
    objective.occasions = [AtStart()]
    with pytest.raises(errors.UserError, match="Agreement has occasions, but no on_occasion"):
        objective.compile(tf.keras.optimizers.SGD(0.1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EverySteps(0), "EverySteps.steps = 0"),
        (lambda: EveryEpochs(1.5), "EveryEpochs.epochs = 1.5"),
        (lambda: AtStart(temporal=0), "AtStart.temporal = 0"),
        (lambda: WhenSaturated(least=-1.0), "WhenSaturated.least = -1.0"),
        (lambda: EveryEpochs().due(Passed(1, 4, None)), "bind how many an epoch has"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(errors.UserError, match=message):
        make()


def test_the_features_of_an_occasion_are_those_of_the_backbone():
    objective = clustering.Clustering({"broad_audio": toy_models.dense_backbone(3, 4)})
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        objective.occasion_features(objective.occasions[0], "broad_audio", x),
        objective.embed("broad_audio", x),
    )

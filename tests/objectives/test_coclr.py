"""CoCLR against a loop over clips, and over devices, compilation and checkpoints."""

import pathlib
import subprocess
import sys

import co_training
import gin
import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas
from toy_models import dense_backbone

from brave_tf import errors
from brave_tf.objectives.coclr import CoCLR, UberNCE
from brave_tf.objectives.info_nce import InfoNCE
from brave_tf.training.checkpoints import Checkpoints
from brave_tf.training.initial_weights import load_initial
from brave_tf.training.settings import Settings

PROGRAM = pathlib.Path(co_training.__file__).with_name("co_training_steps.py")
FILLING = co_training.QUEUE // co_training.CLIPS
STEPS = 3


def assert_equal_states(got, expected, rtol=1e-3):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(1e-2, np.abs(value.astype("f8")).max())
        difference = np.abs(got[name].astype("f8") - value).max() / scale
        assert difference < rtol, (name, difference)


def unit(x):
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-6)


def losses_of_a_loop(objective, batch, drops):
    """The loss of each clip, whose positives are mined if the queue is full."""
    view = lambda name: objective.heads[name](objective.embed(name, batch[name])).numpy()  # noqa: E731
    target = objective.target
    keys = target.heads["second"](target.backbones["second"](batch["second"])).numpy()
    queue, second = objective.queue.entries.numpy(), objective.second_queue.entries.numpy()
    groups, losses = objective.queue.ids["group"].numpy(), []
    for q, k, kf, group in zip(
        unit(view("narrow")), unit(keys), unit(view("flow")), batch["group"]
    ):
        chances = np.exp(
            np.array([q @ k, *(q @ entry for entry in queue)]) / co_training.TEMPERATURE
        )
        chances /= chances.sum()
        found = {i for i, other in enumerate(groups) if other == group}
        if objective.queue.full:
            others = [i for i in range(len(queue)) if i not in found]
            found |= set(sorted(others, key=lambda i: -(kf @ second[i]))[: co_training.TOP])
        positives = [i + 1 for i in found] + ([] if drops and found else [0])
        losses.append(-np.log(sum(chances[i] for i in positives)))
    return losses


def filled(objective, steps=FILLING):
    """Pushes batches as filling steps do."""
    for batch in co_training.batches(steps):
        objective.train_step(batch, counts=False)
    return co_training.batches(steps + 1)[-1]


@pytest.mark.parametrize("steps", [1, FILLING])
def test_losses_are_those_of_a_loop(steps):
    objective = co_training.make(norm=False)
    batch = filled(objective, steps)
    assert bool(objective.queue.full) == (steps == FILLING)
    assert objective.draws.seed[1] == steps
    expected = losses_of_a_loop(objective, batch, drops=False)
    terms = objective.terms(batch, training=False)
    np.testing.assert_allclose(terms.losses["contrast"], expected, rtol=1e-4)
    same = objective.queue.ids["group"].numpy() == batch["group"][:, None]
    np.testing.assert_allclose(terms.monitors["queue/same_source"], same.mean(axis=1), rtol=1e-5)


def test_what_monitors_say_of_positives():
    objective = co_training.make(norm=False)
    batch = filled(objective)
    labels, groups = (objective.queue.ids[name].numpy() for name in ("label", "group"))
    assert -1 in batch["label"] and -1 in labels
    found = []
    contrast = objective.contrast
    objective.contrast = lambda x, positives: found.append(positives) or contrast(x, positives)
    monitors = objective.terms(batch, training=False).monitors
    expected = {"positives/same_source": [], "mined/same_class": []}
    for positives, label, group in zip(found[0].numpy()[:, 1:], batch["label"], batch["group"]):
        same = groups == group
        expected["positives/same_source"].append([np.sum(positives & same), np.sum(positives)])
        mined = positives & ~same & (labels >= 0) & (label >= 0)
        expected["mined/same_class"].append([np.sum(mined & (labels == label)), np.sum(mined)])
    for name, counts in expected.items():
        some, every = np.transpose(counts)
        shares, known = monitors[name]
        np.testing.assert_array_equal(known, every > 0)
        np.testing.assert_allclose(
            np.array(shares)[every > 0], (some / np.maximum(every, 1))[every > 0]
        )
    assert 0 < np.sum(monitors["mined/same_class"][1]) < len(batch["label"])
    # Those of every step of the queue, the newest of age 0.
    assert float(monitors["queue/age"]) == pytest.approx((FILLING - 1) / 2)


def test_means_of_monitors_are_of_clips_that_have_them():
    objective = co_training.make(norm=False)
    batch = filled(objective)
    shares, known = objective.terms(batch, training=False).monitors["mined/same_class"]
    objective.reset_metrics()
    logs = objective.test_step(batch)
    expected = np.average(shares, weights=known)
    np.testing.assert_allclose(logs["mined/same_class"], expected, rtol=1e-5)
    objective.reset_metrics()
    logs = objective.test_step({**batch, "label": np.full_like(batch["label"], -1)})
    assert "mined/same_class" not in objective.figures(logs)


def test_own_keys_are_left_out_of_some_batches_in_training():
    objective = co_training.make(norm=False, drop_own=0.7)
    batch = filled(objective)
    kept, dropped = (losses_of_a_loop(objective, batch, drops) for drops in (False, True))
    number = 0
    for _ in range(60):
        got = objective.terms(batch, training=True).losses["contrast"]
        without = np.allclose(got, dropped, rtol=1e-4)
        assert without or np.allclose(got, kept, rtol=1e-4)
        number += without
        objective.draws.advance()
    assert 30 <= number <= 54


@pytest.fixture(scope="module")
def whole():
    """Losses and state of an undisturbed run on one device, with shuffling."""
    objective = co_training.make()
    losses = co_training.train(objective, co_training.batches(STEPS + FILLING), STEPS)
    assert (objective.step, objective.filling_steps) == (STEPS, FILLING)
    return losses, co_training.state(objective)


def test_two_replicas_leave_the_state_of_one_device(whole):
    objective = co_training.make(two_replicas())
    losses = co_training.train(objective, co_training.batches(STEPS + FILLING), STEPS)
    np.testing.assert_allclose(losses, whole[0], rtol=1e-4)
    assert_equal_states(co_training.state(objective), whole[1])


@pytest.mark.series
def test_four_devices_leave_the_state_of_one(whole, tmp_path):
    path = tmp_path / "four.npz"
    done = subprocess.run([sys.executable, PROGRAM, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = dict(np.load(path))
    np.testing.assert_allclose(found.pop("losses"), whole[0], rtol=1e-4)
    assert_equal_states(found, whole[1])


def test_a_run_that_resumes_ends_with_the_same_bits(whole, tmp_path):
    data = co_training.batches(STEPS + FILLING)
    first = co_training.make()
    co_training.train(first, data[: FILLING + 1], 1)
    Checkpoints(first, str(tmp_path), keep=1).save()
    second = co_training.make()
    Checkpoints(second, str(tmp_path), keep=1).restore(1)
    co_training.train(second, data[FILLING + 1 :], STEPS - 1)
    for name, value in co_training.state(second).items():
        assert value.tobytes() == whole[1][name].tobytes(), name


def test_xla_compiles_steps(whole):
    objective = co_training.make(jit=True)
    losses = co_training.train(objective, co_training.batches(STEPS + FILLING), STEPS)
    np.testing.assert_allclose(losses, whole[0], rtol=1e-4)
    assert_equal_states(co_training.state(objective), whole[1])


def test_evaluation_writes_nothing():
    objective = co_training.make()
    batch = filled(objective)
    before = co_training.state(objective)
    objective.test_on_batch(batch)
    for name, value in co_training.state(objective).items():
        assert value.tobytes() == before[name].tobytes(), name


def test_the_frozen_network_stays_what_it_is_and_the_other_learns():
    objective = co_training.make()
    begun = co_training.state(objective)
    frozen = [*objective.backbones["flow"].weights, *objective.heads["flow"].weights]
    trained = {id(variable) for variable in objective.trainable_variables}
    assert not trained & {id(variable) for variable in frozen}
    before = [variable.numpy() for variable in frozen]
    co_training.train(objective, co_training.batches(STEPS + FILLING), STEPS)
    for variable, value in zip(frozen, before):
        np.testing.assert_array_equal(variable, value)
    assert not np.array_equal(begun["0"], co_training.state(objective)["0"])


@pytest.mark.parametrize("view", ["second", "flow"])
def test_what_is_not_finite_enters_neither_queue(view):
    objective = co_training.make(norm=False)
    (batch,) = co_training.batches(1)
    queues = objective.queue, objective.second_queue
    before = [queue.entries.numpy() for queue in queues]
    batch[view][3, 0] = np.nan
    objective.train_step(batch, counts=False)
    for queue, value in zip(queues, before):
        changed = np.any(queue.entries.numpy() != value, axis=-1)
        np.testing.assert_array_equal(np.flatnonzero(changed), [0, 1, 2, 4, 5, 6, 7])
    assert objective.queue.ids["group"].numpy()[3] == -1


@pytest.mark.parametrize("lacking", ["backbones", "heads"])
def test_a_frozen_network_as_it_was_drawn_is_refused(lacking):
    shared = {"narrow": dense_backbone(4, 3), "b": "narrow"}
    objective = CoCLR({**shared, "flow": dense_backbone(4, 3)}, queue_size=8)
    drawn = getattr(objective, lacking)["flow"].get_weights()
    for models in (objective.backbones, objective.heads):
        models["flow"].set_weights([weight + 1 for weight in models["flow"].get_weights()])
    assert objective.filling()
    getattr(objective, lacking)["flow"].set_weights(drawn)
    with pytest.raises(
        errors.UserError, match="frozen network of view 'flow' .* 'heads/flow': RUN"
    ):
        objective.filling()


def test_the_frozen_network_is_a_part_of_a_run_of_its_view(tmp_path):
    backbones = {"flow": co_training.backbone(True), "later_flow": "flow"}
    first = InfoNCE(backbones, co_training.head, queue_size=8, clips_per_process=2)
    first.compile(tf.keras.optimizers.SGD(0.1))
    Checkpoints(first, str(tmp_path), keep=1).save()
    parts = dict.fromkeys(("backbones/flow", "heads/flow"), str(tmp_path))
    objective = co_training.make()
    options = {"data_dir": "none", "batch_size": 8, "num_steps": 1, "initial_parts": parts}
    settings = Settings(optimizer=tf.keras.optimizers.SGD, **options)
    load_initial(objective, settings, None)
    for models, found in ((first.backbones, objective.backbones), (first.heads, objective.heads)):
        for got, expected in zip(found["flow"].weights, models["flow"].weights):
            np.testing.assert_array_equal(got, expected)
    assert objective.filling()


def test_for_the_reverse_the_modalities_are_exchanged():
    shared = dense_backbone(4, 3)
    backbones = {"narrow": dense_backbone(4, 3), "flow": shared, "later_flow": "flow"}
    objective = CoCLR(backbones, head=co_training.head)
    assert (objective.query, objective.key, objective.frozen) == ("flow", "later_flow", "narrow")
    assert objective.networks()["target"]["narrow"] is objective.backbones["narrow"]


def test_entries_of_the_label_are_positives_too():
    objective = co_training.make(kind=UberNCE, norm=False)
    first, batch = co_training.batches(2)
    objective.train_step(first)
    logits, contrast = [], objective.contrast
    objective.contrast = lambda x, positives: logits.append(x) or contrast(x, positives)
    got = objective.terms(batch, training=True).losses["contrast"].numpy()
    labels = objective.queue.ids["label"].numpy()
    assert -1 in batch["label"] and -1 in labels
    logs = tf.nn.log_softmax(logits[0]).numpy()
    for clip, label in enumerate(batch["label"]):
        positives = [i + 1 for i, other in enumerate(labels) if other == label >= 0]
        np.testing.assert_allclose(got[clip], -np.mean(logs[clip, [0, *positives]]), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"backbones": {"narrow": dense_backbone(4, 3), "b": "narrow"}}, "and one with another"),
        ({"top": 17}, "CoCLR.top = 17: expected 1 to queue_size, 16"),
        ({"drop_own": 1.5}, "CoCLR.drop_own = 1.5"),
        ({"queue_siz": 8}, "CoCLR has no argument 'queue_siz'.*queue_size"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    backbones = {"narrow": dense_backbone(4, 3), "b": "narrow", "flow": dense_backbone(4, 3)}
    with pytest.raises(errors.UserError, match=said):
        CoCLR(**{"backbones": backbones, "head": co_training.head, "queue_size": 16, **options})


def test_gin_binds_each_by_its_own_name():
    gin.parse_config("UberNCE.queue_size = 4\nCoCLR.top = 2\nCoCLR.queue_size = 8")
    backbones = {"narrow": dense_backbone(4, 3), "b": "narrow"}
    assert InfoNCE(backbones).queue.size == 2048
    assert UberNCE(backbones).queue.size == 4
    objective = CoCLR({**backbones, "flow": dense_backbone(4, 3)})
    assert (objective.queue.size, objective.second_queue.size, objective.top) == (8, 8, 2)
    assert objective.heads["narrow"].output_shape == (None, 128)

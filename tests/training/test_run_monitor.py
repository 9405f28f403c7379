"""What runs do between their steps, and runs that go wrong: what stops them, leave, and say."""

import re
import time
import types

import gin
import numpy as np
import pytest
import tensorflow as tf
import tiny_run

from brave_tf import config, errors
from brave_tf.training import recipe, run
from brave_tf.training.event_files import read_events
from brave_tf.training.monitors.further import MonitorError
from brave_tf.training.monitors.monitor import Monitor
from brave_tf.training.monitors.non_finite import NonFiniteError
from brave_tf.training.run_monitor import RunMonitor


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny_run.write_records(tmp_path_factory.mktemp("records"))


@gin.configurable
def spoilt(values, seed):
    """An augmentation that makes infinity of everything."""
    del seed
    return values / 0.0


def load(folder, records, *bindings):
    config.load_config([str(tiny_run.write_recipe(folder, records))], bindings)


def saved_steps(folder):
    return sorted(int(path.stem[5:]) for path in (folder / "checkpoints").glob("step-*.index"))


@pytest.mark.long
def test_a_run_that_diverges_keeps_its_last_good_checkpoint_and_goes_on_from_it(tmp_path, records):
    folder = tmp_path / "run"
    load(tmp_path, records, "train.num_steps = 2")
    assert run.train(str(folder))

    often = ("train.log_every = 1", "train.checkpoint_every = 8", "train.num_steps = 8")
    load(tmp_path, records, "sgd.learning_rate = 1e30", *often)
    with pytest.raises(NonFiniteError) as error:
        run.train(str(folder), allow_changes=True)
    assert re.match(
        r"step [45]: the (loss|gradient) is not finite: first in term \w+, view '\w+', layer \w+_light/\w+\. "
        "Nothing was saved since step 2, whose checkpoint is good. Lower the learning rate, ",
        str(error.value),
    )
    assert saved_steps(folder) == [2]
    weights = recipe.load_run(str(folder)).objective.weights
    assert all(np.isfinite(weight.numpy()).all() for weight in weights)

    load(tmp_path, records, "train.num_steps = 4")
    assert run.train(str(folder), allow_changes=True)


def test_clips_that_are_not_finite_are_told_from_layers(tmp_path, records):
    load(
        tmp_path, records, "narrow/RgbView.augmentations = [@spoilt]", "train.checkpoint_every = 1"
    )
    with pytest.raises(NonFiniteError) as error:
        run.train(str(tmp_path / "run"))
    assert re.match(
        "step 1: the (loss|gradient) is not finite: first in the clips of view 'narrow', before any layer. "
        "No checkpoint was saved yet.",
        str(error.value),
    )
    assert not (tmp_path / "run" / "checkpoints").exists()


@gin.configurable
def absent_probe(data_dir, views):
    raise errors.UserError(f"no labels in {data_dir} for {sorted(views)}")


def test_a_probe_that_cannot_be_used_stops_a_run_before_it_starts(tmp_path, records):
    load(tmp_path, records, "train.probe = @absent_probe")
    with pytest.raises(errors.UserError, match="no labels in .* for \\['broad_audio', 'narrow'\\]"):
        run.train(str(tmp_path / "run"))
    assert not (tmp_path / "run" / "tensorboard").exists()


@gin.configurable
class Failing(Monitor):
    """Fails after a step, in one of several ways."""

    def __init__(self, error):
        super().__init__(on_steps=[3])
        self.error = error

    def act(self, moment):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (KeyError("x"), MonitorError, "step 3: KeyError: 'x'"),
        (errors.LostInputError("gone"), errors.LostInputError, "step 3: gone"),
        (OSError(28, "disk full"), OSError, "step 3"),
    ],
)
def test_a_plug_ins_monitor_that_fails_is_named_and_the_run_goes_on_without_it(
    tmp_path, records, error, kind, said
):
    bindings = ("train.num_steps = 4", "train.checkpoint_every = 4")
    load(tmp_path, records, *bindings, "train.monitors = [@Failing]")
    with gin.unlock_config():
        gin.bind_parameter("Failing.error", error)
    folder = tmp_path / "run"
    with pytest.raises(kind) as raised:
        run.train(str(folder))
    assert f"monitor Failing of {__name__}, " in str(raised.value) and said in str(raised.value)
    assert saved_steps(folder) == [3]
    load(tmp_path, records, *bindings)
    assert run.train(str(folder))
    assert saved_steps(folder) == [3, 4]


@gin.configurable
class Refusing(Monitor):
    """Has nothing to watch."""

    def __init__(self):
        super().__init__(at_end=True)

    def prepare(self, inputs):
        raise errors.UserError(f"no view 'x' among {sorted(inputs.recipe.views)}")

    def act(self, moment):
        raise AssertionError


@gin.configurable
def not_a_monitor():
    return 3


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("Refusing", r"monitor Refusing of [\w.]+: no view 'x' among \['broad_audio', 'narrow'\]"),
        (
            "not_a_monitor",
            "train.monitors names not_a_monitor, which makes int: expected a subclass",
        ),
        ("a/ClipPictures", "train.monitors names ClipPictures, which every run has: leave it out"),
    ],
)
def test_a_monitor_that_cannot_be_used_stops_a_run_before_it_starts(
    tmp_path, records, named, message
):
    load(tmp_path, records, f"train.monitors = [@{named}]")
    with pytest.raises(errors.UserError, match=message):
        run.train(str(tmp_path / "run"))
    assert not (tmp_path / "run" / "tensorboard").exists()


@gin.configurable
class Slow(Monitor):
    """Takes longer than a step."""

    def __init__(self):
        super().__init__(on_steps=[3])

    def act(self, moment):
        time.sleep(8)


@pytest.mark.long
def test_the_time_of_a_monitor_is_left_out_of_the_rate(tmp_path, records):
    load(tmp_path, records, "train.num_steps = 4", "train.monitors = [@Slow]")
    assert run.train(str(tmp_path / "run"))
    events = read_events(tmp_path / "run" / "tensorboard" / "train")
    (seconds,) = [
        float(tf.make_ndarray(value.tensor))
        for event in events
        for value in event.summary.value
        if event.step == 4 and value.tag == "throughput/seconds_per_step"
    ]
    assert 0 < seconds < 4


class Untrained:
    """Stands for an objective whose loss is its step."""

    step = 4
    trainable_variables = variables = ()
    seen = types.SimpleNamespace(waited=0.0, clips={})

    def reset_metrics(self):
        pass

    def figures(self, logs):
        return dict(logs)


class Noting(Monitor):
    """Notes when it is asked to do something."""

    def __init__(self, notes, everywhere=False, **times):
        self.everywhere = everywhere
        super().__init__(**times)
        self.notes = notes

    def begin(self, moment):
        self.notes.append(("begin", moment.step, {}))

    def act(self, moment):
        self.notes.append(("act", moment.step, moment.means))


@pytest.mark.parametrize("chief", [True, False])
def test_the_chief_has_monitors_act_and_the_others_those_that_act_everywhere(
    tmp_path, monkeypatch, chief
):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    everywhere, alone, by_clock = [], [], []
    makers = [
        lambda: Noting(everywhere, everywhere=True, every_steps=3),
        lambda: Noting(alone, every_steps=5, on_steps=[6, 7]),
        lambda: Noting(by_clock, every_secs=20.0),
    ]
    settings = types.SimpleNamespace(
        num_steps=100, log_every=100, checkpoint_every=100, probe=None, monitors=makers
    )
    inputs = types.SimpleNamespace(
        settings=settings,
        recipe=types.SimpleNamespace(views={"narrow": None}),
        holds_out=False,
        num_clips=lambda: None,
        replay=None,
        skipped=types.SimpleNamespace(update=lambda: None),
    )
    checkpoints = types.SimpleNamespace(newest_step=lambda: 4)
    interruption = types.SimpleNamespace(under_way=lambda: None, exit_code=None)
    monitor = RunMonitor(
        Untrained(), inputs, tmp_path, checkpoints, interruption, wait=None, chief=chief
    )
    monitor.on_train_begin()
    for step in range(5, 11):
        monitor.on_train_batch_begin(0)
        now[0] += 9.0
        monitor.on_train_batch_end(0, {"loss": float(step)})
    begun = [("begin", 4, {})]
    act = lambda *steps: [("act", step, {"loss": float(step)}) for step in steps]  # noqa: E731
    assert everywhere == begun + act(6, 9)
    assert alone == begun + (act(5, 6, 7, 10) if chief else [])
    # 27 and 54 seconds after the beginning.
    assert by_clock == begun + (act(7, 10) if chief else [])

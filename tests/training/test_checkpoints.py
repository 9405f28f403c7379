"""Which checkpoints of a run are kept, found and restored."""

import collections
import shutil

import numpy as np
import pytest
import tensorflow as tf

from brave_tf import errors
from brave_tf.training import checkpoints
from brave_tf.training.checkpoints import BEST, LAST, Checkpoints, restore_weights


class Objective(tf.Module):
    """Weights that are worth their step, and an optimizer with slots for them."""

    def __init__(self, units=300_000, precision="float32", rate=0.01):
        super().__init__()
        self.kernel = tf.Variable(tf.zeros([units]))
        self.optimizer = tf.keras.optimizers.SGD(rate, momentum=0.9)
        if precision == "mixed_float16":
            self.optimizer = tf.keras.mixed_precision.LossScaleOptimizer(self.optimizer)
        self.optimizer.build([self.kernel])

    @property
    def step(self):
        return int(self.optimizer.iterations)

    def go_to(self, step):
        self.optimizer.iterations.assign(step)
        self.kernel.assign(tf.fill(self.kernel.shape, float(step)))


def run_through(folder, losses, **settings):
    """Saves at the steps of `losses`, step -> held-out loss."""
    objective = Objective()
    saving = Checkpoints(objective, str(folder), **settings)
    for step, loss in losses.items():
        objective.go_to(step)
        saving.save(loss)
    return saving


def kept(folder):
    return sorted(int(path.stem[5:]) for path in (folder / "checkpoints").glob("step-*.index"))


def restored(folder, which=LAST):
    objective = Objective()
    step = restore_weights(objective, str(folder), which)
    np.testing.assert_array_equal(objective.kernel, np.full(300_000, step))
    return step


@pytest.mark.parametrize(
    ("losses", "settings", "expected"),
    [
        ({2: None, 4: None, 6: None}, {"keep": 2}, [4, 6]),
        ({2: 0.5, 4: 0.4, 6: 0.6, 8: 0.7}, {"keep": 1}, [4, 8]),
        ({2: 0.4, 4: 0.4, 6: 0.5, 8: None}, {"keep": 1}, [2, 8]),
        ({2: None, 4: None, 6: None, 8: None, 9: None}, {"keep": 1, "keep_every": 4}, [4, 8, 9]),
    ],
)
def test_the_newest_the_best_and_some_for_good_are_kept(tmp_path, losses, settings, expected):
    run_through(tmp_path, losses, **settings)
    assert kept(tmp_path) == expected


def test_last_best_and_steps_are_found(tmp_path):
    run_through(tmp_path, {2: 0.5, 4: 0.4, 6: 0.6}, keep=3)
    assert [restored(tmp_path, which) for which in (LAST, BEST, "2")] == [6, 4, 2]
    for which in ("3", "newest"):
        with pytest.raises(errors.UserError, match=f"{which}.*one of the steps 2, 4, 6"):
            restored(tmp_path, which)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_constant_rate_is_that_of_the_configuration_not_of_the_checkpoint(tmp_path, precision):
    saved = Objective(3, precision, rate=0.5)
    saved.go_to(2)
    Checkpoints(saved, str(tmp_path), keep=1).save()
    resumed = Objective(3, precision, rate=0.125)
    Checkpoints(resumed, str(tmp_path), keep=1).restore(2)
    assert resumed.step == 2
    pairs = [(tf.ones(3), resumed.kernel)]
    if precision == "mixed_float16":
        resumed.optimizer.inner_optimizer.apply_gradients(pairs)
    else:
        resumed.optimizer.apply_gradients(pairs)
    np.testing.assert_allclose(resumed.kernel, np.full(3, 2 - 0.125))


def test_losses_on_held_out_clips_are_found_up_to_a_step(tmp_path):
    saving = run_through(tmp_path, {2: 0.5, 4: None, 6: 0.6, 8: 0.7}, keep=4)
    assert saving.held_out_losses(6) == {2: 0.5, 6: 0.6}


def test_there_is_no_best_without_measurements(tmp_path):
    run_through(tmp_path, {2: None}, keep=3)
    with pytest.raises(errors.UserError, match="when clips were held out"):
        restored(tmp_path, BEST)


def test_a_resumed_run_keeps_the_best_of_before(tmp_path):
    run_through(tmp_path, {2: 0.1, 4: 0.4}, keep=1)
    objective = Objective()
    saving = Checkpoints(objective, str(tmp_path), keep=1)
    saving.restore(saving.newest_step())
    assert objective.step == 4
    objective.go_to(6)
    saving.save(0.2)
    assert kept(tmp_path) == [2, 6]
    assert restored(tmp_path, BEST) == 2


def test_the_newest_that_is_whole_is_restored_and_the_damaged_one_replaced(tmp_path, caplog):
    run_through(tmp_path, {2: None, 4: None, 6: None}, keep=3)
    data = next((tmp_path / "checkpoints").glob("step-6.data*"))
    data.write_bytes(data.read_bytes()[:-1])
    assert restored(tmp_path) == 4
    assert f"{data.name} has" in caplog.text
    saving = run_through(tmp_path, {5: None}, keep=1)
    assert kept(tmp_path) == [5, 6]
    assert saving.newest_step() == 5
    run_through(tmp_path, {6: None}, keep=1)
    assert restored(tmp_path) == 6
    assert kept(tmp_path) == [6]


def test_a_run_whose_checkpoints_are_all_damaged_does_not_start_again_from_0(tmp_path):
    saving = run_through(tmp_path, {2: None, 4: None}, keep=3)
    for path in (tmp_path / "checkpoints").glob("*.json"):
        path.unlink()
    for find in (saving.newest_step, lambda: restored(tmp_path)):
        with pytest.raises(errors.UserError, match="no usable checkpoint.*step-4.*step-2"):
            find()


def test_a_run_without_checkpoints_has_none(tmp_path):
    assert Checkpoints(Objective(), str(tmp_path), keep=1).newest_step() is None
    with pytest.raises(errors.UserError, match="brave_tf_train"):
        restored(tmp_path)


def test_weights_of_another_shape_do_not_fit(tmp_path):
    run_through(tmp_path, {2: None}, keep=1)
    other = Objective(units=7)
    with pytest.raises(errors.UserError, match=r"step-2 does not fit"):
        restore_weights(other, str(tmp_path))
    with pytest.raises(errors.UserError, match=r"step-2 does not fit"):
        Checkpoints(other, str(tmp_path), keep=1).restore(2)


def test_a_state_is_written_once(tmp_path):
    saving = run_through(tmp_path, {2: None}, keep=1)
    manifest = tmp_path / "checkpoints" / "step-2.json"
    written = manifest.stat().st_mtime_ns
    saving.save()
    assert manifest.stat().st_mtime_ns == written


def test_the_random_state_of_dropout_is_part_of_a_checkpoint(tmp_path):
    class Dropping(Objective):
        def __init__(self):
            super().__init__()
            tf.keras.utils.set_random_seed(0)
            self.net = tf.keras.Sequential([tf.keras.layers.Dropout(0.5)])
            self.net.build((1, 64))
            self.draw = tf.function(lambda: self.net(tf.ones((1, 64)), training=True))

    tf.keras.backend.experimental.enable_tf_random_generator()
    try:
        straight, resumed = Dropping(), Dropping()
    finally:
        tf.keras.backend.experimental.disable_tf_random_generator()
    drawn = [straight.draw() for _ in range(3)]
    assert np.any(drawn[0] != drawn[1])
    Checkpoints(straight, str(tmp_path), keep=1).save()
    Checkpoints(resumed, str(tmp_path), keep=1).restore(0)
    for _ in range(3):
        np.testing.assert_array_equal(straight.draw(), resumed.draw())
    assert restore_weights(Dropping(), str(tmp_path)) == 0


def test_what_cannot_be_written_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    objective = Objective()
    saving = Checkpoints(objective, str(tmp_path), keep=1)
    objective.go_to(2)
    saving.save()
    objective.go_to(4)
    monkeypatch.setattr(tf.train.Checkpoint, "write", full_disk)
    with pytest.raises(checkpoints.SaveError, match="step-4 could not be written: .*Free space"):
        saving.save()
    assert kept(tmp_path) == [2]
    monkeypatch.undo()
    saving.save()
    assert kept(tmp_path) == [4]


def full_disk(*_):
    raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")


def on_a_disk_with(monkeypatch, free):
    usage = collections.namedtuple("usage", "total used free")(10**12, 0, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_space_that_is_needed_is_checked_beforehand(tmp_path, monkeypatch, caplog, precision):
    objective = Objective(10**6, precision)
    saving = Checkpoints(objective, str(tmp_path), keep=3)
    saving.save()
    size = sum(path.stat().st_size for path in (tmp_path / "checkpoints").glob("step-0.*"))
    assert 8e6 < size < 8.1e6
    # Up to 5 at the same time, of which 1 is there.
    on_a_disk_with(monkeypatch, 5 * size)
    saving.check_space()
    assert not caplog.text
    on_a_disk_with(monkeypatch, 3.5 * size)
    saving.check_space()
    assert "only 28.0 MB are free" in caplog.text
    on_a_disk_with(monkeypatch, 0.9 * size)
    with pytest.raises(errors.UserError, match="a checkpoint takes 9.0 MB, but only 7.2 MB"):
        saving.check_space()


def test_one_of_several_processes_writes(tmp_path):
    run_through(tmp_path, {2: None, 4: 0.5}, keep=1, writes=False)
    assert not list(tmp_path.iterdir())
    run_through(tmp_path, {2: None, 4: 0.5}, keep=1)
    assert kept(tmp_path) == [4]


ROWS = {"count": 12, "digest": "a" * 64}


@pytest.mark.parametrize(
    ("saved", "now", "message"),
    [
        (ROWS, {**ROWS, "count": 13}, "has rows of 12 clips, but there are 13 now"),
        (ROWS, {**ROWS, "digest": "b" * 64}, r"others or .* \(digest a{12}, now b{12}\)"),
        (None, ROWS, "does not say which clips its rows are of"),
    ],
)
def test_what_is_kept_for_other_clips_is_not_restored(tmp_path, saved, now, message):
    run_through(tmp_path, {2: None}, keep=1, rows=saved)
    with pytest.raises(errors.UserError, match=message):
        Checkpoints(Objective(), str(tmp_path), keep=1, rows=now).restore(2)
    for rows in (saved, None):
        objective = Objective()
        Checkpoints(objective, str(tmp_path), keep=1, rows=rows).restore(2)
        assert objective.step == 2

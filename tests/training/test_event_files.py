"""Event files of TensorBoard without the steps that a resumed run repeats."""

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import event_accumulator

from brave_tf.training import event_files


def write(folder, steps):
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for step in steps:
            tf.summary.scalar("loss", step / 10, step=step)
            tf.summary.text("note", f"at {step}", step=step)
    writer.close()
    return next(iter(folder.glob("events*")))


def read(folder):
    """What TensorBoard shows: [(step, value)] of the loss, in its order."""
    shown = event_accumulator.EventAccumulator(str(folder), {"tensors": 0}).Reload()
    return [(e.step, tf.make_ndarray(e.tensor_proto).item()) for e in shown.Tensors("loss")]


def pairs(steps):
    return [(step, np.float32(step / 10)) for step in steps]


def test_later_steps_are_dropped_in_all_folders_and_others_kept(tmp_path):
    for name in ("train", "held_out"):
        write(tmp_path / name, range(10))
    event_files.drop_after(tmp_path, 6)
    for name in ("train", "held_out"):
        assert read(tmp_path / name) == pairs(range(7))
        assert len(list((tmp_path / name).iterdir())) == 1


def test_files_without_later_steps_are_left_as_they_are(tmp_path):
    path = write(tmp_path, range(5))
    before = path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino
    event_files.drop_after(tmp_path, 4)
    assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == before


@pytest.mark.parametrize("lost", [1, 7, 40])
def test_an_event_that_was_not_written_to_the_end_is_dropped(tmp_path, lost):
    path = write(tmp_path, range(5))
    path.write_bytes(path.read_bytes()[:-lost])
    event_files.drop_after(tmp_path, 9)
    assert read(tmp_path) == pairs(range(5))
    events = list(tf.data.TFRecordDataset(str(path)))
    assert len(events) == 1 + 2 * 5 - 1


def test_a_resumed_run_continues_its_charts(tmp_path):
    path = write(tmp_path, range(10))
    # TensorBoard reads in the order of the times in the names.
    path.rename(path.with_name("events.out.tfevents.1000000000.host.1.0.v2"))
    event_files.drop_after(tmp_path, 6)
    write(tmp_path, range(7, 12))
    assert read(tmp_path) == pairs(range(12))


def test_a_run_that_begins_has_nothing_to_drop(tmp_path):
    event_files.drop_after(tmp_path / "none", 0)
    assert not list(tmp_path.iterdir())


def test_values_of_a_tag_at_a_step_are_dropped(tmp_path):
    write(tmp_path, range(4))
    event_files.drop_values(tmp_path, 0, ["loss", "other"])
    event_files.drop_values(tmp_path, 2, ["loss"])
    assert read(tmp_path) == pairs([1, 3])
    tags = [v.tag for e in event_files.read_events(tmp_path) for v in e.summary.value]
    assert sorted(tags) == ["loss"] * 2 + ["note"] * 4

"""Scalars of event files."""

import numpy as np
import reported
import tensorflow as tf

from brave_tf.reporting.curves import read_curves


def test_every_scalar_of_every_sub_folder(tmp_path):
    reported.write_scalars(tmp_path / "train", {"loss": {2: 3.0, 4: 1.5}, "lr": {2: 0.1}})
    reported.write_scalars(tmp_path / "held_out", {"loss": {4: 2.5}})
    with tf.summary.create_file_writer(str(tmp_path / "train")).as_default(step=0):
        tf.summary.text("config", "no scalar")
        tf.summary.histogram("weights", [1.0, 2.0])
    curves = read_curves(tmp_path)
    assert {kind: list(tags) for kind, tags in curves.items()} == {
        "held_out": ["loss"],
        "train": ["loss", "lr"],
    }
    loss = curves["train"]["loss"]
    np.testing.assert_array_equal(loss.steps, [2, 4])
    np.testing.assert_allclose(loss.values, [3.0, 1.5])


def test_the_later_of_two_values_of_a_step_counts(tmp_path):
    for number, points in enumerate(({2: 9.0, 4: 9.0}, {4: 1.0, 6: np.nan})):
        reported.write_scalars(tmp_path / "aside", {"loss": points})
        (path,) = (tmp_path / "aside").iterdir()
        (tmp_path / "train").mkdir(exist_ok=True)
        path.rename(tmp_path / "train" / f"events.out.tfevents.{number}")
    loss = read_curves(tmp_path)["train"]["loss"]
    np.testing.assert_array_equal(loss.steps, [2, 4, 6])
    np.testing.assert_array_equal(loss.values, [9, 1, np.nan])


def test_an_event_that_was_cut_short_ends_its_file(tmp_path):
    reported.write_scalars(tmp_path / "train", {"loss": dict.fromkeys(range(1, 6), 1.0)})
    (path,) = (tmp_path / "train").iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    np.testing.assert_array_equal(read_curves(tmp_path)["train"]["loss"].steps, [1, 2, 3, 4])


def test_there_may_be_none(tmp_path):
    assert read_curves(tmp_path / "nowhere") == {}

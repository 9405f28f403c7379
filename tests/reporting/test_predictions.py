"""Accuracies of classes and confusions."""

import json

import numpy as np
import pytest
import reported
from sklearn import metrics

from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.evaluation.metrics import scores
from brave_tf.reporting import predictions


def test_confusion_is_that_of_scikit_learn(tmp_path):
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 3, (2, 50))
    reported.write_predictions(tmp_path / "p.npz", labels, predicted)
    found = predictions.read_predictions(tmp_path / "p.npz")
    assert found.classes == ("cat", "<b>dog", "eel")
    np.testing.assert_array_equal(found.confusion(), metrics.confusion_matrix(labels, predicted))


def test_without_decisions_the_nearest_neighbour_is_the_prediction(tmp_path):
    near = np.array([[2, 0], [1, 1]])
    np.savez(tmp_path / "p.npz", labels=np.array([0, 1]), neighbour_labels=near)
    found = predictions.read_predictions(tmp_path / "p.npz")
    assert found.classes == ("0", "1", "2")
    np.testing.assert_array_equal(found.predicted, [[0, 0, 1], [0, 1, 0]])


def test_neighbours_that_are_equally_near_share_the_prediction(tmp_path):
    near, cosines = np.array([[2, 0, 2], [1, 1, 0]]), np.array([[0.5, 0.5, 0.5], [0.9, 0.8, 0.8]])
    np.savez(
        tmp_path / "p.npz", labels=np.array([0, 1]), neighbour_labels=near, similarities=cosines
    )
    found = predictions.read_predictions(tmp_path / "p.npz")
    np.testing.assert_allclose(found.confusion(), [[1 / 3, 0, 2 / 3], [0, 1, 0], [0, 0, 0]])


def test_classes_of_the_same_highest_value_share_a_clip(tmp_path):
    decisions = np.array([[1.0, 1.0, -np.inf], [0.2, 0.1, 0.2], [0.0, 0.0, 0.0], [0.0, 1.0, 0.5]])
    np.savez(tmp_path / "p.npz", labels=np.array([1, 1, 2, 0]), decisions=decisions)
    found = predictions.read_predictions(tmp_path / "p.npz").confusion()
    expected = [[0, 1, 0], [0.5 + 0.5, 0.5, 0.5], [1 / 3] * 3]
    np.testing.assert_allclose(found, expected)
    # The accuracy is that of the task.
    hits = scores.hits_at(1, decisions, np.array([1, 1, 2, 0]))
    assert np.trace(found) == pytest.approx(hits.sum())


def test_decisions_that_are_no_numbers_are_refused(tmp_path):
    np.savez(tmp_path / "p.npz", labels=np.array([0]), decisions=np.array([[np.nan, 1.0]]))
    with pytest.raises(UserError, match=r"p\.npz holds decision values that are NaN"):
        predictions.read_predictions(tmp_path / "p.npz")


def test_several_labels_per_clip_have_no_confusions(tmp_path):
    np.savez(tmp_path / "p.npz", labels=np.ones((2, 3), bool), decisions=np.ones((2, 3)))
    assert predictions.read_predictions(tmp_path / "p.npz") is None
    np.savez(tmp_path / "q.npz", labels=np.array([0, 1]))
    assert predictions.read_predictions(tmp_path / "q.npz") is None
    assert predictions.read_neighbours(tmp_path / "q.npz", "data", "narrow") is None


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "p.npz"
    reported.write_predictions(path, [0, 1], [0, 1])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"p\.npz .*run the task again"):
        predictions.read_predictions(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.array([0, -1])},
        {"labels": np.array([0, 2**62])},
        {"labels": np.array([0.5, 1.0])},
        {"labels": np.array(3)},
        {"labels": np.zeros(0, int)},
        {"decisions": np.eye(3, dtype=np.float32)},
        {"decisions": np.zeros(2, np.float32)},
        {"decisions": np.zeros((2, 0), np.float32)},
        {"classes": np.array("cat")},
        {"neighbour_labels": np.zeros((2, 5), int), "similarities": np.zeros((2, 4), np.float32)},
    ],
)
def test_arrays_that_are_no_predictions_are_refused(tmp_path, changes):
    path = tmp_path / "p.npz"
    reported.write_predictions(path, [0, 1], [0, 1])
    with np.load(path) as file:
        arrays = {**file, **changes}
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=r"p\.npz .*run the task again"):
        predictions.read_predictions(path)


MODEL = reported.result("a/knn", 0.5, identity=reported.identity())


def check_refused(path, result, *said):
    for read in (
        lambda: predictions.read_predictions(path, result),
        lambda: predictions.read_neighbours(path, "data", "narrow", result),
    ):
        with pytest.raises(UserError) as refused:
            read()
        for part in (str(path), "Run the task again", *said):
            assert part in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "ee"},
        {"precision": "mixed_bfloat16"},
        {"data": "ee"},
        {"settings": "ee"},
    ],
)
def test_predictions_of_another_result_are_refused(tmp_path, change):
    path = tmp_path / "p.npz"
    reported.write_predictions(path, [0, 1], [0, 1], result=json.dumps(results.owner(MODEL)))
    assert predictions.read_predictions(path, MODEL) is not None
    ((name, value),) = change.items()
    other = {**MODEL, "identity": reported.identity(**change)}
    check_refused(path, other, f"{name} {MODEL['identity'][name]}", f"{name} {value}")


@pytest.mark.parametrize(
    "change", [{"task": "b/knn"}, {"view": "broad"}, {"step": 9}, {"baseline": "random"}]
)
def test_predictions_of_another_task_or_step_are_refused(tmp_path, change):
    path = tmp_path / "p.npz"
    reported.write_predictions(path, [0, 1], [0, 1], result=json.dumps(results.owner(MODEL)))
    check_refused(path, {**MODEL, **change})


def test_predictions_of_which_nobody_knows_the_model_are_of_results_like_that(tmp_path):
    old = reported.result("a/knn", 0.5)
    reported.write_predictions(tmp_path / "p.npz", [0, 1], [0, 1])
    assert predictions.read_predictions(tmp_path / "p.npz", old) is not None
    check_refused(tmp_path / "p.npz", MODEL, "nobody knows", "weights aa")
    told = {"result": json.dumps(results.owner(MODEL))}
    reported.write_predictions(tmp_path / "q.npz", [0, 1], [0, 1], **told)
    check_refused(tmp_path / "q.npz", old, "weights aa", "nobody knows")


@pytest.mark.parametrize(("right", "clips"), [(7, 10), (1, 3), (250, 400)])
def test_ends_of_an_interval_are_where_a_test_would_just_reject(right, clips):
    share, ends = predictions.recalls(np.array([[right, clips - right], [0, 1]]))
    assert share[0] == right / clips
    for end in ends[0]:
        standard_error = np.sqrt(end * (1 - end) / clips)
        assert abs(share[0] - end) == pytest.approx(1.959964 * standard_error)
    assert ends[0][0] < share[0] < ends[0][1]


def test_intervals_of_all_and_of_no_clips():
    _, ends = predictions.recalls(np.array([[10, 0, 0], [0, 0, 0], [5, 5, 0]]))
    np.testing.assert_allclose(ends[0], [10 / (10 + 1.959964**2), 1])
    assert np.isnan(ends[1]).all()
    np.testing.assert_allclose(ends[2], [0, 1.959964**2 / (10 + 1.959964**2)], atol=1e-12)

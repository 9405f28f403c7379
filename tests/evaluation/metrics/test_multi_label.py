"""Multi-label metrics against scikit-learn, and intervals against a bootstrap by repetition."""

import json
import math
import statistics
import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from brave_tf.evaluation.metrics import multi_label


def clips(number=60, classes=5, levels=None, seed=0):
    """Scores with and without ties, of labels that they tell something about."""
    rng = np.random.default_rng(seed)
    targets = rng.random((number, classes)) < np.linspace(0.05, 0.6, classes)
    targets[:2] = [[True], [False]]
    scores = targets + rng.normal(size=targets.shape)
    return (scores if levels is None else np.round(scores * levels)), targets


@pytest.mark.parametrize("levels", [None, 1, 3])
def test_every_class_as_scikit_learn_has_it(levels):
    scores, targets = clips(levels=levels)
    weights = np.random.default_rng(1).integers(0, 4, len(scores)).astype(float)
    for sample_weight in (None, weights):
        found = multi_label.Ranking(scores, targets).scores(sample_weight)
        for label in range(targets.shape[1]):
            arguments = targets[:, label], scores[:, label]
            options = {"sample_weight": sample_weight}
            precision = sklearn_metrics.average_precision_score(*arguments, **options)
            assert found.average_precision[label] == pytest.approx(precision, abs=1e-12)
            auc = sklearn_metrics.roc_auc_score(*arguments, **options)
            assert found.auc[label] == pytest.approx(auc, abs=1e-12)
    np.testing.assert_array_equal(found.positives, targets.sum(0))


def test_averages_over_the_classes_that_have_positives():
    scores, targets = clips()
    macro = {"map": sklearn_metrics.average_precision_score(targets, scores, average="macro")}
    macro["mauc"] = sklearn_metrics.roc_auc_score(targets, scores, average="macro")
    more = np.concatenate([targets, np.zeros((len(targets), 2), bool)], axis=1)
    noise = np.random.default_rng(2).normal(size=(len(targets), 2))
    ranking = multi_label.Ranking(np.concatenate([scores, noise], axis=1), more)
    found = multi_label.metrics(ranking, samples=2)
    assert found["map"] == pytest.approx(macro["map"])
    assert found["mauc"] == pytest.approx(macro["mauc"])
    assert found["classes_without_positives"] == 2
    assert np.isnan(ranking.scores().average_precision[-2:]).all()
    # The AUC of two normal distributions d' apart is that of their difference above 0.
    assert 0.5 * (1 + math.erf(found["d_prime"] / 2)) == pytest.approx(found["mauc"])


def test_intervals_are_those_of_repeated_clips():
    scores, targets = clips(number=40, classes=3, levels=2)
    targets[:, 0] = np.arange(40) < 2  # rare: missing in some of the resamples
    found = multi_label.metrics(multi_label.Ranking(scores, targets), seed=7, samples=50)
    generator = np.random.default_rng(7)
    means = []
    for _ in range(50):
        drawn = generator.integers(40, size=40)
        present = targets[drawn].any(0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            means.append(
                sklearn_metrics.average_precision_score(
                    targets[drawn][:, present], scores[drawn][:, present], average="macro"
                )
            )
    np.testing.assert_allclose(found["map_ci95"], np.quantile(means, [0.025, 0.975]))
    assert found["mauc_ci95"][0] < found["mauc"] < found["mauc_ci95"][1]


def test_intervals_cover_the_true_value_as_often_as_they_say():
    # Normal scores 1 apart: the true AUC is known, and the interval has to hold it 19 times of 20.
    truth = 0.5 * (1 + math.erf(0.5))
    held = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        targets = rng.random((150, 1)) < 0.3
        ranking = multi_label.Ranking(targets + rng.normal(size=targets.shape), targets)
        low, high = multi_label.metrics(ranking, seed=seed, samples=100)["mauc_ci95"]
        held.append(low <= truth <= high)
    assert 0.89 <= np.mean(held) <= 0.985


def test_perfect_order_has_no_finite_d_prime():
    targets = np.array([[True, False], [False, True], [False, True]])
    found = multi_label.metrics(multi_label.Ranking(targets.astype(float), targets), samples=20)
    assert (found["map"], found["mauc"], found["d_prime"]) == (1.0, 1.0, None)
    assert multi_label.d_prime(0.5) == 0
    assert multi_label.d_prime(0.959) == pytest.approx(2.46, abs=0.005)  # of AudioSet's paper


def test_a_class_that_every_clip_has():
    targets = np.ones((3, 1), bool)
    found = multi_label.metrics(multi_label.Ranking(np.arange(3.0)[:, None], targets), samples=3)
    assert (found["map"], found["mauc"], found["mauc_ci95"]) == (1.0, None, None)


def test_scores_that_cannot_be_ranked():
    with pytest.raises(ValueError, match=r"\(3, 2\) for targets of shape \(3, 1\)"):
        multi_label.Ranking(np.zeros((3, 2)), np.zeros((3, 1), bool))
    with pytest.raises(ValueError, match="NaN"):
        multi_label.Ranking(np.full((3, 1), np.nan), np.zeros((3, 1), bool))


def test_the_table_of_classes():
    scores, targets = clips(classes=2)
    targets[:, 1] = False
    found = multi_label.Ranking(scores, targets).scores()
    speech, car = multi_label.class_table(["Speech", "Car"], found)
    auc = sklearn_metrics.roc_auc_score(targets[:, 0], scores[:, 0])
    precision = sklearn_metrics.average_precision_score(targets[:, 0], scores[:, 0])
    assert speech == {
        "name": "Speech",
        "positives": int(targets[:, 0].sum()),
        "ap": pytest.approx(precision),
        "auc": pytest.approx(auc),
        "d_prime": pytest.approx(np.sqrt(2) * statistics.NormalDist().inv_cdf(auc)),
    }
    assert car == {"name": "Car", "positives": 0, "ap": None, "auc": None, "d_prime": None}
    json.dumps([speech, car])

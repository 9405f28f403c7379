"""What the protocols on frozen features have in common, on classes that can and cannot be told apart."""

import coloured_clips
import numpy as np
import pytest
import tensorflow as tf
from sklearn.svm import LinearSVC

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.evaluation.features import feature_bank
from brave_tf.evaluation.protocols import knn, retrieval, svm
from brave_tf.storage.digests import digest_of_weights

TRAIN, TEST = [0, 1, 2] * 4 + [None], [2, 1, 0, 0]
HARD_TRAIN, HARD_TEST = [0, 1] * 4, [0, 1, 1, 0, 1, 0, 0, 1]
PROTOCOLS = [svm.linear_svm, knn.knn, retrieval.retrieval]
FAST = ("train_passes = 2", "temporal_crops = 1", "spatial_crops = 1", "batch_size = 16")


@pytest.fixture(autouse=True)
def _fast_windows():
    config.load_config([], [f"eval_windows.{setting}" for setting in FAST])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Records: `easy`, and `hard`, with nothing to learn, where `swapped` has the other test labels."""
    folder = tmp_path_factory.mktemp("records")
    same = {"shade": lambda label: 0}
    swapped = [1 - label for label in HARD_TEST]
    coloured_clips.write(folder / "easy", {"train": TRAIN, "test": TEST})
    coloured_clips.write(folder / "hard", {"train": HARD_TRAIN, "test": HARD_TEST}, **same)
    coloured_clips.write(folder / "swapped", {"train": HARD_TRAIN, "test": swapped}, **same)
    return folder


def run(folders, name, protocol, **settings):
    kept = coloured_clips.probe(weights="w", cache=str(folders / "cache"))
    return protocol(kept, str(folders / name), **settings)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_separable_classes_are_told_apart(folders, protocol):
    outcome = run(folders, "easy", protocol, seed=5)
    scores = {k: v for k, v in outcome.metrics.items() if not k.endswith("_ci95")}
    assert set(scores.values()) == {1.0}
    assert list(scores) == (
        ["R@1", "R@5", "R@10", "R@20", "R@50"]
        if protocol is retrieval.retrieval
        else ["top1", "top5"]
    )
    assert all(outcome.metrics[f"{name}_ci95"] == [1.0, 1.0] for name in scores)
    assert outcome.clips == {"train": 12, "test": 4, "missing": 1}
    expected = {"train_passes": 2, "num_frames": 4, "window": [4, 8, 8, 3], "seed": 5}
    expected.update(train_split="train", test_split="test", data=str(folders / "easy"))
    assert outcome.settings == {**outcome.settings, **expected}
    assert {name: values.tolist() for name, values in outcome.per_clip.items()} == {
        name: [True] * 4 for name in scores
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_said_of_each_clip(folders, protocol):
    found = run(folders, "easy", protocol).predictions
    assert found.keys.tolist() == [f"test/{i}" for i in range(4)]
    assert found.labels.tolist() == TEST
    assert found.paths.tolist() == [f"test/{i}.mp4" for i in range(4)]
    if found.decisions is not None:
        assert found.decisions.argmax(1).tolist() == TEST
        assert found.classes.tolist() == ["0", "1", "2"]
    if protocol is not svm.linear_svm:
        assert found.neighbours.shape == (4, 10)
        assert (found.neighbour_labels[:, 0] == TEST).all()
        of_keys = [[TRAIN[int(key.split("/")[1])] for key in row] for row in found.neighbours]
        np.testing.assert_array_equal(found.neighbour_labels, of_keys)
        assert (np.diff(found.similarities) <= 0).all()


@pytest.mark.parametrize(
    ("protocol", "settings"),
    [
        (svm.linear_svm, {}),
        (svm.linear_svm, {"C": "cross_validation"}),
        (knn.knn, {"k": 3}),
        (retrieval.retrieval, {}),
    ],
)
def test_test_labels_are_used_for_the_score_alone(folders, protocol, settings):
    first = run(folders, "hard", protocol, **settings)
    swapped = run(folders, "swapped", protocol, **settings)
    before, after = first.predictions.arrays(), swapped.predictions.arrays()
    np.testing.assert_array_equal(1 - before.pop("labels"), after.pop("labels"))
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name])
    name = next(iter(first.metrics))
    assert swapped.metrics[name] == 1 - first.metrics[name]
    assert {**first.settings, "data": None} == {**swapped.settings, "data": None}


def test_the_penalty_may_be_chosen(folders):
    outcome = run(folders, "hard", svm.linear_svm, C=[1.0, 0.01])
    assert outcome.settings["C_candidates"] == [0.01, 1.0]
    accuracies = outcome.settings["C_accuracies"]
    assert outcome.settings["C"] == [0.01, 1.0][int(np.argmax(accuracies))]
    assert run(folders, "hard", svm.linear_svm, C=[0.1]).settings["C"] == 0.1


def test_train_clips_may_be_seen_through_the_test_crops(folders):
    augmented = run(folders, "hard", knn.knn)
    crops = run(folders, "hard", knn.knn, train_windows="crops")
    assert crops.settings["train_windows"] == "crops"
    assert not np.array_equal(crops.predictions.decisions, augmented.predictions.decisions)
    both = run(folders, "hard", knn.knn, train_windows="crops", test_split="train", k=1)
    assert both.metrics["top1"] == 1  # each clip finds itself
    np.testing.assert_allclose(both.predictions.similarities[:, 0], 1, atol=1e-6)


def test_the_svm_may_be_fitted_to_the_means_of_crops(folders):
    outcome = run(folders, "hard", svm.linear_svm, train_windows="crops", C=0.1)
    probe = coloured_clips.probe(weights="w", cache=str(folders / "cache"))
    bank = feature_bank.FeatureBank(probe, str(folders / "hard"))
    train, test = bank.test("train"), bank.test("test")
    scale, mean = train.mean.std(axis=0), train.mean.mean(axis=0)
    own = LinearSVC(C=0.1, random_state=0, max_iter=10_000, dual="auto")
    own.fit((train.mean - mean) / np.where(scale > 0, scale, 1), train.labels)
    hits = own.predict((test.mean - mean) / np.where(scale > 0, scale, 1)) == test.labels
    assert outcome.metrics["top1"] == pytest.approx(hits.mean())
    assert outcome.settings["train_windows"] == "crops"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_clips_that_are_both_learned_from_and_scored_are_told(folders, protocol, caplog):
    run(folders, "easy", protocol)
    assert "learned from and scored" not in caplog.text
    run(folders, "easy", protocol, train_split="train+test")
    assert "the clips of split 'test' are learned from and scored too" in caplog.text


def test_settings_are_bound_in_gin(folders):
    bindings = [
        "knn.k = 3",
        "knn.temperature = 0.5",
        "knn.seed = 4",
        "eval_windows.train_passes = 1",
    ]
    config.load_config([], [*(f"eval_windows.{each}" for each in FAST), *bindings])
    settings = run(folders, "easy", knn.knn).settings
    assert settings == {**settings, "k": 3, "temperature": 0.5, "seed": 4, "train_passes": 1}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_backbone_is_left_as_it_is(folders, protocol):
    model = tf.keras.Sequential(
        [tf.keras.layers.GlobalAveragePooling3D(), tf.keras.layers.BatchNormalization()]
    )
    model.build((None, None, None, None, 3))
    before = digest_of_weights(model.get_weights())
    probe = coloured_clips.probe(embed=lambda batch: model(batch, training=False))
    protocol(probe, str(folders / "easy"))
    assert digest_of_weights(model.get_weights()) == before


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([1, 1], [1], "all labelled clips of split 'train' are of one class, "),
        ([0, 1], [1, 2], "1 classes of split 'test' have no usable clip in split 'train'.*: "),
    ],
)
def test_splits_that_cannot_be_used(tmp_path, protocol, train, test, message):
    def never(batch):
        raise AssertionError("features were computed")

    data_dir = coloured_clips.write(tmp_path, {"train": train, "test": test})
    with pytest.raises(UserError, match=f"{message}[12]"):
        protocol(coloured_clips.probe(embed=never), data_dir)
    (tmp_path / "labels.txt").write_text("ant\nbee\ncat\n")
    with pytest.raises(UserError, match=f"{message}'(bee|cat)'"):
        protocol(coloured_clips.probe(embed=never), data_dir)


def test_classes_too_small_for_folds_are_found_before_any_feature_is_computed(tmp_path):
    data_dir = coloured_clips.write(tmp_path, {"train": [0, 1, 1], "test": [1]})
    probe = coloured_clips.probe(embed=lambda batch: 1 / 0)
    with pytest.raises(UserError, match="a class has one training clip"):
        svm.linear_svm(probe, data_dir, C="cross_validation")


@pytest.mark.parametrize(
    ("protocol", "settings", "message"),
    [
        (svm.linear_svm, {"C": 0}, r"linear_svm\.C = 0"),
        (svm.linear_svm, {"C": [1.0, -1.0]}, r"linear_svm\.C = "),
        (svm.linear_svm, {"C": "best"}, "cross_validation"),
        (svm.linear_svm, {"train_windows": "all"}, r"linear_svm\.train_windows = 'all'"),
        (knn.knn, {"k": 0}, r"knn\.k = 0"),
        (knn.knn, {"temperature": 0}, r"knn\.temperature = 0"),
        (retrieval.retrieval, {"ks": [0]}, r"retrieval\.ks = "),
        (retrieval.retrieval, {"ks": 5}, r"retrieval\.ks = "),
        (retrieval.retrieval, {"train_windows": "all"}, "augmented"),
    ],
)
def test_numbers_that_cannot_be_used(folders, protocol, settings, message):
    with pytest.raises(UserError, match=message):
        run(folders, "easy", protocol, **settings)

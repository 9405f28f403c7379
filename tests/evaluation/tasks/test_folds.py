"""The tasks over the folds of a user's clips."""

import coloured_clips
import pytest

from brave_tf import config, modality_registry
from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.evaluation.tasks import registry

LABELS = {"fold1": [0, 1, 1, 0, 0], "fold2": [0, 1, 1], "fold10": [1, 0, 0, 1]}
FEW = ("eval_windows.train_passes = 1", "eval_windows.temporal_crops = 1")
PROTOCOLS = ("linear", "knn", "retrieval", "linear_layer", "mlp", "finetune")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_and_modality_has_a_task(protocol):
    for index, modality in enumerate(modality_registry.names()):
        task = registry.find_task(f"folds/{protocol}" + (f"_{modality}" if index else ""))
        assert (task.modality, task.data_dir) == (modality, None)
        main = {"retrieval": "R@1", "mlp": "map"}.get(protocol, "top1")
        assert task.reports[0] == main
        assert (f"pooled_{main}" in task.reports) == (protocol != "mlp")
        assert "each fold by the others" in task.description


@pytest.mark.parametrize("protocol", ["linear", "knn", "retrieval", "linear_layer", "mlp"])
def test_every_clip_is_tested_once_by_what_the_others_taught(tmp_path, protocol):
    data_dir = coloured_clips.write(tmp_path / "records", {**LABELS, "test": [0, 1]})
    names = ("knn", "linear_layer", "mlp", "retrieval")
    imports = [f"import brave_tf.evaluation.protocols.{name}" for name in names]
    few = ["knn.k = 3", "retrieval.ks = (1,)", "mlp.several_labels = False"]
    few += [f"{name}_training.epochs = 2" for name in ("linear_layer", "mlp")]
    config.load_config([], [*imports, *FEW, *few])
    probe = coloured_clips.probe(cache=str(tmp_path / "cache"))
    outcome = registry.find_task(f"folds/{protocol}").protocol(probe, data_dir)
    tested = outcome.predictions.keys.tolist()
    assert len(tested) == len(set(tested)) == 12
    assert {key.split("/")[0] for key in tested} == set(LABELS)
    settings = [each["settings"] for each in outcome.metrics["splits"]]
    assert [each["test_split"] for each in settings] == ["fold1", "fold2", "fold10"]
    for each in settings:
        assert sorted([*each["train_split"].split("+"), each["test_split"]]) == sorted(LABELS)
    main = results.scalars(outcome.metrics)
    name = next(iter(main))
    by_fold = [each[name] for each in outcome.metrics["splits"]]
    assert main[name] == pytest.approx(sum(by_fold) / 3)
    sizes = [len(LABELS[fold]) for fold in ("fold1", "fold2", "fold10")]
    expected = sum(share * size for share, size in zip(by_fold, sizes)) / 12
    assert main[f"pooled_{name}"] == pytest.approx(expected)
    low, high = outcome.metrics[f"pooled_{name}_ci95"]
    assert low <= main[f"pooled_{name}"] <= high


def test_several_labels_of_folds_have_the_mean_alone(tmp_path):
    data_dir = coloured_clips.write(tmp_path / "records", LABELS)
    (tmp_path / "records" / "labels.txt").write_text("a\nb\n")
    imports = "import brave_tf.evaluation.protocols.mlp"
    config.load_config([], [imports, *FEW, "mlp_training.epochs = 2"])
    probe = coloured_clips.probe(cache=str(tmp_path / "cache"))
    metrics = registry.find_task("folds/mlp").protocol(probe, data_dir).metrics
    assert metrics["map"] == pytest.approx(sum(each["map"] for each in metrics["splits"]) / 3)
    assert not [name for name in metrics if name.startswith("pooled")]


def test_data_without_folds_is_refused(tmp_path):
    data_dir = coloured_clips.write(tmp_path, {"train": [0, 1], "test": [0, 1]})
    task = registry.find_task("folds/knn")
    with pytest.raises(UserError, match=r"no folds, but the splits test, train.*--folds=5"):
        task.protocol(coloured_clips.probe(), data_dir)


def test_one_fold_is_refused(tmp_path):
    data_dir = coloured_clips.write(tmp_path, {"fold1": [0, 1], "test": [0, 1]})
    with pytest.raises(UserError, match="cannot hold out fold1"):
        registry.find_task("folds/knn").protocol(coloured_clips.probe(), data_dir)


def test_learning_from_all_splits_is_told_from_testing_one(tmp_path, caplog):
    data_dir = coloured_clips.write(tmp_path / "records", LABELS)
    bindings = ["knn.train_split = '*'", "knn.test_split = 'fold2'"]
    imports = "import brave_tf.evaluation.protocols.knn"
    config.load_config([], [imports, *FEW, *bindings])
    outcome = registry.find_task("folder/knn").protocol(coloured_clips.probe(), data_dir)
    assert (outcome.clips["train"], outcome.clips["test"]) == (12, 3)
    assert "the clips of split 'fold2' are learned from and scored too" in caplog.text

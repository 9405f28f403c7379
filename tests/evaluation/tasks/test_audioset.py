"""Which splits and labels the tasks of AudioSet take."""

import pytest
import record_fixtures

from brave_tf import config
from brave_tf.evaluation.protocols import linear_layer, mlp
from brave_tf.evaluation.tasks import registry

MODULES = {"mlp": mlp, "linear": linear_layer}


def asked(monkeypatch, folder, kind, *splits):
    """What the protocol of a task is asked for on records that have `splits`."""
    for split in splits:
        record_fixtures.write_shards(folder, [record_fixtures.record()], split=split)
    monkeypatch.setattr(MODULES[kind], "evaluate_head", lambda *arguments: arguments)
    task = registry.find_task(f"audioset/{kind}")
    assert (task.modality, task.data_dir) == ("audio", "data/audioset")
    assert task.reports[0] == "map"
    *_, train, test, head = task.protocol(None, str(folder))
    return train, test, head


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize(
    ("splits", "train"),
    [
        (("balanced_train", "unbalanced_train", "eval"), "balanced_train+unbalanced_train"),
        (("balanced_train", "eval"), "balanced_train"),
        (("unbalanced_train", "eval"), "unbalanced_train"),
        (("eval",), "balanced_train"),  # of which the protocol says that it is not there
    ],
)
def test_training_lists_are_those_that_are_there(monkeypatch, tmp_path, kind, splits, train):
    found = asked(monkeypatch, tmp_path, kind, *splits)
    assert found[:2] == (train, "eval")
    assert found[2].several_labels


def test_an_mlp_has_one_hidden_layer_of_512(monkeypatch, tmp_path):
    *_, head = asked(monkeypatch, tmp_path, "mlp", "balanced_train", "eval")
    assert tuple(head.hidden) == (512,)
    *_, head = asked(monkeypatch, tmp_path, "linear", "balanced_train", "eval")
    assert not head.hidden


def test_bindings_win(monkeypatch, tmp_path):
    splits = ("balanced_train", "unbalanced_train", "eval")
    config.load_config([], ["mlp.train_split = 'balanced_train'", "mlp.hidden = [64, 32]"])
    train, test, head = asked(monkeypatch, tmp_path, "mlp", *splits)
    assert (train, test, tuple(head.hidden)) == ("balanced_train", "eval", (64, 32))


def test_other_modalities_have_names_of_their_own():
    for modality in ("rgb", "flow"):
        assert registry.find_task(f"audioset/mlp_{modality}").modality == modality

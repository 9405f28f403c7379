"""The files in gin/evaluation have the settings by which other methods were evaluated."""

import inspect

import gin
import numpy as np
import peer_values
import pytest

from brave_tf import config
from brave_tf.data.augment.random_flip import random_flip
from brave_tf.evaluation.features.windows import EvalWindows
from brave_tf.evaluation.protocols import knn, linear_layer
from brave_tf.evaluation.protocols.finetune_recipe import FineTuning
from brave_tf.evaluation.protocols.train_windows import CROPS
from brave_tf.evaluation.tasks import registry
from brave_tf.training.recipe import Recipe, bound


def load(recipe, name):
    """The narrow view of a recipe, for windows by a file."""
    config.load_config([recipe, f"gin/evaluation/{name}.gin"])
    windows = EvalWindows()
    view = windows.view(bound(Recipe).views["narrow"], is_narrow=True)
    return windows, view, windows.test_view(view)


def heads(monkeypatch):
    """The head that the task of a linear layer would train."""
    monkeypatch.setattr(linear_layer, "evaluate_head", lambda *arguments: arguments[-1])
    return linear_layer.linear_layer(None, "records")


def schedule(training, total, per_epoch):
    """The rates of so many steps, as the protocol asks for them."""
    warmup = round(training.warmup_epochs * per_epoch)
    return training.schedule(peak=training.learning_rate, warmup_steps=warmup, total_steps=total)


def test_the_linear_layer_of_cvrl(shared_dir, monkeypatch):
    _, view, tested = load("k600_cvrl_r3d50", "cvrl_linear")
    assert (view.shape, tested.shape) == ((32, 224, 224, 3), (32, 256, 256, 3))
    assert (view.frame_step, tested.resize) == (2, 256)
    assert [inspect.unwrap(each) for each in view.augmentations] == [inspect.unwrap(random_flip)]
    assert EvalWindows().crops(view) == (10, 3)
    head = heads(monkeypatch)
    assert (head.normalization, head.hidden) == ("l2", ())
    training = head.training
    assert (training.batch_size, training.epochs, training.weight_decay) == (1024, 100, 0.0)
    golden = peer_values.arrays(shared_dir, "cvrl")
    rates = schedule(training, 35_744, 366_016 / 1024)
    found = [float(rates(step)) for step in golden["schedule/linear/steps"]]
    np.testing.assert_allclose(found, golden["schedule/linear/lr"], atol=1e-4)
    optimizer = training.optimizer(learning_rate=rates, weight_decay=0.0)
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, False)


@pytest.mark.parametrize("recipe", ["k400_rho_byol_r3d50", "k400_rho_byol_s3d"])
def test_the_linear_layer_of_rho_byol(recipe, shared_dir, monkeypatch):
    _, view, tested = load(recipe, "rho_byol_linear")
    assert (view.shape, tested.shape) == ((8, 224, 224, 3), (8, 256, 256, 3))
    assert (view.frame_step, tested.resize, set(tested.mean)) == (9, 256, {0.45})
    head = heads(monkeypatch)
    assert (head.normalization, head.hidden) == ("none", ())
    training = head.training
    assert (training.batch_size, training.epochs, training.weight_decay) == (64, 60, 0.0)
    golden, steps = peer_values.arrays(shared_dir, "rho_byol"), 3750
    rates = schedule(training, training.epochs * steps, steps)
    found = [float(rates(round(float(e) * steps))) for e in golden["schedule/linear_epochs"]]
    np.testing.assert_allclose(found, golden["schedule/lr_linear_f64"], atol=1e-4)


def test_the_fine_tuning_of_rho_byol():
    _, view, tested = load("k400_rho_byol_r3d50", "rho_byol_finetune")
    assert (view.shape, tested.shape) == ((8, 224, 224, 3), (8, 256, 256, 3))
    settings = FineTuning()
    assert (settings.epochs, settings.batch_size, settings.optimizer) == (200, 64, "sgd")
    assert (settings.learning_rate, settings.weight_decay, settings.dropout) == (0.01, 0.0, 0.8)
    assert (settings.schedule, settings.warmup, settings.held_out_every) == ("cosine", 0.0, None)
    names = [each.__name__ for each in settings.augmentations]
    assert names == ["random_gray", "color_jitter", "random_flip"]


@pytest.mark.parametrize(
    ("recipe", "name", "frames", "size", "crops"),
    [
        ("k400_avid", "avid_finetune", 32, 224, (10, 1)),
        ("k400_gdt_r2plus1d18", "gdt_finetune", 32, 128, (10, 3)),
    ],
)
def test_the_fine_tuning_of_avid_and_gdt(recipe, name, frames, size, crops):
    windows, view, tested = load(recipe, name)
    assert view.shape == tested.shape == (frames, size, size, 3)
    assert windows.crops(view) == crops
    settings = FineTuning()
    assert (settings.schedule, settings.held_out_every, settings.batch_size) == ("steps", None, 32)
    drops = [round(settings.epochs * share, 2) for share in settings.milestones]
    if "avid" in name:
        assert (settings.optimizer, settings.learning_rate, settings.dropout) == ("adam", 1e-4, 0.5)
        assert (settings.epochs, drops, settings.milestone_factor) == (16, [6, 10, 14], 0.3)
    else:
        assert (settings.optimizer, settings.weight_decay) == ("sgd", 0.005)
        rates = settings.learning_rate * np.array([1, settings.multipliers["classifier/"]])
        np.testing.assert_allclose(rates, [0.00025, 0.0025])
        assert (settings.epochs, drops, settings.milestone_factor) == (12, [6, 10], 0.05)


def test_the_linear_layer_of_avid(monkeypatch):
    _, view, _ = load("k400_avid", "avid_linear")
    assert view.shape == (8, 224, 224, 3)
    head = heads(monkeypatch)
    assert head.normalization == "standardize"
    training = head.training
    assert (training.epochs, training.learning_rate, training.weight_decay) == (12, 1e-4, 0.0)
    optimizer = training.optimizer(learning_rate=1e-4, weight_decay=0.0)
    # That of the recipe has a decay.
    assert optimizer.name == "adam" and optimizer.l2_decay == 0.0


def test_the_neighbours_of_rho_byol(monkeypatch):
    load("k400_rho_byol_r3d50", "rho_byol_knn")
    given = []

    def votes(*arguments):
        given.extend(arguments[-2:])
        raise StopIteration

    class Bank:
        def train(self, _):
            return self

        test = train
        mean, labels, label_names = np.eye(3), np.arange(3), ["a", "b", "c"]

    monkeypatch.setattr(knn, "votes", votes)
    monkeypatch.setattr(knn, "open_bank", lambda *_: Bank())
    with pytest.raises(StopIteration):
        knn.knn(None, "records")
    assert given == [200, 0.5]


@pytest.mark.parametrize("name", ["retrieval", "linear", "finetune"])
def test_the_windows_of_coclr(name):
    windows, view, tested = load("ucf101_coclr_s3d", f"coclr_{name}")
    assert view.shape == tested.shape == (32, 128, 128, 3)
    # The centre, or the corners and the centre and their mirrors.
    assert windows.crops(view) == (10, 1 if name == "retrieval" else 10)
    assert tested.corner_crops == (name != "retrieval")


def test_the_retrieval_of_coclr():
    load("ucf101_coclr_s3d", "coclr_retrieval")
    bound_values = {key: gin.query_parameter(f"retrieval.{key}") for key in ("ks", "centre")}
    assert bound_values == {"ks": (1, 5, 10, 20, 50), "centre": True}
    assert gin.query_parameter("retrieval.train_windows") == CROPS


def test_the_linear_layer_of_coclr(monkeypatch):
    load("ucf101_coclr_s3d", "coclr_linear")
    head = heads(monkeypatch)
    assert (head.normalization, head.hidden) == ("l2_batch_norm", ())
    training = head.training
    assert (training.batch_size, training.epochs) == (64, 100)
    assert (training.learning_rate, training.weight_decay) == (0.1, 1e-3)
    rates = schedule(training, 14_900, 149)
    found = [float(rates(149 * epoch)) for epoch in (0, 59, 60, 79, 80, 99)]
    np.testing.assert_allclose(found, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], rtol=1e-5)


def test_the_fine_tuning_of_coclr():
    load("ucf101_coclr_s3d", "coclr_finetune")
    settings = FineTuning()
    assert (settings.epochs, settings.batch_size, settings.optimizer) == (500, 64, "adam")
    assert (settings.schedule, settings.milestones) == ("steps", (400 / 500, 450 / 500))
    # The classifier has ten times the rate of the backbone.
    assert settings.learning_rate * settings.multipliers["classifier/"] == pytest.approx(1e-3)
    assert (settings.weight_decay, settings.dropout, settings.held_out_every) == (1e-3, 0.9, None)


def test_the_two_streams_of_coclr():
    load("k400_coclr_s3d", "coclr_two_streams")
    tasks = gin.query_parameter("two_streams.tasks")
    assert [registry.find_task(task).modality for task in tasks] == ["rgb", "flow"]
    assert registry.find_task("ucf101/two_streams").modality == "rgb"

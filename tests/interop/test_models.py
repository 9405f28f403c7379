"""Which weights are evaluated: of runs, exported models and functions."""

import dataclasses
import pathlib
import subprocess
import sys
import textwrap

import gin
import numpy as np
import pytest
import tensorflow as tf
import untrained_run

from brave_tf import config, errors
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import FeatureBank
from brave_tf.evaluation.features.probe import load_probes
from brave_tf.interop import models, saved_model
from brave_tf.interop.models import EXPORTED, FUNCTION, ModelSource
from brave_tf.storage.digests import digest_of_weights
from brave_tf.training import checkpoints, recipe


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return str(untrained_run.write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def exported(model_dir, tmp_path_factory):
    output = str(tmp_path_factory.mktemp("exported"))
    saved_model.export_run(model_dir, output)
    return output


def load(of, bindings=(), strategy=None):
    models.configure(of, [], bindings)
    return load_probes(of, of.views(), strategy)


def batch(view, seed=0):
    return tf.random.stateless_uniform((2, *view.shape), (seed, 0))


def test_the_checkpoint_is_evaluated_in_inference_mode(model_dir):
    probe, step = load(ModelSource(model_dir))
    assert step == untrained_run.STEP
    narrow = probe("narrow")
    assert narrow.is_narrow
    assert not probe("broad_audio").is_narrow
    assert narrow.backbone.source == ModelSource(model_dir)
    loaded = recipe.load_run(model_dir).objective
    x = batch(narrow.view)
    tf.debugging.assert_near(narrow.embed(x), loaded.backbones["narrow"](x, training=False))
    assert narrow.embed(x).dtype == tf.float32
    assert probe("narrow").backbone.weights == narrow.backbone.weights
    assert narrow.backbone.weights != probe("broad_audio").backbone.weights


def test_the_random_baseline_is_the_runs_own_initialisation(model_dir):
    of = ModelSource(model_dir, baseline="random")
    probe, step = load(of)
    trained, _ = load(ModelSource(model_dir))
    assert step == 0
    x = batch(probe("narrow").view)
    initial = recipe.load_run(model_dir, restore=False).objective
    np.testing.assert_array_equal(probe("narrow").embed(x), initial.embed("narrow", x))
    assert probe("narrow").backbone.weights != trained("narrow").backbone.weights


def test_the_supervised_baseline_has_no_features_before_it_is_trained(model_dir):
    probe, _ = load(ModelSource(model_dir, baseline="supervised"))
    initial, _ = load(ModelSource(model_dir, baseline="random"))
    records = str(pathlib.Path(model_dir).parent / "records")
    bank = FeatureBank(probe("narrow"), records)
    with pytest.raises(UserError, match="before the network is trained.*open_bank") as refused:
        bank.test("test")
    assert errors.message(refused.value).startswith("supervised: the task asks")
    # What is kept of the random baseline is not taken for it.
    assert probe("narrow").backbone.weights != initial("narrow").backbone.weights


def test_a_checkpoint_is_chosen_by_its_step(model_dir, tmp_path):
    objective = recipe.load_run(model_dir).objective
    for step, factor in ((3, 1.5), (5, 2.0)):
        for weight in objective.weights:
            weight.assign(weight * factor)
        checkpoints.save_weights(objective, str(tmp_path), step)
    config = (recipe.pathlib.Path(model_dir) / recipe.CONFIG_FILE).read_text()
    (tmp_path / recipe.CONFIG_FILE).write_text(config)
    found = {name: load(ModelSource(str(tmp_path), checkpoint=name)) for name in ("last", "3")}
    assert {name: step for name, (_, step) in found.items()} == {"last": 5, "3": 3}
    weights = {name: probe("narrow").backbone.weights for name, (probe, _) in found.items()}
    assert weights["last"] == digest_of_weights(objective.backbones["narrow"].get_weights())
    assert weights["last"] != weights["3"]
    with pytest.raises(UserError, match="checkpoint '4' is not in"):
        load(ModelSource(str(tmp_path), checkpoint="4"))


def test_bfloat16_gives_nearly_the_same_features(model_dir):
    full, _ = load(ModelSource(model_dir))
    x = batch(full("narrow").view)
    expected = full("narrow").embed(x).numpy()
    half, _ = load(ModelSource(model_dir, precision="mixed_bfloat16"))
    found = half("narrow").embed(x)
    assert found.dtype == tf.float32
    assert half("narrow").backbone.precision == "mixed_bfloat16"
    assert half("narrow").backbone.weights == full("narrow").backbone.weights
    error = np.abs(found - expected).max() / np.abs(expected).max()
    assert 1e-6 < error < 0.05


def test_a_model_is_made_in_the_scope_of_a_strategy(model_dir):
    devices = [device.name for device in tf.config.list_logical_devices("CPU")]
    strategy = tf.distribute.MirroredStrategy(devices, tf.distribute.ReductionToOneDevice())
    mirrored, _ = load(ModelSource(model_dir), strategy=strategy)
    one, _ = load(ModelSource(model_dir))
    assert mirrored("narrow").backbone.strategy is strategy
    assert mirrored("narrow").backbone.weights == one("narrow").backbone.weights
    x = batch(one("narrow").view)
    found = strategy.run(lambda: mirrored("narrow").embed(x))
    for replica in strategy.experimental_local_results(found):
        np.testing.assert_allclose(replica, one("narrow").embed(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("view", ["narrow", "broad_audio"])
def test_an_exported_model_gives_the_features_of_its_run(model_dir, exported, view):
    of_run, step = load(ModelSource(model_dir))
    of_export, exported_step = load(ModelSource(exported, EXPORTED))
    assert exported_step == step
    a, b = of_run(view), of_export(view)
    x = batch(a.view)
    np.testing.assert_allclose(a.embed(x), b.embed(x), rtol=1e-4, atol=1e-5)
    assert a.view == b.view
    assert a.is_narrow == b.is_narrow


def test_a_view_without_backbone_is_named(model_dir):
    of = ModelSource(model_dir)
    models.configure(of, [], [])
    probe, _ = load_probes(of, {**of.views(), "broad_rgb": RgbView()})
    with pytest.raises(UserError, match="broad_rgb: no backbone.*narrow"):
        probe("broad_rgb")


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of functions; returns its name."""
    text = """
    import tensorflow as tf
    scale = 1.0
    def embed(batch):
        return scale * tf.reduce_mean(batch, [1, 2, 3])
    def scalar(batch):
        return tf.reduce_mean(batch)
    number = 3
    """
    (tmp_path / "my_embedding.py").write_text(textwrap.dedent(text))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(models.sys, "path", list(models.sys.path))
    return "my_embedding"


def test_views_of_functions_are_bound_where_no_recipe_imports_them():
    program = """
    from brave_tf.interop.models import FUNCTION, ModelSource, configure
    bindings = ["RgbView.num_frames = 3", "FlowView.num_frames = 4", "AudioView.duration = 2.5"]
    of = ModelSource("os:getcwd", FUNCTION)
    configure(of, [], bindings)
    views = of.views()
    print(views["rgb"].num_frames, views["flow"].num_frames, views["audio"].duration)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["3", "4", "2.5"]


def test_a_function_is_a_model_of_every_modality(module):
    of = ModelSource(f"{module}:embed", FUNCTION)
    bindings = ["RgbView.num_frames = 3", "RgbView.size = 8"]
    probe, step = load(of, bindings)
    assert step is None
    assert {name: view.modality for name, view in of.views().items()} == {
        name: name for name in ("rgb", "flow", "audio")
    }
    rgb = probe("rgb")
    assert (rgb.view.shape, rgb.is_narrow) == ((3, 8, 8, 3), False)
    x = batch(rgb.view)
    np.testing.assert_allclose(rgb.embed(x), tf.reduce_mean(x, [1, 2, 3]))
    again, _ = load(of, bindings)
    assert again("rgb").backbone.weights == rgb.backbone.weights
    models.sys.modules[module].scale = 2.0
    other, _ = load(of, bindings)
    assert other("rgb").backbone.weights != rgb.backbone.weights  # what it answers is another


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scalar", r"expected floats \(B, D\)"),
        ("number", "cannot be called"),
        ("missing", "no attribute 'missing'"),
    ],
)
def test_what_is_no_function_to_features(module, name, message):
    of = ModelSource(f"{module}:{name}", FUNCTION)
    with pytest.raises(UserError, match=message):
        load(of, ["RgbView.size = 8"])[0]("rgb")


def test_modules_that_are_not_there_are_named():
    for location in ("nowhere_at_all:embed", ":embed", "json"):
        with pytest.raises(UserError, match=f"{location}: .*module:name"):
            load(ModelSource(location, FUNCTION))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": EXPORTED, "baseline": "random"}, "^random: of runs alone.* the model_dir"),
        ({"kind": EXPORTED, "checkpoint": "best"}, "^best: of runs alone"),
        (
            {"kind": FUNCTION, "precision": "mixed_bfloat16"},
            "^mixed_bfloat16: of runs alone.*in place of a function",
        ),
        (
            {"baseline": "random", "checkpoint": "best"},
            "^best: the baseline random has no checkpoint",
        ),
        ({"location": "nowhere"}, "nowhere/config.gin was not found.*brave_tf_train"),
        ({"location": "nowhere", "kind": EXPORTED}, "brave_tf_export"),
    ],
)
def test_models_that_cannot_be_evaluated_so(model_dir, changes, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(ModelSource(model_dir), **changes).check()


TWO_NETWORKS = """
import brave_tf.data.views.rgb
import brave_tf.models.tsm_light
import brave_tf.objectives.rho_byol
import brave_tf.training.optimizers.sgd

Recipe.views = {'narrow': @narrow/RgbView(), 'second': @second/RgbView()}
Recipe.objective = @RhoBYOL
RhoBYOL.backbones = {'narrow': @tsm_light(), 'second': 'narrow'}
RgbView.num_frames = 4
RgbView.size = 16
tsm_light.widths = (8,)
tsm_light.blocks = (1,)
projector.hidden = 8
projector.output = 4
predictor.hidden = 8
train.data_dir = 'records'
train.batch_size = 2
train.num_steps = 4
train.optimizer = @sgd
sgd.learning_rate = 0.1
"""


@pytest.fixture(name="two_networks", scope="module")
def _two_networks(tmp_path_factory):
    """The folder of a run with a momentum copy that differs from its network, and what both are."""
    folder = tmp_path_factory.mktemp("two")
    config.load_config([], [TWO_NETWORKS])
    objective = recipe.bound(recipe.Recipe).build(seed=0)
    for weight in objective.target.backbones["narrow"].trainable_weights:
        weight.assign(weight * 1.5)
    (folder / recipe.CONFIG_FILE).write_text(gin.config_str())
    checkpoints.save_weights(objective, str(folder), 3)
    return folder, objective


def test_the_network_that_is_asked_for_is_loaded(two_networks):
    folder, objective = two_networks
    clips = np.random.default_rng(0).random((2, 4, 16, 16, 3), np.float32)
    answers, weights = {}, set()
    for network, of in (("online", objective), ("target", objective.target)):
        source = models.ModelSource(str(folder), network=network)
        models.configure(source, [], [])
        backbone = models.load_backbones(source, source.views())[0]("second")
        weights.add(backbone.weights)
        answers[network] = backbone.embed(clips)
        np.testing.assert_allclose(
            answers[network], of.backbones["narrow"](clips, training=False), rtol=1e-5
        )
    assert len(weights) == 2 and not np.allclose(answers["online"], answers["target"])


def test_the_network_that_is_asked_for_is_exported(two_networks, tmp_path):
    folder, objective = two_networks
    saved_model.export_run(str(folder), str(tmp_path / "out"), network="target")
    embedder = saved_model.Embedder(str(tmp_path / "out"))
    for got, expected in zip(
        embedder.weights("narrow"), objective.target.backbones["narrow"].variables
    ):
        np.testing.assert_array_equal(got, expected)


def test_a_network_that_is_not_there_is_refused(two_networks):
    folder, _ = two_networks
    source = models.ModelSource(str(folder), network="teacher")
    models.configure(source, [], [])
    with pytest.raises(UserError, match="network = 'teacher'|teacher: RhoBYOL has online, target"):
        models.load_backbones(source, source.views())
    with pytest.raises(UserError, match="the baseline random is not trained with momentum"):
        models.ModelSource(str(folder), baseline="random", network="target").check()
    with pytest.raises(UserError, match="of runs alone"):
        models.ModelSource(str(folder), models.EXPORTED, network="target").check()

"""Which view and weights a task is evaluated on, and what is kept."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import untrained_run

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.evaluation import evaluate, registry
from brave_tf.evaluation.probe import Outcome
from brave_tf.interop import saved_model
from brave_tf.training import recipe

VIEWS = {
    "narrow": RgbView(),
    "broad": RgbView(num_frames=64),
    "broad_audio": AudioView(),
    "broad_flow": FlowView(),
}


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    return str(untrained_run.write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def exported(model_dir, tmp_path_factory):
    output = str(tmp_path_factory.mktemp("exported"))
    saved_model.export_run(model_dir, output)
    return output


def load(source):
    evaluate.configure(source, [], [])
    return evaluate.load_probes(source, recipe.Recipe())


def batch(view, seed=0):
    return tf.random.stateless_uniform((2, *view.shape), (seed, 0))


@pytest.mark.parametrize(
    ("task", "requested", "expected"),
    [
        ("folder/linear", None, "narrow"),
        ("folder/linear", "broad", "broad"),
        ("folder/linear_audio", None, "broad_audio"),
        ("demo/linear_flow", None, "broad_flow"),
    ],
)
def test_a_task_takes_the_first_view_of_its_modality(task, requested, expected):
    (job,) = evaluate.plan([task], VIEWS, data_dir="somewhere", view_name=requested)
    assert (job.task.name, job.view_name, job.data_dir) == (task, expected, "somewhere")


def test_a_task_may_know_its_records():
    (job,) = evaluate.plan(["demo/linear"], VIEWS)
    assert job.data_dir == "runs/demo/records"


def test_the_checkpoint_is_evaluated_in_inference_mode(model_dir):
    probe, step = load(evaluate.Source(model_dir))
    assert step == untrained_run.STEP
    narrow = probe("narrow")
    assert narrow.is_narrow
    assert not probe("broad_audio").is_narrow
    loaded = recipe.load_run(model_dir).objective
    x = batch(narrow.view)
    tf.debugging.assert_near(narrow.embed(x), loaded.backbones["narrow"](x, training=False))
    assert narrow.embed(x).dtype == tf.float32
    assert probe("narrow").weights == narrow.weights != probe("broad_audio").weights


def test_the_random_baseline_is_the_runs_own_initialisation(model_dir):
    source = evaluate.Source(model_dir, baseline="random")
    probe, step = load(source)
    again, _ = load(source)
    trained, _ = load(evaluate.Source(model_dir))
    assert step == 0
    x = batch(probe("narrow").view)
    np.testing.assert_array_equal(probe("narrow").embed(x), again("narrow").embed(x))
    initial = recipe.load_run(model_dir, restore=False).objective
    np.testing.assert_array_equal(probe("narrow").embed(x), initial.embed("narrow", x))
    assert probe("narrow").weights == again("narrow").weights != trained("narrow").weights


@pytest.mark.parametrize("view", ["narrow", "broad_audio"])
def test_an_exported_model_gives_the_features_of_its_run(model_dir, exported, view):
    of_run, step = load(evaluate.Source(model_dir))
    of_export, exported_step = load(evaluate.Source(exported, exported=True))
    assert exported_step == step
    a, b = of_run(view), of_export(view)
    x = batch(a.view)
    np.testing.assert_allclose(a.embed(x), b.embed(x), rtol=1e-4, atol=1e-5)
    assert a.view == b.view
    assert a.is_narrow == b.is_narrow


def test_a_view_without_backbone_is_named(model_dir):
    evaluate.configure(evaluate.Source(model_dir), [], [])
    views = {**recipe.Recipe().views, "broad_rgb": RgbView()}
    probe, _ = evaluate.load_probes(
        evaluate.Source(model_dir), dataclasses.replace(recipe.Recipe(), views=views)
    )
    with pytest.raises(UserError, match="'broad_rgb' has no backbone.*narrow"):
        probe("broad_rgb")


def run_jobs(model_dir, output, protocol):
    task = registry.Task("some/task", "rgb", protocol, "for a test")
    source = evaluate.Source(model_dir)
    probe, step = load(source)
    jobs = [evaluate.Job(task, "narrow", "records")]
    return evaluate.evaluate(jobs, probe, source=source, step=step, output=str(output))


def test_what_an_interrupted_task_kept_stays_until_it_is_done(model_dir, tmp_path):
    ends = [KeyboardInterrupt(), RuntimeError("disk full"), None]

    def protocol(probe, data_dir):
        store = probe.part_store(part="train")
        kept, _ = store.load()
        store.add(np.zeros((1, 2), np.float32), np.zeros(1, np.int64))
        end = ends.pop(0)
        if end is not None:
            raise end
        return Outcome({"top1": len(kept) / 2}, {"train": 1}, {"data": data_dir})

    with pytest.raises(KeyboardInterrupt):
        run_jobs(model_dir, tmp_path, protocol)
    done, failed = run_jobs(model_dir, tmp_path, protocol)
    assert (done, list(map(str, failed))) == ([], ["disk full"])
    assert (tmp_path / evaluate.UNFINISHED).exists()
    (result,), failed = run_jobs(model_dir, tmp_path, protocol)
    assert not failed
    assert result.metrics == {"top1": 1.0}  # found the parts of both
    assert result.settings == {"data": "records"}
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_results_that_cannot_be_added_to_stop_it_before_any_work(model_dir, tmp_path):
    def protocol(probe, data_dir):
        raise AssertionError("the protocol ran")

    (tmp_path / "results.json").write_text(json.dumps({"other": 1}))
    with pytest.raises(UserError, match="holds no evaluation results"):
        run_jobs(model_dir, tmp_path, protocol)

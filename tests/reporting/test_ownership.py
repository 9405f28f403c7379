"""Results of a model that is no longer in a folder, or was never there, are not taken for its own."""

import os
import shutil

import pytest
import reported
import untrained_run

from brave_tf.evaluation.features.probe import load_probes
from brave_tf.interop import models, saved_model
from brave_tf.reporting import report
from brave_tf.reporting.ownership import Model
from brave_tf.reporting.runs import load_runs
from brave_tf.training import resumption


def entry(top1=0.5, model="gone/run", baseline=None, **identity):
    of = reported.identity(**identity)
    return reported.result("a/knn", top1, model=str(model), baseline=baseline, identity=of)


@pytest.fixture
def run(tmp_path):
    """The folder of a run with an id, and this."""
    folder = reported.write_run(tmp_path / "run")
    resumption.name_run(str(folder), begins=True)
    return folder, resumption.run_id(folder)


def test_a_run_trained_anew_does_not_show_the_results_of_the_one_before(run):
    folder, old = run
    resumption.name_run(str(folder), begins=True)
    entries = [
        {**entry(0.9, folder, run=old), "step": 300},
        {**entry(0.4, folder, run=resumption.run_id(folder)), "step": 100},
    ]
    reported.write_results(folder / "eval", entries)
    (found,) = load_runs([str(folder)])
    assert [e.value for e in found.latest()] == [0.4]
    assert found.left_out == 1
    assert "1 results there are of other models" in report.as_markdown([found])


def test_a_result_that_another_model_left_in_the_folder_is_not_shown(run, tmp_path):
    folder, _ = run
    other = reported.write_run(tmp_path / "other")
    reported.write_results(folder / "eval", [entry(0.9, other), entry(0.4, folder)])
    (found,) = load_runs([str(folder)])
    assert [e.value for e in found.entries] == [0.4]


def test_a_run_is_known_by_its_id_wherever_it_was(run, tmp_path):
    folder, run_id = run
    model = Model(folder)
    for beside in (True, False):
        assert model.owns(entry(run=run_id), beside)
        assert model.owns(entry(model="gone/other", baseline="random", run=run_id), beside)
        assert not model.owns(entry(model=folder, run="other"), beside)
    # A copy has the same id, and results beside both may be of either.
    copy = Model(shutil.copytree(folder, tmp_path / "copy"))
    assert copy.owns(entry(model=folder, run=run_id), beside=False)
    assert not copy.owns(entry(model=folder, run=run_id), beside=True)
    saved = Model(shutil.copytree(folder, tmp_path / "saved" / "run"))
    assert saved.owns(entry(model=folder, run=run_id), beside=True)


def test_models_of_one_folder_name_in_one_output_are_told_apart(tmp_path):
    folders = [reported.write_run(tmp_path / name / "exported") for name in ("a", "b")]
    entries = [entry(top1, folder) for top1, folder in zip((0.25, 0.75), folders)]
    for name in ("a", "b"):
        reported.write_results(tmp_path / name / "eval", entries)
    for name, top1 in (("a", 0.25), ("b", 0.75)):
        (found,) = load_runs([str(tmp_path / name)])
        assert [e.value for e in found.entries] == [top1]


def test_results_of_older_versions_are_shown_where_they_lie(tmp_path):
    folder = reported.write_run(tmp_path / "run")
    old = reported.result("a/knn", 0.5, model="some/where")
    model = Model(folder)
    assert model.owns(old, beside=False)
    assert not model.owns(old, beside=True)
    assert model.owns({**old, "model": "x/run"}, beside=True)


def test_an_export_is_known_by_its_weights(tmp_path):
    model_dir = untrained_run.write_run(tmp_path)
    folder = tmp_path / "exported"
    saved_model.export_run(str(model_dir), str(folder))
    before = weights(folder)
    model = Model(folder)
    for beside in (True, False):
        assert model.owns(entry(model=folder, weights=before), beside)
        assert model.owns(entry(model="gone/other", weights=before), beside)
        assert not model.owns(entry(model=folder, weights="aa"), beside)
    untrained_run.change_weights(model_dir, 1.5)
    saved_model.export_run(str(model_dir), str(folder), overwrite=True)
    assert not Model(folder).owns(entry(model=folder, weights=before), beside=False)
    assert Model(folder).owns(entry(model=folder, weights=weights(folder)), beside=False)


def weights(exported):
    of = models.ModelSource(str(exported), models.EXPORTED)
    models.configure(of, [], [])
    return load_probes(of, of.views())[0]("narrow").backbone.weights


def test_real_paths_are_compared(tmp_path, monkeypatch):
    folder = reported.write_run(tmp_path / "run")
    (tmp_path / "link").symlink_to("run")
    monkeypatch.chdir(tmp_path)
    for path in ("run", "link", "../" + tmp_path.name + "/run"):
        assert Model(folder).owns(entry(model=path), beside=False)
    assert os.path.realpath("link") == str(folder)

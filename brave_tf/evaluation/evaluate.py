"""Evaluates a trained or exported model on tasks, keeping every result as soon as it is there."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Callable

import numpy as np

from brave_tf import config, errors
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.evaluation import registry, results
from brave_tf.evaluation.part_store import digest_of_weights
from brave_tf.evaluation.probe import Embed, Probe
from brave_tf.interop import saved_model
from brave_tf.training import recipe

RANDOM = "random"
UNFINISHED = ".unfinished"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where the evaluated model comes from: a run, or an exported model.

    Attributes:
      folder: of the run, or of the exported model.
      exported: which of the two.
      baseline: None, or `random` for the random initialisation of a run.
    """

    folder: str
    exported: bool = False
    baseline: str | None = None

    @property
    def config_file(self) -> str:
        """The gin configuration that the model was built from."""
        return str(pathlib.Path(self.folder) / recipe.CONFIG_FILE)

    @property
    def default_output(self) -> str:
        """Where results go unless the user says otherwise."""
        return self.folder if self.exported else str(pathlib.Path(self.folder) / "eval")

    def check(self) -> None:
        """Raises UserError when the folder does not hold what it should."""
        writer = "brave_tf_export" if self.exported else "brave_tf_train"
        flag = "model" if self.exported else "model_dir"
        if not pathlib.Path(self.config_file).is_file():
            raise UserError(
                f"--{flag}={self.folder}: {self.config_file} was not found. Give the folder that "
                f"{writer} wrote."
            )
        if self.exported and self.baseline:
            raise UserError(
                f"--baseline={self.baseline} is of runs: give the --model_dir of the run in place of "
                "--model."
            )


@dataclasses.dataclass(frozen=True)
class Job:
    """One task, with the view and the records that it is evaluated on."""

    task: registry.Task
    view_name: str
    data_dir: str


def configure(source: Source | None, gin_files: Sequence[str], bindings: Sequence[str]) -> None:
    """Loads the configuration of the model, then that of the evaluation, which wins.

    Raises:
      UserError: for a folder without a model, or a configuration that cannot be used.
    """
    if source is not None:
        source.check()
        gin_files = [source.config_file, *gin_files]
    config.load_config(gin_files, bindings)


def plan(
    task_names: Sequence[str],
    views: Mapping[str, View],
    *,
    data_dir: str | None = None,
    view_name: str | None = None,
) -> list[Job]:
    """Finds the tasks and what each of them is evaluated on, before any long work.

    Args:
      task_names: names in the registry.
      views: the views of the model; a task takes the first of its modality.
      data_dir: folder of records for all tasks; by default each task's own.
      view_name: the view to take instead of the first of the modality.

    Raises:
      UserError: for an unknown task or view, a view of another modality, or missing records.
    """
    jobs = []
    for task in map(registry.find_task, task_names):
        folder = data_dir or task.data_dir
        if folder is None:
            raise UserError(
                f"{task.name} needs --data: name the folder of records that brave_tf_prepare wrote."
            )
        jobs.append(Job(task, _choose_view(task, views, view_name), folder))
    return jobs


def load_probes(
    source: Source, run_recipe: recipe.Recipe
) -> tuple[Callable[[str], Probe], int | None]:
    """Builds the model and reads its weights.

    Args:
      source: where it comes from; its configuration is loaded.
      run_recipe: its recipe.

    Returns:
      A function from a view's name to the `Probe` of its backbone, and the training step of the
      weights: 0 for the random initialisation, None when it is not known.
    """
    views = run_recipe.views
    if source.exported:
        embedder = saved_model.Embedder(source.folder)
        step = embedder.step

        def backbone(name: str) -> tuple[Embed, list[np.ndarray]]:
            return embedder.embed(name, views[name]), embedder.weights(name)

    else:
        run = recipe.rebuild_run(source.folder, restore=source.baseline != RANDOM)
        objective, step = run.objective, run.step

        def backbone(name: str) -> tuple[Embed, list[np.ndarray]]:
            if name not in objective.backbones:
                raise UserError(
                    f"view {name!r} has no backbone in {source.folder}, only "
                    f"{', '.join(objective.backbones)} have: choose one of these with --view."
                )
            weights = objective.backbones[name].get_weights()
            return lambda batch: objective.embed(name, batch), weights

    narrow = next(iter(views))

    def probe(name: str) -> Probe:
        embed, weights = backbone(name)
        return Probe(name, views[name], name == narrow, embed, digest_of_weights(weights))

    return probe, step


def evaluate(
    jobs: Sequence[Job],
    probe: Callable[[str], Probe],
    *,
    source: Source,
    step: int | None,
    output: str,
) -> tuple[list[results.Result], list[Exception]]:
    """Runs every job; one that fails is reported on stderr and the others are run.

    Returns:
      The results, which are also in `output/results.json`, and the errors.

    Raises:
      UserError: when `output` holds a file of results that cannot be added to.
    """
    results.load_results(output)
    done, failed = [], []
    for job in jobs:
        print(
            f"{job.task.name}: view {job.view_name} of {source.folder} on {job.data_dir}",
            flush=True,
        )
        name = f"{job.task.name}-{job.view_name}".replace("/", "-")
        scratch = pathlib.Path(output) / UNFINISHED / name
        try:
            kept = dataclasses.replace(probe(job.view_name), scratch=str(scratch))
            result = _run(job, kept, source, step)
            results.save_result(output, result)
            shutil.rmtree(scratch, ignore_errors=True)
            with contextlib.suppress(OSError):  # of other tasks, or there is none
                scratch.parent.rmdir()
        except Exception as error:  # Whatever fails, the other tasks are run.
            failed.append(error)
            if not isinstance(error, UserError):
                traceback.print_exc()
            print(f"error: {job.task.name}: {errors.message(error)}", file=sys.stderr, flush=True)
        else:
            done.append(result)
    return done, failed


def _run(job: Job, probe: Probe, source: Source, step: int | None) -> results.Result:
    start = time.monotonic()
    outcome = job.task.protocol(probe, job.data_dir)
    return results.Result(
        task=job.task.name,
        model=source.folder,
        view=job.view_name,
        step=step,
        baseline=source.baseline,
        metrics=outcome.metrics,
        clips=outcome.clips,
        seconds=round(time.monotonic() - start, 1),
        settings=outcome.settings,
    )


def _choose_view(task: registry.Task, views: Mapping[str, View], requested: str | None) -> str:
    listed = ", ".join(f"{name} ({view.modality})" for name, view in views.items())
    if requested is not None:
        if requested not in views:
            raise UserError(
                f"--view={requested}: the model has no such view, it has {listed}."
                f"{errors.nearest(requested, views)}"
            )
        if views[requested].modality != task.modality:
            raise UserError(
                f"--view={requested} is a view of {views[requested].modality}, but {task.name} probes "
                f"{task.modality}. The model's views: {listed}."
            )
        return requested
    for name, view in views.items():
        if view.modality == task.modality:
            return name
    raise UserError(
        f"{task.name} probes {task.modality}, of which the model has no view; it has {listed}."
    )

"""Evaluates a model on tasks, keeping every result as soon as it is there."""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import time
import traceback
import types
from collections.abc import Mapping, Sequence
from typing import Callable

from brave_tf import errors
from brave_tf.data.views.base import View
from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.evaluation.features.identity import identify
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.tasks import registry
from brave_tf.interop.models import ModelSource
from brave_tf.storage.files import NotWrittenError

FEATURES = "features"


@dataclasses.dataclass(frozen=True)
class PlannedTask:
    """One task, with the view and the records that it is evaluated on."""

    task: registry.Task
    view_name: str
    data_dir: str


def plan(
    task_names: Sequence[str],
    views: Mapping[str, View],
    *,
    data_dir: str | None = None,
    view_name: str | None = None,
) -> list[PlannedTask]:
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
        jobs.append(PlannedTask(task, _choose_view(task, views, view_name), folder))
    return jobs


def evaluate(
    jobs: Sequence[PlannedTask],
    probe: Callable[[str], Probe],
    *,
    source: ModelSource,
    step: int | None,
    output: str,
    cache: str | None = None,
    given: Mapping[str, str] = types.MappingProxyType({}),
) -> tuple[list[results.Result], list[Exception]]:
    """Runs every job; one that fails is reported on stderr and the others are run.

    Args:
      jobs: what to run.
      probe: a view's name -> its backbone.
      source: where that comes from.
      step: of its weights.
      output: folder of the results.
      cache: folder of features, for other protocols and for a command that is interrupted, with a folder for
        each model; None for `output/features`.
      given: how arguments were given, for errors about them, as `errors.named` takes it.

    Returns:
      The results, which are also in `output/results.json`, and the errors.

    Raises:
      UserError: when `output` holds a file of results that cannot be added to.
    """
    results.load_results(output)
    cache = cache or str(pathlib.Path(output) / FEATURES)
    done, failed = [], []
    for job in jobs:
        print(
            f"{job.task.name}: view {job.view_name} of {source.location} on {job.data_dir}",
            flush=True,
        )
        try:
            with errors.named(**given):
                found = probe(job.view_name)
                own = str(folder_of(cache, found))
                kept = dataclasses.replace(found, cache=own, output=output)
                result = _run(job, kept, source, step, output)
        except Exception as error:  # Whatever fails, the other tasks are run.
            failed.append(error)
            if not isinstance(error, UserError):
                traceback.print_exc()
            print(f"error: {job.task.name}: {errors.message(error)}", file=sys.stderr, flush=True)
            if isinstance(error, NotWrittenError):
                break  # The others could not be written either.
        else:
            done.append(result)
    return done, failed


def folder_of(cache: str, probe: Probe) -> pathlib.Path:
    """Returns the folder for the features of a model: what is deleted with it is of no other."""
    return pathlib.Path(cache) / probe.backbone.weights[:16]


def _run(
    job: PlannedTask, probe: Probe, source: ModelSource, step: int | None, output: str
) -> results.Result:
    # Before it is run: the data may be others afterwards.
    identity = identify(probe, job.data_dir)
    start = time.monotonic()
    outcome = job.task.protocol(probe, job.data_dir)
    seconds = round(time.monotonic() - start, 1)
    result = results.Result(
        task=job.task.name,
        model=source.name,
        view=job.view_name,
        step=step,
        baseline=source.baseline,
        metrics=outcome.metrics,
        clips=outcome.clips,
        seconds=seconds,
        settings=outcome.settings,
        identity=identity,
    )
    return results.save_result(output, result, outcome.predictions)


def _choose_view(task: registry.Task, views: Mapping[str, View], requested: str | None) -> str:
    listed = ", ".join(f"{name} ({view.modality})" for name, view in views.items())
    if requested is not None:
        if requested not in views:
            raise UserError(
                f"--view={requested}: the model has no such view, it has {listed}."
                f"{errors.did_you_mean(requested, views)}"
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

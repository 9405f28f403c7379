"""What `brave_tf_eval` does: evaluate a model once, or a run's checkpoints as they come."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
import sys
from collections.abc import Sequence

import tensorflow as tf

from brave_tf.errors import UserError, named
from brave_tf.evaluation import evaluate, results
from brave_tf.evaluation.features.identity import identify
from brave_tf.evaluation.features.probe import load_probes
from brave_tf.evaluation.tasks import registry
from brave_tf.evaluation.watch import WatchedRun
from brave_tf.features.store import size_of
from brave_tf.interop.models import ModelSource, configure
from brave_tf.storage import files

# The flags that are arguments of what the command calls, which does not know where they come from.
_FLAGS = ("model_dir", "model", "function", "checkpoint", "baseline", "precision", "view")
_GIVEN = {name: f"--{name}={{}}" for name in _FLAGS}


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What to evaluate on what.

    Attributes:
      source: the model.
      tasks: names of tasks.
      data: folder of records for all tasks; None for each task's own.
      view: to probe; None for the first of the task's modality.
      output: folder of the results; None for the source's own.
      keep_features: whether features stay on disk; None: unless checkpoints are watched.
      gin_files: settings that win over the model's.
      gin_bindings: statements that win over these.
    """

    source: ModelSource
    tasks: Sequence[str]
    data: str | None = None
    view: str | None = None
    output: str | None = None
    keep_features: bool | None = None
    gin_files: Sequence[str] = ()
    gin_bindings: Sequence[str] = ()

    @property
    def folder(self) -> str:
        """Where results go."""
        return self.output or self.source.default_output

    def of_step(self, step: int) -> Arguments:
        """Returns these for one checkpoint."""
        return dataclasses.replace(
            self, source=dataclasses.replace(self.source, checkpoint=str(step))
        )


@dataclasses.dataclass
class Evaluated:
    """What became of the tasks: results, and errors."""

    done: list[results.Result] = dataclasses.field(default_factory=list)
    failed: list[Exception] = dataclasses.field(default_factory=list)


def listed_tasks() -> str:
    """Returns the known tasks, those of one data set after the other."""
    lines, dataset = [], None
    tasks = registry.list_tasks()
    width = max(map(len, tasks))
    for name, task in tasks.items():
        if name.split("/")[0] != dataset:
            dataset = name.split("/")[0]
            lines += ["", f"{dataset} ({task.data_dir or 'needs --data'})"]
        reports = f": {', '.join(task.reports)}" if task.reports else ""
        lines.append(f"  {name:<{width}}  {task.description}{reports}")
    return "\n".join(lines).lstrip("\n")


@named(**_GIVEN)
def run(arguments: Arguments) -> Evaluated:
    """Evaluates a model, prints its results and keeps them.

    Raises:
      UserError: before any long work, for what cannot be evaluated.
    """
    configure(arguments.source, arguments.gin_files, arguments.gin_bindings)
    jobs = _plan(arguments)
    files.check_writable(arguments.folder, "output")
    results.load_results(arguments.folder)
    cache = pathlib.Path(arguments.folder) / evaluate.FEATURES
    model = _Model(arguments)
    outcome = model.evaluate(jobs, cache)
    _print(outcome, arguments.folder)
    if arguments.keep_features is False and not outcome.failed:
        model.delete_features(jobs, cache)
    elif cache.is_dir():
        print(
            f"features of {size_of(cache) / 1e6:,.1f} MB are kept in {cache} for other tasks; delete the "
            "folder when you need them no more, or add --nokeep_features"
        )
    return outcome


@named(**_GIVEN)
def watch(arguments: Arguments, run: WatchedRun | None = None) -> Evaluated:
    """Evaluates each checkpoint of a run, into its charts too, until the run has ended.

    Tasks that are done for a step, with these weights, data and settings, are not run again.

    Args:
      arguments: the source is a run.
      run: that is followed; None for that of the source.

    Raises:
      UserError: before any long work, for what cannot be evaluated.
    """
    run = run or WatchedRun(arguments.source.location)
    run.await_beginning()
    files.check_writable(arguments.folder, "output")
    every = Evaluated()

    def evaluate_step(step: int) -> None:
        outcome = _evaluate_step(arguments.of_step(step), run, step)
        every.done += outcome.done
        every.failed += outcome.failed
        for error in outcome.failed:
            if isinstance(error, files.NotWrittenError):
                raise error

    try:
        run.follow(evaluate_step)
    except files.NotWrittenError as error:
        if error not in every.failed:
            every.failed.append(error)
            print(f"error: {error}", file=sys.stderr, flush=True)
        return every
    print(f"{arguments.source.location} is not being trained any more: --watch ends", flush=True)
    return every


def _evaluate_step(arguments: Arguments, run: WatchedRun, step: int) -> Evaluated:
    """Runs the tasks that have no result for a checkpoint yet, and charts all."""
    configure(arguments.source, arguments.gin_files, arguments.gin_bindings)
    plan = _plan(arguments)
    cache = pathlib.Path(arguments.folder) / evaluate.FEATURES / f"step-{step}"
    try:
        model = _Model(arguments)
    except UserError as error:
        # Other checkpoints may be whole.
        print(f"step {step} is passed over: {error}", flush=True)
        return Evaluated()
    try:
        done = {job: model.find_result(job) for job in plan}
        run.chart([result for result in done.values() if result], step)
        jobs = [job for job in plan if not done[job]]
        outcome = model.evaluate(jobs, cache) if jobs else Evaluated()
    finally:
        tf.keras.backend.clear_session()
    run.chart(outcome.done, step)
    _print(outcome, arguments.folder)
    if not arguments.keep_features and not outcome.failed:
        model.delete_features(jobs, cache)
    return outcome


class _Model:
    """A model with its weights, and what is kept of it.

    Args:
      arguments: whose source is loaded, as it is configured.
    """

    # Whoever passes over a model that cannot be read tells why.
    @named(**_GIVEN)
    def __init__(self, arguments: Arguments):
        self._arguments = arguments
        source = arguments.source
        self._probe, self._step = load_probes(source, source.views(), _strategy())

    def evaluate(self, jobs: Sequence[evaluate.PlannedTask], cache: pathlib.Path) -> Evaluated:
        """Runs tasks, with features in a folder."""
        done, failed = evaluate.evaluate(
            jobs,
            self._probe,
            source=self._arguments.source,
            step=self._step,
            output=self._arguments.folder,
            cache=str(cache),
            given=_GIVEN,
        )
        return Evaluated(done, failed)

    def find_result(self, job: evaluate.PlannedTask) -> results.Result | None:
        """Returns the result of a task for these weights, if it is there."""
        sought = (job.task.name, job.view_name, self._step, self._arguments.source.baseline)
        identity = identify(self._probe(job.view_name), job.data_dir)
        for entry in map(results.Result.of, results.load_results(self._arguments.folder)):
            found = (entry.task, entry.view, entry.step, entry.baseline)
            if found == sought and entry.identity == identity:
                return entry
        return None

    def delete_features(self, jobs: Sequence[evaluate.PlannedTask], cache: pathlib.Path) -> None:
        """Deletes what tasks have left in a folder of features; those of other models stay."""
        for name in {job.view_name for job in jobs}:
            shutil.rmtree(evaluate.folder_of(str(cache), self._probe(name)), ignore_errors=True)
        for folder in (cache, pathlib.Path(self._arguments.folder) / evaluate.FEATURES):
            with contextlib.suppress(OSError):  # There are others.
                folder.rmdir()


def _plan(arguments: Arguments) -> list[evaluate.PlannedTask]:
    return evaluate.plan(
        arguments.tasks,
        arguments.source.views(),
        data_dir=arguments.data,
        view_name=arguments.view,
    )


def _strategy() -> tf.distribute.Strategy | None:
    """Mirrors the model over the GPUs, where there are several."""
    return (
        tf.distribute.MirroredStrategy() if len(tf.config.list_logical_devices("GPU")) > 1 else None
    )


def _print(outcome: Evaluated, folder: str) -> None:
    if outcome.done:
        path = pathlib.Path(folder) / results.FILE_NAME
        print(f"\n{results.tables(outcome.done)}\n\nadded to {path}", flush=True)

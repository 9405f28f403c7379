"""What `brave_tf_eval` does: evaluate a model once, or a run's checkpoints as they come."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
from collections.abc import Sequence

import tensorflow as tf

from brave_tf import files
from brave_tf.errors import UserError
from brave_tf.evaluation import evaluate, registry, results
from brave_tf.evaluation.feature_store import size_of
from brave_tf.evaluation.source import Source, configure, load_probes
from brave_tf.evaluation.watch import Run


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

    source: Source
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
class Outcome:
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


def run(arguments: Arguments) -> Outcome:
    """Evaluates a model, prints its results and keeps them.

    Raises:
      UserError: before any long work, for what cannot be evaluated.
    """
    configure(arguments.source, arguments.gin_files, arguments.gin_bindings)
    jobs = _plan(arguments)
    files.check_writable(arguments.folder, "output")
    results.load_results(arguments.folder)
    cache = pathlib.Path(arguments.folder) / evaluate.FEATURES
    outcome = _evaluate(arguments, jobs, str(cache))
    _print(outcome, arguments.folder)
    if arguments.keep_features is False and not outcome.failed:
        shutil.rmtree(cache, ignore_errors=True)
    elif cache.is_dir():
        print(
            f"features of {size_of(cache) / 1e6:,.1f} MB are kept in {cache} for other tasks; delete the "
            "folder when you need them no more, or add --nokeep_features"
        )
    return outcome


def watch(arguments: Arguments, run: Run | None = None) -> Outcome:
    """Evaluates each checkpoint of a run, into its charts too, until the run has ended.

    Tasks that are done for a step are not run again.

    Args:
      arguments: the source is a run.
      run: that is followed; None for that of the source.

    Raises:
      UserError: before any long work, for what cannot be evaluated.
    """
    run = run or Run(arguments.source.location)
    run.await_beginning()
    files.check_writable(arguments.folder, "output")
    every = Outcome()

    def evaluate_step(step: int) -> None:
        outcome = _evaluate_step(arguments.of_step(step), run, step)
        every.done += outcome.done
        every.failed += outcome.failed

    run.follow(evaluate_step)
    print(f"{arguments.source.location} is not being trained any more: --watch ends", flush=True)
    return every


def _evaluate_step(arguments: Arguments, run: Run, step: int) -> Outcome:
    """Runs the tasks that have no result for a checkpoint yet, and charts all."""
    configure(arguments.source, arguments.gin_files, arguments.gin_bindings)
    plan = _plan(arguments)
    done = {job: _done(arguments, job, step) for job in plan}
    run.chart([result for result in done.values() if result], step)
    jobs = [job for job in plan if not done[job]]
    if not jobs:
        return Outcome()
    cache = pathlib.Path(arguments.folder) / evaluate.FEATURES / f"step-{step}"
    try:
        outcome = _evaluate(arguments, jobs, str(cache))
    except UserError as error:
        # Other checkpoints may be whole.
        print(f"step {step} is passed over: {error}", flush=True)
        return Outcome()
    finally:
        tf.keras.backend.clear_session()
    run.chart(outcome.done, step)
    _print(outcome, arguments.folder)
    if not arguments.keep_features and not outcome.failed:
        shutil.rmtree(cache, ignore_errors=True)
        with contextlib.suppress(OSError):  # There are others.
            cache.parent.rmdir()
    return outcome


def _plan(arguments: Arguments) -> list[evaluate.Job]:
    return evaluate.plan(
        arguments.tasks,
        arguments.source.views(),
        data_dir=arguments.data,
        view_name=arguments.view,
    )


def _evaluate(arguments: Arguments, jobs: Sequence[evaluate.Job], cache: str) -> Outcome:
    source = arguments.source
    probe, step = load_probes(source, source.views(), _strategy())
    done, failed = evaluate.evaluate(
        jobs, probe, source=source, step=step, output=arguments.folder, cache=cache
    )
    return Outcome(done, failed)


def _strategy() -> tf.distribute.Strategy | None:
    """Mirrors the model over the GPUs, where there are several."""
    return (
        tf.distribute.MirroredStrategy() if len(tf.config.list_logical_devices("GPU")) > 1 else None
    )


def _done(arguments: Arguments, job: evaluate.Job, step: int) -> results.Result | None:
    """The result of a task for a checkpoint, if there is one."""
    for entry in results.load_results(arguments.folder):
        found = (entry["task"], entry["view"], entry["step"], entry["baseline"])
        if found == (job.task.name, job.view_name, step, None):
            return results.Result(**entry)
    return None


def _print(outcome: Outcome, folder: str) -> None:
    if outcome.done:
        path = pathlib.Path(folder) / results.FILE_NAME
        print(f"\n{results.tables(outcome.done)}\n\nadded to {path}", flush=True)

"""Two streams: what two models, of colour and of flow, decided about the same clips, averaged.

The average of class probabilities is that of Simonyan and Zisserman, "Two-Stream Convolutional Networks for
Action Recognition in Videos", NeurIPS 2014, and of CoCLR.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import gin
import numpy as np

from brave_tf.data.records.splits import parts_of
from brave_tf.data.sources.kinds import open_source
from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.evaluation.features.identity import of_data
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.outcome import Outcome, Predictions


@gin.configurable
def two_streams(
    probe: Probe,
    data_dir: str,
    train_split: str = "train",
    test_split: str = "test",
    tasks: Sequence[str] = gin.REQUIRED,
    other: str = gin.REQUIRED,
    seed: int = 0,
) -> Outcome:
    """Averages the decisions of two results that are there, and scores the average. Nothing is trained.

    Args:
      probe: of the first model, whose result is in the folder that this one goes to.
      data_dir: folder of prepared records, or media files, that both are of.
      train_split: split that both learned from; it is named in the settings alone.
      test_split: split that is scored.
      tasks: of the first and of the second result, such as ('ucf101/finetune', 'ucf101/finetune_flow'). Their
        decisions should be probabilities, as those of fine-tuning and of linear layers.
      other: folder of the results of the second model.
      seed: of the intervals.

    Returns:
      `top1` and `top5`, with 95 % bootstrap intervals over test clips.

    Raises:
      UserError: a result is not there, or the two are not of the same clips.
    """
    if isinstance(tasks, str) or len(tasks) != 2:
        raise UserError(
            f"two_streams.tasks = {tasks!r}: expected two, such as ('ucf101/finetune', "
            "'ucf101/finetune_flow')."
        )
    folders = str(probe.output), other
    data = of_data(data_dir)
    found = [
        _result(folder, task, data, weights)
        for folder, task, weights in zip(folders, tasks, (probe.backbone.weights, None))
    ]
    parts = parts_of(test_split, open_source(data_dir).split_names, data_dir)
    first, second = (
        _tested(pathlib.Path(folder) / result.predictions, parts)
        for folder, result in zip(folders, found)
    )
    _check_same(first, second, [f"{task} in {folder}" for task, folder in zip(tasks, folders)])
    decisions = (first.decisions + second.decisions) / 2
    hits = scores.top_hits(decisions, first.labels)
    return Outcome(
        metrics=scores.with_intervals(hits, seed),
        clips={"train": 0, "test": len(first.keys), "missing": 0},
        settings={
            "data": data_dir,
            "train_split": train_split,
            "test_split": test_split,
            "tasks": list(tasks),
            "streams": [{"model": each.model, "step": each.step} for each in found],
            "seed": seed,
        },
        predictions=Predictions(first.keys, first.labels, first.paths, decisions, first.classes),
        per_clip=hits,
    )


def _result(folder: str, task: str, data: str, weights: str | None) -> results.Result:
    """Returns the result of a task on some data, of a model with these weights if there are any."""
    found = [
        result
        for result in map(results.Result.of, results.load_results(folder))
        if result.task == task and result.predictions and result.identity
        if result.identity.data == data and weights in (None, result.identity.weights)
    ]
    if len(found) != 1:
        of = "these clips" if weights is None else "this model and these clips"
        raise UserError(
            f"two_streams: {folder} has {len(found)} results of {task} for {of}: expected one. Run "
            f"brave_tf_eval --task={task} for it first, or name a folder with the results of one model."
        )
    return found[0]


def _tested(path: pathlib.Path, parts: Sequence[str]) -> Predictions:
    """Returns what was decided about the clips of some splits of records, sorted by clip."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files if name != "result"}
    if "decisions" not in arrays or arrays["labels"].ndim != 1:
        raise UserError(f"{path} has no decisions about clips of one label: choose another task.")
    of_records = np.array([key.rpartition("/")[0] for key in arrays["keys"]])
    rows = np.isin(of_records, parts)
    # A clip may be tested in several official splits.
    numbers = arrays.get("split", np.zeros(len(rows), np.int64))
    whole = [n for n in np.unique(numbers) if rows[numbers == n].all()]
    if not whole:
        raise UserError(f"{path} has no decisions about the clips of {'+'.join(parts)}.")
    number = max(whole, key=lambda n: np.sum(numbers == n))
    chosen = np.flatnonzero(numbers == number)
    chosen = chosen[np.argsort(arrays["keys"][chosen])]
    columns = {name: arrays[name][chosen] for name in ("keys", "labels", "paths", "decisions")}
    return Predictions(**columns, classes=arrays.get("classes"))


def _check_same(first: Predictions, second: Predictions, names: Sequence[str]) -> None:
    same = all(
        np.array_equal(getattr(first, column), getattr(second, column))
        for column in ("keys", "labels", "paths")
    )
    if not same or first.decisions.shape != second.decisions.shape:
        raise UserError(
            f"two_streams: {' and '.join(names)} are not of the same clips, in the same order and classes. "
            "Every clip has to have both modalities, and both tasks the same splits."
        )


TWO_STREAMS = Kind(
    "two_streams", two_streams, "average of the decisions of two models", ("top1", "top5")
)

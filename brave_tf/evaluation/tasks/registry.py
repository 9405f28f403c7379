"""Evaluation tasks, found by name.

A task is a dataset and a protocol, `hmdb51/linear`. Tasks of the package live one file per dataset
in `brave_tf/evaluation/tasks/`, named after the part before the slash and imported when a task of
that dataset is asked for. A task from elsewhere is registered by an `import my_pkg` line in a gin
file.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from typing import Callable

from brave_tf import modality_registry as modalities
from brave_tf.errors import UserError, did_you_mean
from brave_tf.evaluation import tasks
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.protocols.outcome import Outcome

Protocol = Callable[[Probe, str], Outcome]

_TASKS: dict[str, Task] = {}
# Functions from a modality to its tasks, of data sets whose clips may have any.
_OF_ANY: list[Callable[[str], list[Task]]] = []


@dataclasses.dataclass(frozen=True)
class Task:
    """What is measured on which data.

    Attributes:
      name: `dataset/protocol`.
      modality: name of one: which of a model's backbones is probed.
      protocol: called with the `Probe` of a backbone and the folder of prepared records; returns
        an `Outcome`.
      description: one line for `brave_tf_eval --list`.
      data_dir: the folder of records when --data is not given; None when it has to be given.
      reports: names of the metrics, the main one first, for `brave_tf_eval --list`.
    """

    name: str
    modality: str
    protocol: Protocol
    description: str
    data_dir: str | None = None
    reports: tuple[str, ...] = ()


def register_task(task: Task) -> Task:
    """Makes `task` known under its name and returns it.

    Raises:
      TypeError: for what is not a `Task`.
      ValueError: for a name that is not `dataset/protocol`, an unknown modality, a protocol that
        cannot be called, or a name that another task has.
    """
    _check(task)
    _TASKS[task.name] = task
    return task


def register_for_every_modality(make: Callable[[str], list[Task]]) -> None:
    """Makes tasks known of every modality that there is, or that is registered later.

    Args:
      make: a function from the name of a modality to its tasks.

    Raises:
      ValueError: as `register_task`.
    """
    of_plugins = {modality.name for modality in modalities.of_plugins()}
    for name in modalities.names():
        for task in () if name in of_plugins else make(name):
            register_task(task)
    _OF_ANY.append(make)


def _known() -> dict[str, Task]:
    """Returns the tasks that there are, by name."""
    made = (
        task for make in _OF_ANY for each in modalities.of_plugins() for task in make(each.name)
    )
    return {**{task.name: task for task in made}, **_TASKS}


def _check(task: Task) -> None:
    if not isinstance(task, Task):
        raise TypeError(
            f"register_task was given {task!r}: give it a brave_tf.evaluation.tasks.registry.Task(name, "
            "modality, protocol, description)."
        )
    if not re.fullmatch(r"\w[\w-]*/\w[\w-]*", task.name):
        raise ValueError(f"task {task.name!r}: name it 'dataset/protocol', such as 'esc50/linear'.")
    names = modalities.names()
    if task.modality not in names:
        raise ValueError(
            f"task {task.name!r}: modality {task.modality!r} is not one of {', '.join(names)}."
        )
    if not callable(task.protocol):
        raise ValueError(
            f"task {task.name!r}: its protocol {task.protocol!r} cannot be called; give a function "
            "of a Probe and a data folder, such as brave_tf.evaluation.protocols.svm.linear_svm."
        )
    known = _known()
    if task.name in known:
        raise ValueError(
            f"task {task.name!r} is registered already, as {known[task.name].description!r}: give "
            "one of the two another name."
        )


def find_task(name: str) -> Task:
    """Returns the task called `name`, importing the file of its dataset when there is one.

    Raises:
      UserError: for an unknown name, with the nearest known ones.
    """
    import_dataset(name)
    found = _known().get(name)
    if found is None:
        known = list_tasks()
        if name not in known:
            datasets = dict.fromkeys(task.split("/")[0] for task in known)
            raise UserError(
                f"--task={name}: there is no such task.{did_you_mean(name, known)} There are tasks of "
                f"{', '.join(datasets)}; --list shows them. A task of your own needs an `import my_pkg` "
                "line in a --gin_file, for the module that calls register_task."
            )
        found = known[name]
    return found


def list_tasks() -> dict[str, Task]:
    """Returns every known task by name, sorted, having imported every dataset of the package."""
    for module in pkgutil.iter_modules(tasks.__path__):
        import_dataset(module.name)
    return dict(sorted(_known().items()))


def import_dataset(task_name: str) -> None:
    """Imports the file of the package that holds the tasks of a data set, when there is one."""
    dataset = task_name.split("/")[0]
    if dataset in {module.name for module in pkgutil.iter_modules(tasks.__path__)}:
        importlib.import_module(f"{tasks.__name__}.{dataset}")

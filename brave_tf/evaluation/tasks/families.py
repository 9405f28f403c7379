"""Registers a dataset's tasks: one for each protocol and modality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

from brave_tf import config
from brave_tf import modality_registry as every
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.evaluation.tasks.official import over_official_splits
from brave_tf.evaluation.tasks.registry import (
    Protocol,
    Task,
    register_for_every_modality,
    register_task,
)


def register_tasks(
    dataset: str,
    clips: str,
    kinds: Sequence[Kind],
    data_dir: str | None = None,
    modalities: Sequence[str] | None = None,
    official: str | None = None,
    splits: tuple[str, str] | None = None,
) -> None:
    """Registers `<dataset>/<kind>` for the first modality, and `<dataset>/<kind>_audio` and the like.

    Args:
      dataset: the part of the names before the slash.
      clips: what is classified, for the list of tasks.
      kinds: of protocols.
      data_dir: the folder of records when --data is not given; None when it has to be given.
      modalities: of the backbones that can be probed, the usual one first; None for every one that there is,
        with rgb as the first.
      official: what the official splits are, such as 'the 3 official splits', over which protocols are
        averaged; None where the records have one training and one test split.
      splits: names of these two; None for those that the protocols have.
    """
    first = modalities[0] if modalities else every.names()[0]

    def tasks(modality: str) -> list[Task]:
        return [
            _task(dataset, clips, kind, modality, modality == first, data_dir, official, splits)
            for kind in kinds
        ]

    if modalities is None:
        register_for_every_modality(tasks)
    for modality in modalities or ():
        for task in tasks(modality):
            register_task(task)


def _task(
    dataset: str,
    clips: str,
    kind: Kind,
    modality: str,
    is_usual: bool,
    data_dir: str | None,
    official: str | None,
    splits: tuple[str, str] | None,
) -> Task:
    protocol = kind.protocol
    if official:
        protocol = over_official_splits(protocol)
    elif splits:
        protocol = with_defaults(protocol, train_split=splits[0], test_split=splits[1])
    name = f"{dataset}/{kind.name}" if is_usual else f"{dataset}/{kind.name}_{modality}"
    mean = f", mean of {official}" if official else ""
    description = f"{kind.summary}, {modality} of {clips}{mean}"
    return Task(name, modality, protocol, description, data_dir, kind.reports)


def with_defaults(protocol: Callable[..., Outcome], **defaults: Any) -> Protocol:
    """Returns a protocol that has other defaults, which bindings win over.

    Args:
      protocol: a function that is configurable by gin.
      **defaults: its arguments.
    """

    def run(probe: Probe, data_dir: str) -> Outcome:
        names = {name: f"{protocol.__name__}.{name}" for name in defaults}
        free = {k: v for k, v in defaults.items() if not config.is_bound(names[k])}
        return protocol(probe, data_dir, **free)

    return run

"""A kind of protocol: its function, its name, and what it reports."""

from __future__ import annotations

import dataclasses
from typing import Callable

from brave_tf.evaluation.protocols.outcome import Outcome


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of protocol.

    Attributes:
      name: the part of a task's name after the slash.
      protocol: a function of a probe, a folder of records, `train_split` and `test_split`.
      summary: what it is, for `brave_tf_eval --list`.
      reports: names of its metrics, the main one first.
    """

    name: str
    protocol: Callable[..., Outcome]
    summary: str
    reports: tuple[str, ...]

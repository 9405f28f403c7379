"""The monitors that a recipe adds to those of every run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Callable

from brave_tf.data.sources.attempts import user_errors
from brave_tf.errors import UserError
from brave_tf.training.monitors.monitor import Monitor

_BINDING = "train.monitors"


class MonitorError(RuntimeError):
    """A monitor from outside the package has failed, which the message names; the run itself is well."""


def make(makers: Sequence[Callable[[], Monitor]], always: Sequence[Monitor]) -> list[Monitor]:
    """Makes the monitors that `train.monitors` names.

    Args:
      makers: of one each.
      always: monitors that there are in every run.

    Raises:
      UserError: one cannot be made, is no monitor, or is one of `always`, which would act twice.
      MonitorError: making it failed in another way.
    """
    made = []
    for maker in makers:
        name = getattr(maker, "__name__", repr(maker))
        with _naming(name, maker.__module__):
            monitor = maker()
        if not isinstance(monitor, Monitor):
            raise UserError(
                f"{_BINDING} names {name}, which makes {type(monitor).__name__}: expected a subclass of "
                "brave_tf.training.monitors.monitor.Monitor."
            )
        if any(type(monitor) is type(each) for each in always):
            raise UserError(
                f"{_BINDING} names {name}, which every run has: leave it out, and bind the parameters of "
                f"{name} that are to differ."
            )
        made.append(monitor)
    return made


@contextlib.contextmanager
def naming(monitor: Monitor, step: int | None = None) -> Iterator[None]:
    """Has errors that a monitor from outside the package raises name it.

    Args:
      monitor: that is called in the body; those of the package name themselves.
      step: the last one of the run; None before it begins.

    Raises:
      MonitorError: from an error that is neither a UserError nor one of the system, whose texts are added to.
    """
    with _naming(type(monitor).__name__, type(monitor).__module__, step):
        yield


@contextlib.contextmanager
def _naming(name: str, module: str, step: int | None = None) -> Iterator[None]:
    if module.startswith("brave_tf."):
        yield
        return
    where = f"monitor {name} of {module}" + ("" if step is None else f", step {step}")
    try:
        # Clips that cannot be read are known by errors of TensorFlow's.
        with user_errors():
            yield
    except UserError as error:
        error.args = (f"{where}: {error}",)
        raise
    except OSError as error:
        error.strerror = f"{error.strerror or error} ({where})"
        raise
    except Exception as error:
        raise MonitorError(f"{where}: {type(error).__name__}: {error}") from error

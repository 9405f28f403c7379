"""What is said of a configuration that gin cannot use, with the nearest right names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence

from brave_tf import compat, errors
from brave_tf.configuration import value_types


def explain(error: Exception, gin_files: Sequence[str], bindings: Sequence[str]) -> str:
    """Returns a message for an error of gin.

    Args:
      error: what gin raised.
      gin_files: files that were to be loaded, as they were given.
      bindings: likewise.
    """
    text = errors.message(error)
    hint = ""
    configurable = re.search(r"No configurable matching (?:reference )?'@?([^'(]+)", text)
    parameter = re.search(r"onfigurable '([^']+)' .*parameter named '([^']+)'", text)
    if parameter:
        hint = errors.did_you_mean(parameter[2], _parameters(parameter[1]))
    elif configurable:
        hint = errors.did_you_mean(configurable[1], _configurables())
        hint += " A part that lives in its own file needs an `import` line for it in the gin file."
    sources = ", ".join([*gin_files, *(f"--gin_bindings={b!r}" for b in bindings)])
    return f"cannot use the configuration {sources}: {text.rstrip('.')}.{hint}"


def _configurables() -> list[str]:
    return [name.rsplit(".", 1)[-1] for name in compat.gin_configurables()]


def _parameters(configurable: str) -> list[str]:
    wrapped = value_types.registered(configurable).wrapped
    return [name for name in inspect.signature(wrapped).parameters if name != "self"]

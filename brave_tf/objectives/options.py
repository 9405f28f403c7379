"""Arguments that an objective passes on to its parent class."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from brave_tf import errors


def check_options(kind: type, parent: type, options: Iterable[str]) -> None:
    """Makes sure that the options a class passes on are arguments of its parent.

    Args:
      kind: the class, whose `__init__` takes `**options`.
      parent: the class that takes them.
      options: names of the options.

    Raises:
      UserError: an option is none of them.
    """
    known = list(inspect.signature(parent.__init__).parameters)[1:]
    for name in options:
        if name not in known:
            raise errors.UserError(
                f"{kind.__name__} has no argument {name!r}.{errors.did_you_mean(name, known)}"
            )

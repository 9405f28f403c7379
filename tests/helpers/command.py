"""Runs a console command inside the test's process."""

from __future__ import annotations

import sys
from types import ModuleType
from unittest import mock

from absl import flags, logging


def run(module: ModuleType, *arguments: str) -> int:
    """Calls `console_main` of a module of brave_tf.cli; returns the exit code.

    The flags that it defines are taken away again, for those of other commands have the same names.
    """
    verbosity = logging.get_verbosity()
    before = set(flags.FLAGS)
    try:
        with mock.patch.object(sys, "argv", [module.__name__, *arguments]):
            module.console_main()
    except SystemExit as end:
        return end.code or 0
    finally:
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)
        logging.set_verbosity(verbosity)
    raise AssertionError("the command ended without an exit code")

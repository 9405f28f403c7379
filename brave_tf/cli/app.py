"""How every console command starts: help, flags, and errors as messages with exit codes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Callable

from absl import app, flags, logging

from brave_tf import errors

UNUSABLE_INPUT = 2
READER_GONE = 141  # as a shell reports a process that the closed pipe has ended


def run(main: Callable[[list[str]], int | None], description: str = "") -> None:
    """Runs the `main` of a console command under absl.

    `--help` prints a description (the docstring of the module of `main` if none is given) and the flags
    of that module and of the script that was started, and exits with 0. A UserError or a wrong flag
    becomes a message on stderr and exit code 2.
    """
    module = sys.modules[main.__module__]
    modules = list({id(each): each for each in (module, sys.modules["__main__"])}.values())
    if {"--help", "-h", "-help"} & set(sys.argv[1:]):
        explained = "".join(map(flags.FLAGS.module_help, modules))
        with _readable():
            print(f"{(description or module.__doc__).strip()}\n\nFlags:{explained}", flush=True)
        sys.exit(0)
    app.run(
        lambda argv: _guarded(main, argv), flags_parser=lambda args: _parse_flags(args, modules)
    )


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Ends the process in silence when what it prints to has been closed, as by `| head`."""
    try:
        yield
    except BrokenPipeError:
        # Otherwise the interpreter complains when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(READER_GONE)


def _parse_flags(args: list[str], modules: list[ModuleType]) -> list[str]:
    try:
        return flags.FLAGS(args, known_only=False)
    except flags.Error as error:
        known = [flag.name for each in modules for flag in flags.FLAGS.get_flags_for_module(each)]
        print(f"error: {error} The flags are --{', --'.join(known)}; see --help.", file=sys.stderr)
        sys.exit(UNUSABLE_INPUT)


def _guarded(main: Callable[[list[str]], int | None], argv: list[str]) -> int | None:
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    try:
        if len(argv) > 1:
            raise errors.UserError(
                f"unexpected arguments {argv[1:]}: every option is a --flag=value; see --help."
            )
        with _readable():
            code = main(argv)
            sys.stdout.flush()
        return code
    except errors.UserError as error:
        print(f"error: {errors.message(error)}", file=sys.stderr)
        return UNUSABLE_INPUT

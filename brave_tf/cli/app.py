"""How every console command starts: help, flags, and errors as messages with exit codes."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import runpy
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType, ModuleType
from typing import Callable

from absl import app, flags, logging

from brave_tf import errors
from brave_tf.configuration import trust
from brave_tf.process import startup, streams, unheard, visible_text

UNUSABLE_INPUT = 2
_TRUST, _PLUGIN = "trust", "plugin"
# As shells report processes that Ctrl-C has ended.
INTERRUPTED = 130
# In what absl says of flags: names of modules, what our own words say already, and defaults that are none.
_PLAINER = (
    (re.compile(r"^\S.*:\n", re.MULTILINE), ""),
    (re.compile(r"\.;\s+repeat this option to specify a list of values"), "."),
    (re.compile(r"\n +\(default: '(?:\[\]|false)?'\)"), ""),
    (re.compile(r"\n +\((?:an integer|a number|a comma separated list)\)"), ""),
)
# So long an idle process may take to keep what is done after a signal.
_CLEANING_SECONDS = 30.0
UNWRITABLE_OUTPUT = 1
READER_GONE = 141  # as a shell reports a process that the closed pipe has ended


def run(
    main: Callable[[list[str]], int | None],
    description: str = "",
    takes_arguments: bool = False,
    waits: bool = False,
) -> None:
    """Runs the `main` of a console command under absl.

    `--help` prints a description (the docstring of the module of `main` if none is given) and the flags
    of that module and of the script that was started, and exits with 0. A UserError, a wrong flag, or an
    argument that is no flag unless the command `takes_arguments`, becomes a message on stderr and exit
    code 2, or that of the error. SIGTERM is for `main` a KeyboardInterrupt, as Ctrl-C is; the exit code
    `INTERRUPTED` is then 143. So is SIGHUP, with 129, unless `nohup` has the command ignore it. So is SIGINT,
    also where a shell without job control has started the command in the background, and has it ignore
    SIGINT. What waits in native code ends by them too, and says that it waits, see `unheard.Watch`, unless
    waiting for others is what it does (`waits`). Output that cannot be written is a message and exit code 1.
    """
    streams.stand_in_for_closed()
    with _print_any_name():
        module = sys.modules[main.__module__]
        modules = list({id(each): each for each in (module, sys.modules["__main__"])}.values())
        if {"--help", "-h", "-help"} & set(sys.argv[1:]):
            explained = "".join(map(flags.FLAGS.module_help, modules))
            for pattern, text in _PLAINER:
                explained = pattern.sub(text, explained)
            with _readable():
                print(f"{(description or module.__doc__).strip()}\n\nFlags:{explained}", flush=True)
            sys.exit(0)
        app.run(
            lambda argv: _guarded(main, argv, takes_arguments, waits),
            flags_parser=lambda args: _parse_flags(args, modules),
        )


def define_trust(module: str) -> None:
    """Defines the flag by which the user names modules that models may import, for commands that read models.

    Args:
      module: `__name__` of the command, whose flags `--help` prints.
    """
    flags.DEFINE_multi_string(
        _TRUST,
        [],
        "A Python module that the model may import, such as that of a plug-in: its code is run. Repeatable.",
        module_name=module,
    )


def define_plugins(module: str) -> None:
    """Defines the flag by which the user names plug-ins, for commands that read no gin file that could.

    Args:
      module: `__name__` of the command, whose flags `--help` prints.
    """
    flags.DEFINE_list(
        _PLUGIN,
        [],
        "Python modules to import first, separated by commas, such as one that adds a modality.",
        module_name=module,
    )


def import_plugins() -> None:
    """Imports what `--plugin` names.

    Raises:
      UserError: Python does not find it, or it cannot be imported.
    """
    for name in flags.FLAGS[_PLUGIN].value:
        startup.import_tensorflow()  # Which plug-ins import, and which says much when it is.
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise errors.UserError(
                f"--{_PLUGIN}={name}: {error}. Name a module that Python finds; PYTHONPATH adds folders."
            ) from error


@contextlib.contextmanager
def _print_any_name() -> Iterator[None]:
    """Has output show as escapes what its encoding lacks, as names of files need not be text, and what would
    command the terminal: names, labels and messages come from files of others."""
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stdout, sys.stderr = map(visible_text.Visible, before)
    handler = logging.get_absl_handler().python_handler
    logged = handler.stream
    if logged is before[1]:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        handler.setStream(logged)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Ends the process that cannot print any more: in silence where its reader has gone, as by `| head`."""
    try:
        yield
    except OSError as error:
        gone = isinstance(error, BrokenPipeError)
        if not gone and not streams.is_lost(sys.stdout):
            raise
        # Otherwise the interpreter complains when it flushes at its end.
        streams.discard(sys.stdout.fileno())
        if gone:
            sys.exit(READER_GONE)
        with contextlib.suppress(OSError):
            print(
                f"error: the output of the command cannot be written any more ({error.strerror}): what was "
                "done is kept. Send it to a disk with space, then start the same command again.",
                file=sys.stderr,
            )
        sys.exit(UNWRITABLE_OUTPUT)


@contextlib.contextmanager
def _terminable() -> Iterator[Callable[[int | None], int | None]]:
    """Has signals do what Ctrl-C does; gives a function from the exit code to that of the signal."""
    came: int | None = None

    def interrupt(signum: int, frame: FrameType | None) -> None:
        nonlocal came
        # It comes twice where both a process and its group are told.
        if came is None:
            came = signum
            unheard.heard(_CLEANING_SECONDS)
            if signum == signal.SIGHUP:
                streams.leave_terminal()
            raise KeyboardInterrupt

    handlers = {signal.SIGTERM: interrupt, signal.SIGINT: signal.default_int_handler}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        handlers[signal.SIGHUP] = interrupt
    before = {signum: signal.signal(signum, handler) for signum, handler in handlers.items()}
    try:
        yield lambda code: 128 + came if came and code == INTERRUPTED else code
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _parse_flags(args: list[str], modules: list[ModuleType]) -> list[str]:
    own = [flag for each in modules for flag in flags.FLAGS.get_flags_for_module(each)]
    try:
        rest = flags.FLAGS(args, known_only=False)
        for flag in own:
            _check_value(flag)
        return rest
    except flags.Error as error:
        known = ", --".join(flag.name for flag in own)
        print(f"error: {error} The flags are --{known}; see --help.", file=sys.stderr)
    except errors.UserError as error:
        print(f"error: {error}", file=sys.stderr)
    sys.exit(UNUSABLE_INPUT)


def _check_value(flag: flags.Flag) -> None:
    """Refuses what absl takes and nobody means, or says it; resolves `~`, which shells leave after a `=`."""
    if not flag.present or flag.value is None:
        return
    if flag.value in ("", [], [""]) and flag.default != "":
        raise errors.UserError(
            f"--{flag.name} is empty, as where a variable of the shell is not set: give it a value, or leave "
            "it out."
        )
    # Media files may have any name; TensorFlow takes others as UTF-8 alone.
    if flag.name != "input":
        values = flag.value if isinstance(flag.value, list) else [flag.value]
        _check_text(f"--{flag.name}", values)
    if isinstance(flag.parser, flags.ListParser) and flag.present > 1:
        print(
            f"--{flag.name} is given {flag.present} times, and the last wins: {','.join(flag.value)}. For "
            "all of them, give it once, with commas between its values.",
            file=sys.stderr,
        )
    if isinstance(flag.value, str) and flag.value.startswith("~"):
        flag.value = os.path.expanduser(flag.value)
        if flag.value.startswith("~"):
            raise errors.UserError(
                f"--{flag.name}={flag.value}: there is no such home folder; give the whole path."
            )


def _check_text(name: str, values: Sequence[object]) -> None:
    for value in values:
        try:
            str(value).encode()
        except UnicodeEncodeError as error:
            raise errors.UserError(
                f"{name}={value} is no text in this locale, whose encoding is {sys.getfilesystemencoding()}: "
                "set LC_ALL=C.UTF-8, or rename what is not in UTF-8."
            ) from error


def _check_working_directory() -> None:
    try:
        os.getcwd()
    except OSError as error:
        raise errors.UserError(
            f"the working directory is not there any more ({error.strerror}): change to one that is, with cd."
        ) from error


def _guarded(
    main: Callable[[list[str]], int | None], argv: list[str], takes_arguments: bool, waits: bool
) -> int | None:
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    startup.keep_freed_memory()
    if _TRUST in flags.FLAGS:
        trust.allow(flags.FLAGS[_TRUST].value)
    with _terminable() as exit_code, unheard.Watch(tells=not waits):
        try:
            _check_working_directory()
            _check_text("argument", argv[1:])
            if len(argv) > 1 and not takes_arguments:
                raise errors.UserError(
                    f"unexpected arguments {argv[1:]}: every option is a --flag=value; see --help."
                )
            with _readable():
                code = main(argv)
                sys.stdout.flush()
            return exit_code(code)
        except errors.UserError as error:
            print(f"error: {errors.message(error)}", file=sys.stderr)
            # Of a tf.data service that is not there.
            if service := getattr(error, "service", ""):
                print(_start_of(service), file=sys.stderr)
            return error.exit_code
        except (Exception, KeyboardInterrupt) as error:
            if not _interrupted(error):
                raise
            print("\ninterrupted", file=sys.stderr)
            return exit_code(INTERRUPTED)


def _interrupted(error: BaseException | None) -> bool:
    """Whether an interruption led to it: TensorFlow may raise errors of its own while a trace is unwound."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _start_of(service: str) -> str:
    port = service.rpartition(":")[2]
    return (
        f"start what is missing: brave_tf_data_service --role=dispatcher --port={port}; and, where "
        f"clips are decoded: brave_tf_data_service --role=worker --dispatcher={service}"
    )


if __name__ == "__main__":
    runpy.run_module("brave_tf", run_name="__main__")

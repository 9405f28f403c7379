"""What all commands have in common."""

import os
import pty
import signal
import subprocess
import sys
import types

import command
import pytest
from absl import flags, logging

from brave_tf import errors
from brave_tf.cli import app

WAITING = """
import time
from brave_tf.cli import app

def main(argv):
    print("started", flush=True)
    time.sleep(60)

app.run(main, "waits")
"""

KEEPING = """
import time
from brave_tf.cli import app

def main(argv):
    try:
        print("started", flush=True)
        time.sleep(60)
    finally:
        print("x" * 9999)
        open("kept", "w").close()

app.run(main, "waits and keeps")
"""
# Starts a command that the terminal at its input controls.
TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(params=[signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler])
def inherited(request):
    """What the process does at SIGINT when the command starts: nothing, where a script started it by `&`."""
    before = signal.signal(signal.SIGINT, request.param)
    yield request.param
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("signum", "answer", "code"),
    [
        (signal.SIGTERM, app.INTERRUPTED, 143),
        (signal.SIGINT, app.INTERRUPTED, 130),
        (signal.SIGHUP, app.INTERRUPTED, 129),
        (signal.SIGTERM, 1, 1),
        (signal.SIGTERM, None, 143),
    ],
)
def test_termination_is_an_interruption_with_a_code_of_its_own(
    capsys, inherited, signum, answer, code
):
    """A command may answer it, or leave it to what all have in common."""

    def main(argv):
        try:
            os.kill(os.getpid(), signum)
        except KeyboardInterrupt:
            # A second one, to the process group, does not disturb what is kept now.
            os.kill(os.getpid(), signal.SIGTERM if code == 143 else 0)
            print("kept")
            if answer is None:
                raise
        return answer

    before = signal.getsignal(signal.SIGTERM)
    main.__module__ = __name__
    module = types.SimpleNamespace(__name__="it", console_main=lambda: app.run(main))
    assert command.run(module) == code
    shown = capsys.readouterr()
    assert shown.out == "kept\n"
    assert shown.err == ("\ninterrupted\n" if answer is None else "")
    assert signal.getsignal(signal.SIGTERM) == before
    assert signal.getsignal(signal.SIGINT) == inherited


def test_what_files_of_others_say_does_not_command_the_terminal(capsys):
    hostile = "\x1b]0;title\x07\x1b[2J\u202e"

    def main(argv):
        print(f"embedded {hostile}")
        logging.warning("left out: %s", hostile)
        raise errors.UserError(f"{hostile} is no file")

    main.__module__ = __name__
    module = types.SimpleNamespace(__name__="it", console_main=lambda: app.run(main))
    before = sys.stdout, sys.stderr
    assert command.run(module) == 2
    assert (sys.stdout, sys.stderr) == before
    shown = capsys.readouterr()
    escaped = "\\x1b]0;title\\x07\\x1b[2J\\u202e"
    assert shown.out == f"embedded {escaped}\n"
    assert shown.err.endswith(f"error: {escaped} is no file\n")
    assert not {"\x1b", "\x07", "\u202e"} & set(shown.out + shown.err)


@pytest.mark.parametrize("flag", ["--help", "--list"])
def test_a_reader_that_has_enough_is_no_error(flag):
    command = [sys.executable, "-c", "from brave_tf.cli.train import console_main; console_main()"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, flag], text=True, **pipes) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 141
    assert errors == ""


PRINTING = """
import os
import sys
from brave_tf.cli import app

def main(argv):
    with open("written", "w") as file:
        print("printed", flush=True)
        print("complained", file=sys.stderr)
        os.write(1, b"by a library")
        file.write("kept")

app.run(main, "prints")
"""


def printing(redirected, folder, *arguments):
    """Runs a command that prints in a shell, with redirections."""
    (folder / "it.py").write_text(PRINTING)
    line = f"{sys.executable} {folder / 'it.py'} {' '.join(arguments)} {redirected}"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(["sh", "-c", line], cwd=folder, text=True, timeout=60, **pipes)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(closed, tmp_path):
    done = printing(closed, tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "written").read_text() == "kept"
    assert done.stdout == ("" if " >&-" in f" {closed}" else "printed\nby a library")
    assert done.stderr == ("" if "2>&-" in closed else "complained\n")


def test_a_working_directory_that_was_deleted_is_named(tmp_path):
    (tmp_path / "gone").mkdir()
    (tmp_path / "it.py").write_text(PRINTING)
    line = f"cd gone; rmdir ../gone; exec {sys.executable} {tmp_path / 'it.py'}"
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the working directory is not there any more")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_output_that_cannot_be_written_is_a_message(arguments, tmp_path):
    done = printing(">/dev/full", tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: the output of the command cannot be written any more (No space"
    )
    assert done.stderr.count("\n") == 1


def test_errors_of_other_files_stay_what_they_are(capsys):
    def main(argv):
        raise FileNotFoundError("it is not there")

    main.__module__ = __name__
    module = types.SimpleNamespace(__name__="it", console_main=lambda: app.run(main))
    with pytest.raises(FileNotFoundError, match="it is not there"):
        command.run(module)


@pytest.mark.parametrize("start", ["exec {}", "{} & echo $!; wait $!; exit $?"])
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_do_the_same_however_the_command_was_started(start, signum, code, tmp_path):
    (tmp_path / "it.py").write_text(WAITING)
    command = ["sh", "-c", start.format(f"{sys.executable} {tmp_path / 'it.py'}")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as shell:
        lines = [shell.stdout.readline() for _ in range(1 + start.count("echo"))]
        assert "started\n" in lines
        (process,) = [int(line) for line in lines if line.strip().isdigit()] or [shell.pid]
        os.kill(process, signum)
        assert "interrupted" in shell.communicate(timeout=30)[1]
    assert shell.returncode == code


def test_what_fails_while_an_interruption_is_unwound_is_the_interruption(capsys):
    class Unbalanced:
        def __enter__(self):
            pass

        def __exit__(self, *_):
            raise AssertionError("Concurrent access?")

    def main(argv):
        with Unbalanced():
            raise KeyboardInterrupt

    assert app._guarded(main, ["command"], False, False) == app.INTERRUPTED
    assert capsys.readouterr().err == "\ninterrupted\n"


def test_the_end_of_the_terminal_is_an_interruption(tmp_path):
    (tmp_path / "it.py").write_text(KEEPING)
    parent, child = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), child)
    command = [sys.executable, "-c", TERMINAL, sys.executable, "it.py"]
    process = subprocess.Popen(command, cwd=tmp_path, start_new_session=True, **streams)
    os.close(child)
    assert os.read(parent, 7) == b"started"
    os.close(parent)
    assert process.wait(timeout=60) == 129
    assert (tmp_path / "kept").exists()


def test_without_a_terminal_by_nohup_its_end_is_ignored(tmp_path):
    (tmp_path / "it.py").write_text(WAITING.replace("60", "1"))
    command = ["nohup", sys.executable, str(tmp_path / "it.py")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=60) == 0


@pytest.fixture
def sample(tmp_path, monkeypatch):
    """A command with flags of each kind, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    module = types.ModuleType("sample_of_commands")

    def main(argv):
        print([flags.FLAGS[name].value for name in ("folder", "names", "text", "more")])

    def console_main():
        define = {"flag_values": flags.FLAGS, "module_name": module.__name__}
        flags.DEFINE_string("folder", None, "A folder.", **define)
        flags.DEFINE_list("names", [], "Names.", **define)
        flags.DEFINE_string("text", "", "Any text.", **define)
        flags.DEFINE_multi_string("more", [], "More.", **define)
        app.run(main, "a sample")

    monkeypatch.setitem(sys.modules, module.__name__, module)
    module.main, module.console_main, main.__module__ = main, console_main, module.__name__
    return module


def test_values_of_flags_are_taken_as_they_are(sample, capsys, tmp_path):
    given = ["--folder=~/runs", "--names=a,b", "--text=", "--more=a", "--more=~b"]
    assert command.run(sample, *given) == 0
    home = str(tmp_path / "home" / "runs")
    assert capsys.readouterr().out == f"{[home, ['a', 'b'], '', ['a', '~b']]}\n"
    assert command.run(sample) == 0
    assert capsys.readouterr().out == "[None, [], '', []]\n"


def test_of_lists_that_are_given_twice_it_is_said_which_one_is_used(sample, capsys):
    assert command.run(sample, "--names=a", "--names=b,c") == 0
    shown = capsys.readouterr()
    assert shown.out == "[None, ['b', 'c'], '', []]\n"
    assert "--names is given 2 times, and the last wins: b,c." in shown.err


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["--folder="], "--folder is empty"),
        (["--names="], "--names is empty"),
        (["--more="], "--more is empty"),
        (["--folder=~nobody_of_this_name/x"], "no such home folder"),
        (["--", "--folder=x"], "unexpected arguments"),
        (["--folder"], "Missing value"),
        (
            ["--folder=a\udcff"],
            "--folder=a\\udcff is no text in this locale, whose encoding is utf-8",
        ),
        (["--more=a", "--more=\udcc3\udcb6"], "--more=\\udcc3\\udcb6 is no text"),
    ],
)
def test_values_that_nobody_means_are_errors(sample, given, expected, capsys):
    assert command.run(sample, *given) == 2
    assert expected in capsys.readouterr().err

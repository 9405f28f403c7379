"""What all commands have in common."""

import os
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


@pytest.mark.parametrize("start", ["exec {}", "{} & echo $!; wait $!; exit $?"])
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
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
    ],
)
def test_values_that_nobody_means_are_errors(sample, given, expected, capsys):
    assert command.run(sample, *given) == 2
    assert expected in capsys.readouterr().err

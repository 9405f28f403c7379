"""What all commands have in common."""

import os
import signal
import subprocess
import sys
import types

import command
import pytest

from brave_tf.cli import app


@pytest.mark.parametrize(
    ("signum", "answer", "code"),
    [
        (signal.SIGTERM, app.INTERRUPTED, 143),
        (signal.SIGINT, app.INTERRUPTED, 130),
        (signal.SIGTERM, 1, 1),
        (signal.SIGTERM, None, 143),
    ],
)
def test_termination_is_an_interruption_with_a_code_of_its_own(capsys, signum, answer, code):
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


@pytest.mark.parametrize("flag", ["--help", "--list"])
def test_a_reader_that_has_enough_is_no_error(flag):
    command = [sys.executable, "-c", "from brave_tf.cli.train import console_main; console_main()"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, flag], text=True, **pipes) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 141
    assert errors == ""

"""What all commands have in common."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("flag", ["--help", "--list"])
def test_a_reader_that_has_enough_is_no_error(flag):
    command = [sys.executable, "-c", "from brave_tf.cli.train import console_main; console_main()"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*command, flag], text=True, **pipes) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 141
    assert errors == ""

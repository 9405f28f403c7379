"""The help of every command."""

import re

import command
import dataset_script
import pytest
from absl import flags
from page_commands import COMMANDS, ROOT, module_of

REPEAT = ";\n    repeat this option to specify a list of values"
SHOWN = re.compile(r"^ +(brave_tf_\w+) (?:--)?\w", re.MULTILINE)


def test_every_command_is_looked_at():
    assert len(COMMANDS) == 9 and {"prepare", "train", "eval", "report"} < set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help(name, capsys):
    module = module_of(f"brave_tf_{name}")
    before = set(flags.FLAGS)
    module.define_flags()
    defined = set(flags.FLAGS) - before
    described = {flag: flags.FLAGS[flag].help for flag in defined}
    for flag in defined:
        delattr(flags.FLAGS, flag)
    assert command.run(module, "--help") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    explained, listed = shown.out.split("\n\nFlags:\n")
    first = explained.splitlines()[0]
    assert first.startswith(f"brave_tf_{name}: ") and first.endswith(".")
    assert f"brave_tf_{name}" in SHOWN.findall(explained)
    assert re.search(r"Exit\s+codes:\s+0 ", explained)
    assert re.search(r"\b2\s+unusable\s+(?:input|arguments)", explained)
    for flag, text in described.items():
        assert re.search(rf"^ +--(?:\[no\])?{flag}: ", listed, re.MULTILINE), flag
        assert text.removesuffix(REPEAT).endswith("."), flag
    assert "repeat this option" not in listed and "brave_tf.cli" not in listed
    assert "'false'" not in listed


@pytest.mark.parametrize(
    "path", ROOT.glob("datasets/*/prepare.py"), ids=lambda path: path.parent.name
)
def test_help_of_the_data_sets(path, capsys):
    assert dataset_script.run_file(path, "--help") == 0
    explained, listed = capsys.readouterr().out.split("\n\nFlags:\n")
    assert f"python {path.relative_to(ROOT)} --input=" in explained
    assert "Exit codes: 0 there are records, 1" in explained and "2 unusable" in explained
    assert "  --input: The folder with the files of the data set." in listed

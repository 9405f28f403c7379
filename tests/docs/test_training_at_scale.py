"""The page on training at scale: its bindings exist, its cluster is one, its supervisor does what it says."""

import json
import os
import re
import shlex
import subprocess

import gin
import pytest
import walkthrough

from brave_tf import config, errors
from brave_tf.cli import app
from brave_tf.training import interruption, strategy, workers
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

PAGE = config.RECIPE_DIR.parent / "docs" / "training_at_scale.md"
TEXT = PAGE.read_text()
BLOCKS = walkthrough.blocks(PAGE)
SHELL = [text for language, text in BLOCKS if language == "sh"]


def table(header):
    """First column -> rest of the row, of the table that begins with `header`."""
    rows = TEXT[TEXT.index(f"| {header} |") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip(" `") for cell in row.strip("|").split("|")] for row in rows]
    return {first: rest for first, *rest in cells}


def test_the_strategies_are_those_that_there_are():
    assert {ast.strip("'") for ast in table("value")} == set(strategy.STRATEGIES) - {strategy.AUTO}


def test_the_bindings_of_tables_and_snippets_load():
    snippet, epochs = (text for language, text in BLOCKS if language == "gin")
    for binding in [*table("binding"), snippet, epochs]:
        config.load_config(["as_v_fa"], [binding])
        assert bound(Settings).batch_size == 512
        assert callable(bound(Settings).optimizer) and bound(Recipe).views
        gin.clear_config()
    config.load_config(["as_v_fa"], [snippet, "train.batch_size = 1024"])
    optimizer = bound(Settings).optimizer()
    assert optimizer.global_clipnorm == 1.0
    assert float(optimizer._learning_rate(5000)) == pytest.approx(2.0)
    gin.clear_config()
    # A thousand steps an epoch.
    config.load_config(["as_v_fa"], [epochs, "by_epoch.clips = 512000"])
    rate = bound(Settings).optimizer()._learning_rate
    assert float(rate(0)) == pytest.approx(8 * 0.001)
    assert float(rate(35_000)) == pytest.approx(8 * 0.5558, rel=1e-4)
    assert float(rate(100_000)) == pytest.approx(8 * 0.3)


def test_the_cluster_has_two_processes(monkeypatch):
    export = next(text for text in SHELL if text.startswith("export"))
    value = shlex.split(export)[1].partition("=")[2]
    for index in (0, 1):
        cluster = json.loads(value)
        cluster["task"]["index"] = index
        monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
        assert workers.read_workers() == (["host0:5000", "host1:5000"], index)


def test_the_exit_codes_are_those_of_the_command():
    codes = [0, interruption.HUNG_UP, interruption.PREEMPTED, interruption.INTERRUPTED]
    codes += [workers.LostWorkerError.exit_code, errors.LostInputError.exit_code]
    codes += [app.UNWRITABLE_OUTPUT, errors.UserError.exit_code]
    assert [int(code) for code in table("exit code")] == codes


@pytest.mark.parametrize(
    ("codes", "starts"), [("75 143 0 0", 3), ("69 69 0", 3), ("75 2 0", 2), ("130 0", 1), ("0", 1)]
)
def test_the_supervisor_starts_again_after_a_loss_alone(tmp_path, codes, starts):
    (tmp_path / "codes").write_text("\n".join(codes.split()))
    command = tmp_path / "brave_tf_train"
    command.write_text(
        "#!/bin/sh\ncd ${0%/*}\ncode=$(head -1 codes)\nsed -i 1d codes\necho $code >> done\nexit $code\n"
    )
    command.chmod(0o755)
    loop = re.sub("sleep 10", "sleep 0", next(text for text in SHELL if "until" in text))
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", loop], env={**os.environ, "PATH": path}, timeout=60, check=False)
    assert (tmp_path / "done").read_text().split() == codes.split()[:starts]

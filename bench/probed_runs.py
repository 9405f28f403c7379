"""Runs that are pre-trained and probed by the project's commands, and the record of what came out.

Each command goes on where it was, so that what is done already is not done again.
"""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench import real_sets, report
from bench.real_rows import Probe
from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.evaluation.metrics import scores
from brave_tf.storage import files

EVIDENCE = pathlib.Path(__file__).resolve().parents[1] / "docs/evidence"


def began(command: str) -> dict[str, Any]:
    """Returns what the line of a record begins with: command, commit, machine and versions."""
    return {
        "command": command,
        "commit": _commit(),
        "machine": report.machine(),
        "versions": report.versions(),
    }


def prepare(folder: pathlib.Path, clips: list[real_sets.Row], flags: Sequence[str]) -> pathlib.Path:
    """Makes records of a list of clips; returns their folder."""
    source = real_sets.write(folder / "clips.csv", clips)
    return prepare_list(source, folder / "records", flags)


def prepare_list(source: pathlib.Path, records: pathlib.Path, flags: Sequence[str]) -> pathlib.Path:
    """Makes records of the clips of a CSV file; returns their folder."""
    command("brave_tf_prepare", f"--input={source}", f"--output={records}", *flags)
    return records


def pretrain(recipe: str, model: pathlib.Path, bindings: Sequence[str]) -> None:
    """Trains a recipe of `gin/`, with gin statements that win over it."""
    flags = [f"--gin_bindings={binding}" for binding in bindings]
    command("brave_tf_train", f"--gin_file={recipe}", f"--model_dir={model}", *flags)


def evaluate(
    folder: pathlib.Path,
    model: pathlib.Path,
    probes: Sequence[Probe],
    records: pathlib.Path,
    baseline: str | None = None,
) -> None:
    """Probes views of a run, or of its network with other weights, into the results of `folder`."""
    for view in dict.fromkeys(probe.view for probe in probes):
        tasks = ",".join(probe.task for probe in probes if probe.view == view)
        flags = [f"--task={tasks}", f"--model_dir={model}", f"--data={records}"]
        flags += [f"--output={folder}", *([f"--baseline={baseline}"] if baseline else [])]
        command("brave_tf_eval", *flags, *([f"--view={view}"] if view else []))


def result(folder: pathlib.Path, probe: Probe, baseline: str | None = None) -> dict[str, Any]:
    """Returns the result of the last step."""
    found = [
        entry
        for entry in results.load_results(str(folder))
        if (entry["task"], entry["baseline"]) == (probe.task, baseline)
        and probe.view in (None, entry["view"])
    ]
    return max(found, key=lambda entry: entry["step"] or 0)


def hits(
    folder: pathlib.Path, entry: Mapping[str, Any], tested: set[str] | None = None
) -> dict[str, float]:
    """Returns key -> hit, in [0, 1], of the clips of a result.

    Args:
      folder: of the results.
      entry: the result.
      tested: the files whose clips count; None: all.
    """
    with np.load(folder / entry["predictions"]) as file:
        found = scores.hits_at(1, file["decisions"], file["labels"])
        rows = zip(file["keys"].tolist(), file["paths"].tolist(), found.tolist())
        return {key: hit for key, path, hit in rows if tested is None or path in tested}


def ends(interval: tuple[float, float]) -> str:
    """Returns an interval as text."""
    return " to ".join(f"{end:.3f}" for end in interval)


def command(name: str, *arguments: str) -> None:
    """Runs a console command of the project.

    Raises:
      UserError: it failed.
    """
    print(f"\n$ {shlex.join([name, *arguments])}", file=sys.stderr, flush=True)
    program = pathlib.Path(sys.executable).with_name(name)
    code = subprocess.run([program, *arguments], stdout=sys.stderr, check=False).returncode
    if code:
        raise UserError(
            f"{name} ended with exit code {code}, its message is above. Started again, the benchmark goes "
            "on from here."
        )


def read_record(path: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the lines of a record; none where there is no file.

    Raises:
      UserError: a line is not JSON of a run.
    """
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    try:
        read = [json.loads(line) for line in lines]
        return sorted(read, key=lambda line: line["command"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: expected a line of JSON for each run ({error!r}). Mend it, or name another --record."
        ) from error


def add_to_record(path: pathlib.Path, line: Mapping[str, Any]) -> None:
    """Adds the line of a run, in place of an earlier one of the same command."""
    lines = [each for each in read_record(path) if each["command"] != line["command"]] + [line]
    lines.sort(key=lambda each: each["command"])
    with files.replacing(path) as aside:
        aside.write_text("".join(json.dumps(each) + "\n" for each in lines), "utf-8")


def _commit() -> str | None:
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None

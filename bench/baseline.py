"""Compares a benchmark with a command from elsewhere that prints the same line of JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, Callable

import numpy as np

from bench import timing
from brave_tf.errors import UserError

Row = Mapping[str, Any]
Result = dict[str, Any]


def compare(run: Callable[[], Result], command: str, pairs: int) -> Result:
    """Runs a benchmark and a command in turn, the command first in every second pair.

    Rows of both belong together when all their texts are equal, and the first such row of one goes with the
    first of the other, and so on. A figure that never differs, such as a count, is left out.

    Args:
      run: runs the benchmark; returns its 'settings' and 'rows'.
      command: for the shell; its last line of output is a JSON object with 'rows', and with 'machine',
        'versions' and 'settings' if it likes.
      pairs: how often both run.

    Returns:
      'settings' of the benchmark; 'rows': for each figure of rows that belong together 'ours' and
      'baseline', the medians, 'ratio', the median of ours over the baseline's of the same pair, and
      'spread' of that, see `timing.spread`; 'baseline': what the command said of itself.

    Raises:
      UserError: the command fails, prints something else, or has no row that belongs to one of ours.
    """
    ours, theirs = [], []
    for pair in range(pairs):
        if pair % 2:
            theirs.append(_run_command(command))
        ours.append(run())
        if not pair % 2:
            theirs.append(_run_command(command))
    mine, other = ([_keyed(result["rows"]) for result in results] for results in (ours, theirs))
    keys = [key for key in mine[0] if all(key in rows for rows in mine + other)]
    if not keys:
        raise UserError(
            f"--baseline={command!r} has no row with the texts of one of ours: expected one like "
            f"{dict(next(iter(mine[0]))[0])}."
        )
    rows = [
        row for key in keys for row in _figures([m[key] for m in mine], [o[key] for o in other])
    ]
    described = {key: theirs[-1].get(key) for key in ("machine", "versions", "settings")}
    return {"settings": ours[-1]["settings"], "rows": rows, "baseline": described}


def _run_command(command: str) -> Result:
    done = subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(f"--baseline={command!r} ended with exit code {done.returncode}.")
    last = (done.stdout.strip().splitlines() or [""])[-1]
    try:
        result = json.loads(last)
        if all(isinstance(row, dict) for row in result["rows"]):
            return result
    except (ValueError, KeyError, TypeError):
        pass
    raise UserError(
        f"--baseline={command!r}: its last line of output was {last[:80]!r}, expected one JSON object whose "
        "'rows' are a list of objects, as this benchmark prints."
    )


def _keyed(rows: Sequence[Row]) -> dict[tuple, Row]:
    """Returns the rows by their texts, and a number among those whose texts are equal."""
    keyed: dict[tuple, Row] = {}
    for row in rows:
        texts = tuple((name, value) for name, value in row.items() if isinstance(value, str))
        number = sum(texts == key[0] for key in keyed)
        keyed[texts, number] = row
    return keyed


def _figures(mine: Sequence[Row], other: Sequence[Row]) -> list[Row]:
    """Returns a row for each figure that both have, from the rows of all pairs."""
    texts = {name: value for name, value in mine[0].items() if isinstance(value, str)}
    rows = []
    for name in mine[0]:
        if not all(isinstance(row.get(name), (int, float)) for row in [*mine, *other]):
            continue
        ours, theirs = (np.array([row[name] for row in side], float) for side in (mine, other))
        if not np.array_equal(ours, theirs) and theirs.all():
            figures = {"ours": timing.median(ours), "baseline": timing.median(theirs)}
            ratio = {"ratio": timing.median(ours / theirs), "spread": timing.spread(ours / theirs)}
            rows.append({**texts, "figure": name, **figures, **ratio})
    return rows

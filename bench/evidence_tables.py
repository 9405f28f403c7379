"""Records of runs -> tables in Markdown."""

from __future__ import annotations

import collections
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from bench.finding_pairs import FINDINGS
from brave_tf.errors import UserError

Line = Mapping[str, Any]
_DATA = "--data=DATA"
# Flags of real_clips whose runs are in one table.
_IN_ONE_TABLE = ("seed", "supervised")
_VIEWS = ("what", "seed", "accuracy", "random weights", "difference", "p", "clips")
_PAIRS = (
    "set",
    "seeds",
    "first",
    "second",
    "difference",
    "p",
    "clips",
    "as the paper",
    "clear",
)


def real_clips(lines: Sequence[Line]) -> str:
    """Returns a table for each row of `real_clips`, and for each way in which it was run.

    Args:
      lines: of the record, see `probed_runs.read_record`.

    Returns:
      Markdown, with the commands of each table above it.
    """
    groups = collections.defaultdict(dict)
    for line in lines:
        flags = _flags(line["command"])
        seed = int(flags["seed"])
        key = tuple((name, flags[name]) for name in sorted(flags) if name not in _IN_ONE_TABLE)
        known = groups[key].get(seed)
        # What was run with labels too has all that the run without has.
        if known is None or len(line["rows"]) > len(known["rows"]):
            groups[key][seed] = line
    if not groups:
        return "Nothing is recorded yet."
    return "\n\n".join(_real_clips_table(dict(key), group) for key, group in sorted(groups.items()))


def findings(lines: Sequence[Line]) -> str:
    """Returns what each finding claims, and a table for each one that is in the record.

    Args:
      lines: of the record, see `probed_runs.read_record`.

    Raises:
      UserError: the record has a finding that is not known.
    """
    unknown = sorted({line["finding"] for line in lines} - set(FINDINGS))
    if unknown:
        raise UserError(
            f"the record has findings that are not known: {', '.join(unknown)}. Expected some of "
            f"{', '.join(FINDINGS)}; remove their lines."
        )
    return "\n\n".join(_finding(name, lines) for name in FINDINGS)


def _real_clips_table(flags: Mapping[str, str], by_seed: Mapping[int, Line]) -> str:
    title = f"### `{flags['row']}`" + "".join(
        f", `--{name}={value}`" for name, value in flags.items() if name != "row"
    )
    sets = dict.fromkeys(row["set"] for line in by_seed.values() for row in line["rows"])
    table = [
        [name, *_real_clips_cells(row, seed)]
        for name in sets
        for seed, line in sorted(by_seed.items())
        for row in line["rows"]
        if row["set"] == name
    ]
    return f"{title}\n\n{_commands(by_seed.values())}\n\n{_table(('set', *_VIEWS), table)}"


def _real_clips_cells(row: Mapping[str, Any], seed: int) -> list[str]:
    if "score" in row:
        score = _percent(row["score"], row["score_95"])
        return [row["view"], str(seed), score, "", "", "", str(row["clips"])]
    return [
        f"`{row['view']}`, pre-trained",
        str(seed),
        _percent(row["pretrained"], row["pretrained_95"]),
        _percent(row["random"], row["random_95"]),
        _percent(row["difference"], row["difference_95"], signed=True),
        _chance(row["p"]),
        str(row["clips"]),
    ]


def _finding(name: str, lines: Sequence[Line]) -> str:
    finding = FINDINGS[name]
    paper = ", ".join(f"{each:+.1f}" for each in finding.paper_differences())
    claim = (
        f"### `{name}`\n\nThe paper: {finding.claim} ({paper}). Here: {finding.here}, which are "
        f"`{finding.first}` and `{finding.second}`."
    )
    found = [line for line in lines if line["finding"] == name]
    if not found:
        return f"{claim} Not recorded yet."
    table = [_finding_cells(row, line["seeds"]) for line in found for row in line["rows"]]
    return f"{claim}\n\n{_commands(found)}\n\n{_table(_PAIRS, table)}"


def _finding_cells(row: Mapping[str, Any], seeds: Sequence[int]) -> list[str]:
    is_less = "less_than" in row
    return [
        f"{row['set']}, less than `{row['less_than']}`" if is_less else row["set"],
        ", ".join(map(str, seeds)),
        "" if is_less else _percent(row["first"]),
        "" if is_less else _percent(row["second"]),
        _percent(row["difference"], row["difference_95"], signed=True),
        _chance(row["p"]),
        str(row["clips"]),
        row.get("as_the_paper", ""),
        row["clear"],
    ]


def _flags(command: str) -> dict[str, str]:
    words = [word[2:].partition("=") for word in shlex.split(command) if word.startswith("--")]
    return {name: value for name, _, value in words}


def _commands(lines: Sequence[Line]) -> str:
    texts = "\n".join(f"{line['command']} {_DATA}" for line in lines)
    return f"```sh\n{texts}\n```"


def _percent(value: float, interval: str | None = None, signed: bool = False) -> str:
    form = "{:+.1f}" if signed else "{:.1f}"
    if interval is None:
        return form.format(100 * value)
    ends = [form.format(100 * float(end)) for end in interval.split(" to ")]
    return f"{form.format(100 * value)} ({' to '.join(ends)})"


def _chance(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)

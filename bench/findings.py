"""The findings of the BraVe paper at small scale: pairs of settings that differ in one thing.

Each setting is pre-trained with every seed, and a linear SVM is fitted on features of its frozen narrow
network. Hits of a clip are averaged over the seeds; differences are paired by clip, with 95 % intervals over
clips. --data has the sets of gestures; the demo's clips are rendered. Gestures are pre-trained on without
labels, tested clips included; of the demo only its training clips.

`as_the_paper` says whether the difference has the paper's direction, `clear` whether its interval leaves
out 0. All is kept in --output: started again, the benchmark goes on where it was. A setting that several
findings have is trained once. A finished finding adds a line of JSON to --record.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench import probed_runs
from bench.finding_pairs import FINDINGS, Finding
from bench.finding_runs import Hits, Runs
from brave_tf.errors import UserError, did_you_mean
from brave_tf.evaluation.metrics import paired

ALL = "all sets"
_RECORD = probed_runs.EVIDENCE / "findings.jsonl"
# Hits of the first and the second setting, (clips,) each.
Pair = tuple[np.ndarray, np.ndarray]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument(
        "--finding",
        default=",".join(FINDINGS),
        help="names, separated by commas; all by default: %(default)s",
    )
    parser.add_argument("--seed", default="0,1,2", help="of training, separated by commas")
    parser.add_argument("--data", help="folder of the sets of clips, as for real_clips")
    parser.add_argument("--steps", type=int, help="of pre-training; the recipe's by default")
    parser.add_argument("--output", default="runs/findings", help="folder of everything made")
    parser.add_argument(
        "--record", default=str(_RECORD), help="file that a line of JSON is added to"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Pre-trains, probes and compares; what is done already is not done again."""
    names, seeds = _names(args.finding), _seeds(args.seed)
    if args.steps is not None and args.steps < 1:
        raise UserError(f"--steps={args.steps}: expected 1 or more.")
    data = pathlib.Path(args.data) if args.data else None
    runs = Runs(pathlib.Path(args.output), data, args.steps)
    for setting in dict.fromkeys(each for name in names for each in _settings(name)):
        for seed in seeds:
            runs.check(setting, seed)
    rows = []
    for name in names:
        line = probed_runs.began(_command_line(name, seeds, args.steps))
        found = _rows(name, {each: _over_seeds(runs, each, seeds) for each in _settings(name)})
        line |= {"finding": name, "seeds": seeds, "rows": found}
        probed_runs.add_to_record(pathlib.Path(args.record), line)
        rows += [{"finding": name, **row} for row in found]
    return {"settings": vars(args), "rows": rows}


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in FINDINGS:
            raise UserError(
                f"--finding={name}: expected some of {', '.join(FINDINGS)}.{did_you_mean(name, FINDINGS)}"
            )
    return names


def _seeds(text: str) -> list[int]:
    try:
        seeds = sorted({int(part) for part in text.split(",")})
    except ValueError:
        seeds = [-1]
    if seeds[0] < 0:
        raise UserError(f"--seed={text}: expected whole numbers from 0 on, such as 0,1,2.")
    return seeds


def _settings(name: str) -> list[str]:
    """Returns the settings that a finding compares."""
    finding = FINDINGS[name]
    return [finding.first, finding.second] + (
        _settings(finding.less_than) if finding.less_than else []
    )


def _command_line(name: str, seeds: Sequence[int], steps: int | None) -> str:
    words = ["python -m bench findings", f"--finding={name}", f"--seed={','.join(map(str, seeds))}"]
    return " ".join(words + ([f"--steps={steps}"] if steps else []))


def _over_seeds(runs: Runs, setting: str, seeds: Sequence[int]) -> Hits:
    """Returns set -> key -> hit, averaged over the seeds."""
    each = [runs.hits(setting, seed) for seed in seeds]
    for other in each[1:]:
        _check_same(each[0], other, setting)
    return {
        name: {key: float(np.mean([hits[name][key] for hits in each])) for key in keys}
        for name, keys in each[0].items()
    }


def _check_same(first: Hits, second: Hits, what: str) -> None:
    if {name: set(keys) for name, keys in first.items()} != {
        name: set(keys) for name, keys in second.items()
    }:
        raise UserError(
            f"{what}: runs were probed on different clips, which cannot be compared. Name another --output, "
            "or remove the folders in its runs/."
        )


def _rows(name: str, hits: dict[str, Hits]) -> list[dict[str, Any]]:
    """Returns the rows of a finding: of each set, of all together, and how much less, if that is claimed."""
    finding = FINDINGS[name]
    pairs = _pairs(finding, hits)
    rows = [{"set": each, **_compare(*pair)} for each, pair in pairs.items()]
    if not finding.less_than:
        return [{**row, **_verdict(row)} for row in rows]
    for each, larger in _pairs(FINDINGS[finding.less_than], hits).items():
        less = _less(pairs[each], larger)
        rows.append({"set": each, "less_than": finding.less_than, **less, **_verdict(less)})
    return rows


def _pairs(finding: Finding, hits: dict[str, Hits]) -> dict[str, Pair]:
    """Returns set -> hits of the first and the second setting; beside the sets all together."""
    first, second = hits[finding.first], hits[finding.second]
    _check_same(first, second, f"{finding.first} and {finding.second}")
    pairs = {
        name: tuple(
            np.array([each[name][key] for key in sorted(first[name])]) for each in (first, second)
        )
        for name in first
    }
    if len(pairs) > 1:
        pairs[ALL] = tuple(np.concatenate(each) for each in zip(*pairs.values()))
    return pairs


def _compare(first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    gap = paired.difference(first, second)
    return {"first": float(first.mean()), "second": float(second.mean()), **_gap(gap)}


def _less(smaller: Pair, larger: Pair) -> dict[str, Any]:
    """Compares how large two differences are, whatever their directions."""
    # What is compared has to lie in [0, 1], as hits do: halves of a better and a worse setting do.
    (high, low), (other_high, other_low) = _ordered(larger), _ordered(smaller)
    half = paired.difference((high + other_low) / 2, (low + other_high) / 2)
    low_end, high_end = half.interval
    whole = paired.Difference(2 * half.value, (2 * low_end, 2 * high_end), half.p, half.clips)
    return _gap(whole)


def _ordered(pair: Pair) -> Pair:
    first, second = pair
    return pair if first.mean() >= second.mean() else (second, first)


def _gap(gap: paired.Difference) -> dict[str, Any]:
    low, high = gap.interval
    return {
        "difference": gap.value,
        "difference_95": probed_runs.ends(gap.interval),
        "p": gap.p,
        "clips": gap.clips,
        "clear": "no" if low <= 0 <= high else "yes",
    }


def _verdict(row: dict[str, Any]) -> dict[str, str]:
    value = row["difference"]
    return {"as_the_paper": "yes" if value > 0 else "no" if value < 0 else "neither"}

"""The findings on a folder of clip records as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

import brave_tf
from brave_tf import modality_registry as modalities
from brave_tf.data.records.splits import about_folds
from brave_tf.inspection.folder_check import FolderFacts
from brave_tf.inspection.split_facts import SplitFacts
from brave_tf.storage import files
from brave_tf.training import trainable

FORMAT = 1


def verdict(facts: FolderFacts) -> str:
    """Returns one sentence: how many clips, how long, and whether there are problems."""
    clips = sum(split.clips for split in facts.splits.values())
    seconds = sum(split.seconds for split in facts.splits.values())
    problems, kinds = facts.findings.problems, len(list(facts.findings))
    found = (
        f"{problems} kinds of problems" if problems > 1 else f"{problems or 'no'} kind of problem"
    )
    if not problems:
        found = "no problems"
    noted = kinds - problems
    notes = f", {noted} note{'s' if noted > 1 else ''}" if noted else ""
    return f"{clips:,} clips, {seconds / 3600:.2f} hours: {found}{notes}"


def split_table(facts: FolderFacts) -> list[list[str]]:
    """Returns a head and a row per split: counts, durations, rates, shares of silent and of still clips."""
    head = ["split", "shards", "GB", "clips", *modalities.names(), "labels", "unlabelled", "hours"]
    rows = [
        [*head, "min s", "median s", "max s", "frames/s", "Hz", "silent sound", "still picture"]
    ]
    rows += [_row(name, split) for name, split in facts.splits.items()]
    return rows


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows as aligned columns, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def trainable_recipes(facts: FolderFacts) -> str:
    """Returns lines that say which recipes the clips can train; nothing where there are no clips."""
    split = facts.training_split()
    if not split:
        return ""
    advice = trainable.advice(facts.held(), facts.info.data_dir, split)
    return "\n".join(filter(None, [advice, about_folds(facts.splits).strip()]))


def write_report(path: str, facts: FolderFacts, decode: str) -> None:
    """Writes report.json: `format`, `data`, `good`, `decode`, `splits`, `findings`, `settings`, `version`.

    `splits` has for each split what `SplitFacts.as_dict` returns; `findings` is a list, problems
    first, each with `kind`, `severity` ('problem' or 'note'), `split`, `count`, the first `examples`
    and `advice`. Names and meanings stay while `format` is 1.
    """
    report = {
        "format": FORMAT,
        "data": facts.info.data_dir,
        "good": not facts.findings.problems,
        "decode": decode,
        "splits": {name: split.as_dict(facts.label_names) for name, split in facts.splits.items()},
        "findings": [finding.as_dict() for finding in facts.findings],
        "settings": dict(facts.info.settings),
        "version": brave_tf.__version__,
    }
    files.write_json(path, report)


def _row(name: str, split: SplitFacts) -> list[str]:
    seconds = split.column("seconds")
    spread = np.quantile(seconds, [0, 0.5, 1]).tolist() if len(seconds) else []
    return [
        name,
        f"{len(split.shards):,}",
        f"{split.bytes / 1e9:.2f}",
        f"{split.clips:,}",
        *(f"{split.with_modality[modality]:,}" for modality in modalities.names()),
        f"{len(split.labels):,}",
        f"{split.unlabelled:,}",
        f"{split.seconds / 3600:.2f}",
        *([f"{value:.2f}" for value in spread] or ["-"] * 3),
        _rates(split.frame_rates),
        _rates(split.sample_rates),
        _share(split.silent, split.heard),
        _share(split.still, split.seen),
    ]


def _share(clips: int, of_clips: int) -> str:
    return f"{clips / of_clips:.1%}" if of_clips else "-"


def _rates(rates: Mapping[float, int]) -> str:
    return "/".join(f"{rate:g}" for rate in sorted(rates)) or "-"

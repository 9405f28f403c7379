"""What is wrong with whole splits: against dataset.json, within one, and between several."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np

from brave_tf import modality_registry as modalities
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.splits import Split
from brave_tf.inspection.clip_check import UNLABELLED
from brave_tf.inspection.findings import Findings
from brave_tf.inspection.split_facts import SplitFacts

_IMBALANCE = 10
_SECONDS_TOLERANCE = 0.1

Facts = Mapping[str, SplitFacts]


def label_names(info: DatasetInfo, splits: Facts) -> dict[int, str]:
    """Returns the text of each label index that occurs: of labels.txt, the records, or the index itself."""
    used = sorted({index for facts in splits.values() for index in facts.labels})
    texts = dict(itertools.chain(*(facts.texts.items() for facts in splits.values())))
    texts.update(enumerate(info.labels))
    return {index: texts.get(index, str(index)) for index in used}


def check_split(info: DatasetInfo, split: Split, facts: SplitFacts, findings: Findings) -> None:
    """Notes what is wrong with a split by itself."""
    _check_counts(info, split, facts, findings)
    _check_rates(info, split, facts, findings)
    seconds = facts.column("seconds")
    if len(seconds):
        median = max(float(np.median(seconds)), 1e-6)
        odd = np.flatnonzero((seconds < median / 2) | (seconds > median * 2))
        odd = odd[np.argsort(-np.abs(np.log((seconds[odd] + 1e-6) / median)), kind="stable")]
        for row in odd.tolist():
            _name_clips(findings, "duration", split.name, facts, [row], f"{seconds[row]:.2f} s")
    if facts.labels:
        unlabelled = np.flatnonzero(facts.column("label") == UNLABELLED)
        _name_clips(findings, "unlabelled", split.name, facts, unlabelled)


def compare_splits(splits: Facts, findings: Findings) -> None:
    """Notes clips that lack what others have, and clips and files that occur in several places."""
    every = modalities.names()
    held = [m for m in every if any(facts.with_modality[m] for facts in splits.values())]
    for name, facts in splits.items():
        has = {m: facts.column("modalities") >> every.index(m) & 1 for m in held}
        for row in np.flatnonzero(np.all([*has.values()], axis=0) == 0).tolist() if held else ():
            lacking = ", ".join(modality for modality in held if not has[modality][row])
            _name_clips(findings, "modality_missing", name, facts, [row], f"no {lacking}")
    for members in _groups(splits, "name"):
        where = sorted({split for split, _ in members})
        if len(where) > 1:
            findings.add("leak", " + ".join(where), lambda m=members: _places(splits, m))
        for split in where:
            mine = [member for member in members if member[0] == split]
            if len(mine) > 1:
                example = lambda m=mine: _places(splits, m)  # noqa: E731
                findings.add("duplicate", split, example, len(mine) - 1)
    for column, kind in (("content", "leak_content"), ("file", "shared_file")):
        for members in _groups(splits, column):
            names = [
                {splits[split].column("name")[row] for split, row in members if split == each}
                for each in sorted({split for split, _ in members})
            ]
            # Clips of one name in two splits are a leak already.
            if len(names) > 1 and not set.intersection(*names):
                where = " + ".join(sorted({split for split, _ in members}))
                findings.add(kind, where, lambda m=members: _places(splits, m))


def compare_labels(splits: Facts, names: Mapping[int, str], findings: Findings) -> None:
    """Notes labels that some splits lack, and splits with rare and frequent labels."""
    labelled = {name: facts for name, facts in splits.items() if facts.labels}
    for index, text in names.items():
        lacking = [name for name, facts in labelled.items() if not facts.labels[index]]
        if lacking:
            findings.add("label_absent", ", ".join(lacking), text)
    for name, facts in labelled.items():
        ranked = facts.labels.most_common()
        (most, high), (least, low) = ranked[0], ranked[-1]
        if high > _IMBALANCE * low:
            detail = f"{high:,} of {names[most]!r}, {low:,} of {names[least]!r}"
            findings.add("label_balance", name, detail)


def _check_counts(info: DatasetInfo, split: Split, facts: SplitFacts, findings: Findings) -> None:
    if split.clips is not None and split.clips != facts.clips:
        detail = f"{facts.clips:,} clips in all, not {split.clips:,}"
        findings.add("count_differs", split.name, detail)
    for modality, count in split.with_modality.items():
        found = facts.with_modality[modality]
        if found != count:
            detail = f"{found:,} clips with {modality}, not {count:,}"
            findings.add("count_differs", split.name, detail)
    if split.seconds and abs(facts.seconds - split.seconds) > _SECONDS_TOLERANCE * split.clips:
        detail = f"{facts.seconds:,.1f} s, not {split.seconds:,.1f}"
        findings.add("count_differs", split.name, detail)
    for index, text in enumerate(info.labels if split.labels else ()):
        found, count = facts.labels[index], split.labels.get(text, 0)
        if found != count:
            detail = f"{found:,} clips of {text!r}, not {count:,}"
            findings.add("count_differs", split.name, detail)


def _check_rates(info: DatasetInfo, split: Split, facts: SplitFacts, findings: Findings) -> None:
    if len(facts.sample_rates) > 1:
        shown = ", ".join(f"{n:,} at {r:g} Hz" for r, n in facts.sample_rates.most_common())
        findings.add("rates_differ", split.name, shown)
    for setting, unit, rates in (
        ("fps", "frames per second", facts.frame_rates),
        ("sample_rate", "Hz", facts.sample_rates),
    ):
        stated = info.settings.get(setting)
        others = {rate for rate in rates if stated and abs(rate - stated) > 1e-3 * stated}
        for rate in sorted(others):
            detail = f"{rates[rate]:,} clips at {rate:g} {unit}, not {stated:g}"
            findings.add("rate_setting", split.name, detail)


def _name_clips(findings, kind, split, facts, rows, detail="") -> None:
    for row in rows:
        suffix = f": {detail}" if detail else ""
        findings.add(kind, split, lambda r=row, s=suffix: facts.clip(int(r))[1] + s)


def _groups(splits: Facts, column: str) -> Iterator[list[tuple[str, int]]]:
    """Yields (split, row) of the clips that share a value other than 0, where two or more do."""
    keys = np.concatenate([facts.column(column) for facts in splits.values()])
    homes = np.repeat(np.arange(len(splits)), [facts.clips for facts in splits.values()])
    rows = np.concatenate([np.arange(facts.clips) for facts in splits.values()])
    order = np.argsort(keys, kind="stable")
    bounds = np.flatnonzero(np.diff(keys[order])) + 1
    names = list(splits)
    ends = [*bounds.tolist(), len(order)]
    for begin, end in zip([0, *bounds.tolist()], ends):
        if end - begin > 1 and keys[order[begin]]:
            yield [(names[homes[i]], int(rows[i])) for i in order[begin:end]]


def _places(splits: Facts, members: list[tuple[str, int]]) -> str:
    return " = ".join(f"{split}: {splits[split].clip(row)[1]}" for split, row in members[:4])

"""A page that shows what a folder of clip records holds: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from markupsafe import Markup

from brave_tf.inspection import charts
from brave_tf.inspection.clip_card import clip_card
from brave_tf.inspection.findings import KINDS, PROBLEM, Finding
from brave_tf.inspection.folder_check import FolderFacts
from brave_tf.inspection.split_facts import SplitFacts
from brave_tf.inspection.summary import split_table, trainable_recipes, verdict
from brave_tf.pages import document, pictures
from brave_tf.process.progress import Progress
from brave_tf.storage import files

# Findings with more places than these are folded up.
_OPEN = 5


def write_page(path: str, facts: FolderFacts, num_clips: int) -> None:
    """Writes the page.

    Args:
      path: of the HTML file.
      facts: what the folder holds.
      num_clips: clips to show, spread evenly over splits and labels.

    Raises:
      OSError: it cannot be written; what was there before is left as it is.
    """
    with files.replacing(path) as aside:
        document.write(str(aside), "contact_sheet.html", **_contents(facts, num_clips))


def _contents(facts: FolderFacts, num_clips: int) -> dict[str, object]:
    """Returns what the template shows."""
    held = any(split.clips for split in facts.splits.values())
    series = _series(facts.splits)
    return {
        "title": f"Clip records: {facts.info.data_dir}",
        "problems": facts.findings.problems,
        "verdict": verdict(facts),
        "splits": document.table(split_table(facts)),
        "findings": list(map(_shown, facts.findings)),
        "recipes": trainable_recipes(facts).splitlines(),
        "series": list(series),
        "balance": _balance(facts, series) if held else None,
        "wheel": pictures.png_uri(pictures.flow_wheel(168)),
        "clips": _clips(facts, num_clips),
    }


def _shown(finding: Finding) -> dict[str, object]:
    kind = KINDS[finding.kind]
    tone = "bad" if kind.severity == PROBLEM else "warn"
    places = list(finding.examples)
    if finding.count > len(finding.examples):
        places.append(f"and {finding.count - len(finding.examples):,} more")
    return {
        "tone": tone,
        "severity": kind.severity,
        "title": f"{kind.title} ({finding.count:,} in {finding.split})",
        "advice": kind.advice,
        "places": places,
        "open": tone == "bad" and len(finding.examples) <= _OPEN,
    }


def _balance(
    facts: FolderFacts, series: Mapping[str, Sequence[SplitFacts]]
) -> list[tuple[str, Markup]]:
    """Returns charts of the labels and durations of clips."""
    figures = []
    names = facts.label_names
    if names:
        counts = {
            name: [sum(split.labels[index] for split in splits) for index in names]
            for name, splits in series.items()
        }
        figures.append(("Clips per label", charts.label_bars(counts, list(names.values()))))
    seconds = {
        name: np.concatenate([split.column("seconds") for split in splits])
        for name, splits in series.items()
    }
    figures.append(("Clips by duration", charts.histogram(seconds, "seconds")))
    return figures


def _series(splits: Mapping[str, SplitFacts]) -> dict[str, list[SplitFacts]]:
    """Returns the splits as series of a chart; all as one where there are more than colours."""
    filled = {name: [split] for name, split in splits.items() if split.clips}
    if len(filled) <= document.SERIES:
        return filled
    return {"all splits": list(splits.values())}


def _clips(facts: FolderFacts, num_clips: int) -> Iterator[Markup]:
    chosen = _chosen(facts.splits, num_clips)
    with Progress(len(chosen), "drawing") as progress:
        for name, row in chosen:
            clip, where = facts.splits[name].clip(row)
            labels = ", ".join(facts.label_names.get(index, str(index)) for index in clip.labels)
            yield clip_card(clip, where, name, labels)
            progress.add()


def _chosen(splits: Mapping[str, SplitFacts], number: int) -> list[tuple[str, int]]:
    """Returns (split, row) of clips spread evenly over all, ordered by split and label."""
    labels = [facts.column("label") for facts in splits.values()]
    ordered = [
        (name, int(row))
        for name, label in zip(splits, labels)
        for row in np.argsort(label, kind="stable")
    ]
    places = np.unique(np.linspace(0, len(ordered) - 1, min(number, len(ordered))).round())
    return [ordered[int(place)] for place in places]

"""A page that shows what a folder of clip records holds: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from brave_tf import files
from brave_tf.inspection import charts
from brave_tf.inspection.clip_card import clip_card
from brave_tf.inspection.findings import KINDS, PROBLEM
from brave_tf.inspection.folder_check import FolderFacts
from brave_tf.inspection.split_facts import SplitFacts
from brave_tf.inspection.summary import split_table, trainable_recipes, verdict
from brave_tf.pages import document, pictures
from brave_tf.pages.svg import SERIES, escape, legend
from brave_tf.progress import Progress

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
        title = f"Clip records: {facts.info.data_dir}"
        document.write(str(aside), title, _parts(facts, num_clips))


def _parts(facts: FolderFacts, num_clips: int) -> Iterator[str]:
    tone = "bad" if facts.findings.problems else "good"
    yield f'<p class="verdict {tone}">{escape(verdict(facts))}</p>'
    yield f"<h2>Splits</h2>{document.table(split_table(facts))}"
    yield _findings(facts)
    if recipes := trainable_recipes(facts):
        lines = (
            f'<pre class="wide">{escape(line.strip())}</pre>'
            if line.startswith(" ")
            else f"<p>{escape(line)}</p>"
            for line in recipes.splitlines()
        )
        yield f"<h2>Recipes</h2>{''.join(lines)}"
    if any(split.clips for split in facts.splits.values()):
        yield _charts(facts)
        yield _clips_heading(facts)
        yield from _clips(facts, num_clips)


def _findings(facts: FolderFacts) -> str:
    items = []
    for finding in facts.findings:
        kind = KINDS[finding.kind]
        tone = "bad" if kind.severity == PROBLEM else "warn"
        places = "".join(f"<li>{escape(example)}</li>" for example in finding.examples)
        if finding.count > len(finding.examples):
            places += f"<li>and {finding.count - len(finding.examples):,} more</li>"
        shown = " open" if tone == "bad" and len(finding.examples) <= _OPEN else ""
        items.append(
            f'<details{shown}><summary><span class="{tone}">{kind.severity}'
            f"</span>: {escape(kind.title)} ({finding.count:,} in {escape(finding.split)})</summary>"
            f"<p>{escape(kind.advice)}</p><ul>{places}</ul></details>"
        )
    return f"<h2>Findings</h2>{''.join(items)}" if items else ""


def _charts(facts: FolderFacts) -> str:
    series = _series(facts.splits)
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
    keys = legend(list(series))
    drawn = "".join(f"<figure><h3>{title}</h3>{keys}{chart}</figure>" for title, chart in figures)
    return f'<h2>Balance</h2><div class="charts">{drawn}</div>'


def _series(splits: Mapping[str, SplitFacts]) -> dict[str, list[SplitFacts]]:
    """Returns the splits as series of a chart; all as one where there are more than colours."""
    filled = {name: [split] for name, split in splits.items() if split.clips}
    if len(filled) <= SERIES:
        return filled
    return {"all splits": list(splits.values())}


def _clips_heading(facts: FolderFacts) -> str:
    wheel = pictures.png_uri(pictures.flow_wheel(168))
    return (
        '<h2>Clips</h2><figure class="key">'
        f'<img src="{wheel}" alt="flow colour wheel"><figcaption>Eight frames from each clip, above their '
        "time. Flow in the colours of the Middlebury benchmark: the hue is the direction of motion on this "
        "wheel (red: rightwards), white is at rest, full colour the displacement from one frame to the next "
        "that each clip states, and darker what is beyond. Sound as a waveform (full scale is 1) and as a "
        "log-mel spectrogram of 25 ms windows, black 80 dB below the loudest. Point at a picture for its "
        "number.</figcaption></figure>"
    )


def _clips(facts: FolderFacts, num_clips: int) -> Iterator[str]:
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

"""What can be wrong with clip records: the kinds of findings, and a bounded list of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Callable, NamedTuple

PROBLEM, NOTE = "problem", "note"
MAX_EXAMPLES = 20
_SHOWN = 3

_ANEW = "Prepare the clips again, or leave these out."
_COPY = "Copy the shard again, or prepare the clips again into an empty folder."


class FindingKind(NamedTuple):
    """A kind of finding: problem or note, what was found, and what to do about it."""

    severity: str
    title: str
    advice: str


KINDS = {
    "shard_missing": FindingKind(PROBLEM, "shards that are missing", _COPY),
    "shard_unlisted": FindingKind(
        PROBLEM,
        "shards that dataset.json does not list",
        "Nothing reads them: remove them, or remove dataset.json to read what is there.",
    ),
    "shard_bytes": FindingKind(PROBLEM, "shards of another size than dataset.json says", _COPY),
    "shard_checksum": FindingKind(
        PROBLEM, "shards of another sha256 than dataset.json says", _COPY
    ),
    "shard_truncated": FindingKind(PROBLEM, "shards that end in the middle of a record", _COPY),
    "shard_damaged": FindingKind(PROBLEM, "shards that cannot be read to their end", _COPY),
    "record_damaged": FindingKind(PROBLEM, "records with a wrong checksum", _COPY),
    "record_unreadable": FindingKind(
        PROBLEM,
        "records that are no SequenceExample with the fields of a clip",
        "They are skipped in training. Prepare the clips again.",
    ),
    "record_empty": FindingKind(PROBLEM, "records without frames, flow and sound", _ANEW),
    "count_differs": FindingKind(PROBLEM, "counts other than dataset.json says", _COPY),
    "index_differs": FindingKind(
        PROBLEM,
        "shards that are other than when their index was made",
        "Make it again with brave_tf_inspect --index.",
    ),
    "frame_undecodable": FindingKind(PROBLEM, "frames that do not decode", _ANEW),
    "frame_size": FindingKind(
        PROBLEM,
        "clips whose frames have different sizes",
        "One crop is cut from all frames of a clip, so it cannot be made. " + _ANEW,
    ),
    "flow_length": FindingKind(
        PROBLEM,
        "clips with another number of flow fields than frames",
        "Flow and frames would not show the same moment. " + _ANEW,
    ),
    "sound_undecodable": FindingKind(PROBLEM, "clips whose sound does not decode", _ANEW),
    "sound_values": FindingKind(
        PROBLEM,
        "clips whose sound is not PCM in [-1, 1]",
        "Integer samples must be divided by their full scale. " + _ANEW,
    ),
    "rates_differ": FindingKind(
        PROBLEM,
        "splits with sound of several sample rates",
        "A view reads sound of one rate only. Prepare the clips again with one --sample_rate.",
    ),
    "rate_setting": FindingKind(
        PROBLEM,
        "splits with other rates than dataset.json says",
        "Prepare the clips again, or correct the settings in dataset.json.",
    ),
    "label_range": FindingKind(
        PROBLEM,
        "label indices that labels.txt does not have",
        "Use the labels.txt that was written with these records.",
    ),
    "label_text": FindingKind(
        PROBLEM,
        "label texts other than labels.txt gives for their index",
        "Use the labels.txt that was written with these records.",
    ),
    "leak": FindingKind(
        PROBLEM,
        "clips that occur in more than one split",
        "Scores on the held-out split would be too good. Take them out of one of the splits.",
    ),
    "leak_content": FindingKind(
        PROBLEM,
        "clips with the same frames and sound as one of another split, under another name",
        "Scores on the held-out split would be too good. Take them out of one of the splits.",
    ),
    "index_missing": FindingKind(
        NOTE,
        "shards without an index",
        "Their records are read whole, which is slower: brave_tf_inspect --index makes it.",
    ),
    "index_impossible": FindingKind(
        NOTE,
        "shards that can have no index",
        "Compressed and damaged ones have none, and those with sound that is not packed.",
    ),
    "duplicate": FindingKind(
        NOTE, "clips that occur again in their split", "Each counts once more."
    ),
    "shared_file": FindingKind(
        NOTE,
        "files of which different parts are in different splits",
        "Parts of one recording look alike: keep them in one split if the splits are your own.",
    ),
    "modality_missing": FindingKind(
        NOTE, "clips without a modality that others have", "Views of it leave these clips out."
    ),
    "rate_missing": FindingKind(
        NOTE,
        "clips that state no frame or sample rate",
        "25 frames and 48,000 samples per second are taken for granted.",
    ),
    "sound_length": FindingKind(
        NOTE,
        "clips whose sound and frames differ in length by more than 0.1 s",
        "Shorter sound is followed by silence, longer sound is cut.",
    ),
    "silent": FindingKind(
        NOTE, "clips with silent sound", "No sample is above -60 dB of full scale."
    ),
    "still": FindingKind(
        NOTE,
        "clips whose picture does not move",
        "First, middle and last frame are the same but for noise.",
    ),
    "duration": FindingKind(
        NOTE,
        "clips shorter than half the median of their split, or longer than twice it",
        "Short clips are looped until a window fits.",
    ),
    "unlabelled": FindingKind(NOTE, "clips without a label", "Evaluation leaves them out."),
    "label_absent": FindingKind(
        NOTE,
        "labels that some splits have and others lack",
        "Scores cannot tell how well they are learned.",
    ),
    "label_balance": FindingKind(
        NOTE,
        "splits with a label more than ten times as frequent as another",
        "Read mean accuracy per class beside accuracy.",
    ),
}


@dataclasses.dataclass
class Finding:
    """How often a kind of finding was made in a split, and the first places."""

    kind: str
    split: str
    count: int = 0
    examples: list[str] = dataclasses.field(default_factory=list)

    @property
    def severity(self) -> str:
        """How bad such findings are, see `KINDS`."""
        return KINDS[self.kind].severity

    def line(self) -> str:
        """Returns the finding on one line: what, how often, where, and what to do."""
        kind = KINDS[self.kind]
        shown = "; ".join(self.examples[:_SHOWN])
        more = self.count - min(len(self.examples), _SHOWN)
        if more:
            shown += f"; and {more:,} more"
        return f"{kind.severity}: {kind.title} ({self.count:,} in {self.split}): {shown}. {kind.advice}"

    def as_dict(self) -> dict[str, Any]:
        """Returns what report.json holds of it."""
        kind = KINDS[self.kind]
        return {**dataclasses.asdict(self), "severity": kind.severity, "advice": kind.advice}


class Findings:
    """All findings; keeps the first `MAX_EXAMPLES` places of each, and counts the others."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Finding] = {}

    def add(self, kind: str, split: str, example: str | Callable[[], str], count: int = 1) -> None:
        """Counts something found in a split, at the place that `example` names.

        A function is only called for the name of a place when it is one that is kept.
        """
        finding = self._found.setdefault((kind, split), Finding(kind, split))
        finding.count += count
        if len(finding.examples) < MAX_EXAMPLES:
            finding.examples.append(example() if callable(example) else example)

    def merge(self, other: Findings) -> None:
        """Adds the findings of `other` after these."""
        for finding in other:
            mine = self._found.setdefault(
                (finding.kind, finding.split), Finding(finding.kind, finding.split)
            )
            mine.count += finding.count
            mine.examples += finding.examples[: MAX_EXAMPLES - len(mine.examples)]

    def __iter__(self) -> Iterator[Finding]:
        """Problems before notes, in the order of `KINDS`."""
        order = {kind: number for number, kind in enumerate(KINDS)}
        ranked = sorted(
            self._found.values(), key=lambda f: (f.severity != PROBLEM, order[f.kind], f.split)
        )
        return iter(ranked)

    @property
    def problems(self) -> int:
        """How many kinds of problems there are, over all splits."""
        return sum(finding.severity == PROBLEM for finding in self)

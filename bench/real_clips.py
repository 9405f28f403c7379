"""What pre-training is worth on real clips: probes of all views, pre-trained and at random, paired by clip.

--data has the sets of clips, each a folder with a list of its clips. Rows:

  gestures  V<->F on first-person gestures, tennis strokes and arm actions together; probed on each by 5 folds
  sounds    A<->A on ESC-50, a narrow and a broad window of a recording; probed by the official folds

Beside views of flow there are histograms of it, and, with --supervised, the narrow network trained with
labels from random weights for as many steps, fold by fold.

A row is pre-trained on all of its clips, without labels: the tested clips are seen, their labels are not.
With --without_fold=N the clips of a fold are left out, and only they are tested. The probe is a linear SVM
on frozen features. 95 % intervals are over clips, p that of McNemar's exact test. All is kept in --output:
started again, the benchmark goes on where it was. A finished run adds a line of JSON to --record.
"""

from __future__ import annotations

import argparse
import pathlib
from typing import Any

import numpy as np

from bench import probed_runs, real_sets
from bench.real_rows import ROWS, Probe, Row
from brave_tf.data.public.official_splits import fold_name
from brave_tf.errors import UserError
from brave_tf.evaluation.metrics import paired, scores

_RANDOM, _SUPERVISED = "random", "supervised"
_RECORD = probed_runs.EVIDENCE / "real_clips.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--row", required=True, choices=sorted(ROWS))
    parser.add_argument("--data", required=True, help="folder of the sets of clips, see above")
    parser.add_argument("--seed", type=int, default=0, help="of training")
    parser.add_argument("--without_fold", type=int, help="a fold that is not pre-trained on")
    parser.add_argument(
        "--supervised", action="store_true", help="trains with labels too, see above"
    )
    parser.add_argument("--steps", type=int, help="of pre-training; the recipe's by default")
    parser.add_argument("--output", default="runs/real_clips", help="folder of everything made")
    parser.add_argument(
        "--record", default=str(_RECORD), help="file that a line of JSON is added to"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Prepares, pre-trains and probes; what is done already is not done again."""
    row, output = ROWS[args.row], pathlib.Path(args.output) / args.row
    line = probed_runs.began(_command_line(args))
    clips = {
        name: real_sets.read(pathlib.Path(args.data), real_sets.SETS[name])
        for name in (*row.pool, *row.probed)
    }
    _check_fold(args, clips)
    pool = [{**clip, "label": ""} for name in row.pool for clip in clips[name]]
    records = probed_runs.prepare(output / "pool", pool, row.prepare)
    folders = {
        name: probed_runs.prepare(output / name, clips[name], (*row.prepare, *probed.prepare))
        for name, probed in row.probed.items()
    }
    model = output / f"seed{args.seed}{_suffix(args)}"
    _train(args, row, records, model, sorted({clip["split"] for clip in pool}))
    rows = []
    for name, probed in row.probed.items():
        tested = _tested(args, clips[name])
        compared = _probe(args, model, name, probed.probes, folders[name], tested)
        if row.histograms:
            folder = output / "histograms" / name
            _evaluate_histograms(folder, row.histograms, folders[name])
            compared.append(_alone(folder, Probe(row.histograms[0]), None, tested))
        rows += [{"set": name, **each} for each in compared]
    probed_runs.add_to_record(pathlib.Path(args.record), {**line, "rows": rows})
    return {"settings": {**vars(args), "command": line["command"]}, "rows": rows}


def _check_fold(args: argparse.Namespace, clips: dict[str, list[real_sets.Row]]) -> None:
    for name, each in clips.items() if args.without_fold else ():
        splits = sorted({clip["split"] for clip in each})
        if fold_name(args.without_fold) not in splits:
            raise UserError(
                f"--without_fold={args.without_fold}: the clips of {name} are in {', '.join(splits)}."
            )


def _probe(
    args: argparse.Namespace,
    model: pathlib.Path,
    name: str,
    probes: tuple[Probe, ...],
    records: pathlib.Path,
    tested: set[str] | None,
) -> list[dict[str, Any]]:
    """Returns the rows of a set."""
    folder = model / "eval" / name
    for baseline in (None, _RANDOM):
        probed_runs.evaluate(folder, model, probes, records, baseline)
    rows = [_compare(folder, probe, tested) for probe in probes]
    if args.supervised:
        probed_runs.evaluate(folder, model, probes[:1], records, _SUPERVISED)
        rows.append(_alone(folder, probes[0], _SUPERVISED, tested))
    return rows


def _suffix(args: argparse.Namespace) -> str:
    parts = [f"-{args.steps}steps"] if args.steps else []
    return "".join(parts + ([f"-without-fold{args.without_fold}"] if args.without_fold else []))


def _train(
    args: argparse.Namespace,
    row: Row,
    records: pathlib.Path,
    model: pathlib.Path,
    splits: list[str],
) -> None:
    left_out = fold_name(args.without_fold) if args.without_fold else None
    split = "+".join(each for each in splits if each != left_out)
    bindings = {"train.data_dir": str(records), "train.split": split, "train.seed": args.seed}
    if args.steps:
        bindings["STEPS"] = args.steps
    probed_runs.pretrain(
        row.recipe, model, [f"{name} = {value!r}" for name, value in bindings.items()]
    )


def _tested(args: argparse.Namespace, clips: list[real_sets.Row]) -> set[str] | None:
    """The files whose clips count; None: all."""
    if not args.without_fold:
        return None
    split = fold_name(args.without_fold)
    return {clip["path"] for clip in clips if clip["split"] == split}


def _compare(folder: pathlib.Path, probe: Probe, tested: set[str] | None) -> dict[str, Any]:
    """Returns the row of a probe: its view pre-trained, at random, and the difference."""
    entries = {each: probed_runs.result(folder, probe, each) for each in (None, _RANDOM)}
    hits = {each: probed_runs.hits(folder, entry, tested) for each, entry in entries.items()}
    keys = sorted(hits[None])
    if keys != sorted(hits[_RANDOM]):
        raise UserError(
            f"{folder}: the two evaluations of {probe.task} are of different clips. Remove the folder."
        )
    trained, random = (np.array([hits[each][key] for key in keys]) for each in (None, _RANDOM))
    gap = paired.difference(trained, random)
    return {
        "view": entries[None]["view"],
        "pretrained": float(trained.mean()),
        "pretrained_95": probed_runs.ends(scores.bootstrap_interval(trained)),
        "random": float(random.mean()),
        "random_95": probed_runs.ends(scores.bootstrap_interval(random)),
        "difference": gap.value,
        "difference_95": probed_runs.ends(gap.interval),
        "p": gap.p,
        "clips": gap.clips,
    }


def _alone(
    folder: pathlib.Path, probe: Probe, baseline: str | None, tested: set[str] | None
) -> dict[str, Any]:
    """Returns the row of something that is not pre-trained."""
    entry = probed_runs.result(folder, probe, baseline)
    hits = np.array(list(probed_runs.hits(folder, entry, tested).values()))
    return {
        "view": "narrow, supervised" if baseline else "histograms of flow",
        "score": float(hits.mean()),
        "score_95": probed_runs.ends(scores.bootstrap_interval(hits)),
        "clips": len(hits),
    }


def _evaluate_histograms(
    folder: pathlib.Path, histograms: tuple[str, ...], records: pathlib.Path
) -> None:
    task, *bindings = histograms
    flags = [f"--task={task}", "--function=bench.flow_histograms:histograms", f"--data={records}"]
    flags += [f"--output={folder}", *(f"--gin_bindings={binding}" for binding in bindings)]
    probed_runs.command("brave_tf_eval", *flags)


def _command_line(args: argparse.Namespace) -> str:
    words = ["python", "-m", "bench", "real_clips", f"--row={args.row}", f"--seed={args.seed}"]
    words += [f"--steps={args.steps}"] if args.steps else []
    words += ["--supervised"] if args.supervised else []
    return " ".join(words + ([f"--without_fold={args.without_fold}"] if args.without_fold else []))

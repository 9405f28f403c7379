"""What pre-training is worth on real clips: probes of all views, pre-trained and at random, paired by clip.

--data has the sets of clips, each a folder with a list of its clips. Rows:

  gestures  V<->F on first-person gestures, tennis strokes and arm actions together; probed on each by 5 folds

Beside the views there are histograms of flow, and, with --supervised, the narrow network trained with labels
from random weights for as many steps, fold by fold.

A row is pre-trained on all of its clips, without labels: the tested clips are seen, their labels are not.
With --without_fold=N the clips of a fold are left out, and only they are tested. The probe is a linear SVM
on frozen features. 95 % intervals are over clips, p that of McNemar's exact test. All is kept in --output:
started again, the benchmark goes on where it was. A finished run adds a line of JSON to --record.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import shlex
import subprocess
import sys
from typing import Any

import numpy as np

from bench import real_sets, report
from brave_tf.data.public.official_splits import fold_name
from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.evaluation.metrics import paired, scores

_RANDOM, _SUPERVISED = "random", "supervised"
_RECORD = pathlib.Path(__file__).parents[1] / "docs/evidence/real_clips.jsonl"


@dataclasses.dataclass(frozen=True)
class Row:
    """A recipe, what it learns from, and what is probed.

    Attributes:
      recipe: of `gin/`.
      pool: sets that it is pre-trained on.
      probed: set -> tasks, one for each view, that of the narrow one first.
      prepare: flags of `brave_tf_prepare`.
      histograms: task of the view of flow whose histograms are compared, and bindings of its window; or none.
    """

    recipe: str
    pool: tuple[str, ...]
    probed: dict[str, tuple[str, ...]]
    prepare: tuple[str, ...]
    histograms: tuple[str, ...] = ()


_BOTH = ("folds/linear", "folds/linear_flow")
ROWS = {
    "gestures": Row(
        "real/gestures",
        ("egogestar", "tennis7", "utd"),
        {"egogestar": _BOTH, "tennis7": _BOTH, "utd": _BOTH},
        ("--fps=12.5", "--min_side=74", "--flow=dis", "--audio=none"),
        (
            "folds/linear_flow",
            "FlowView.num_frames = 24",
            "FlowView.frame_step = 2",
            "FlowView.size = 64",
            "FlowView.bound = 5.0",
            "FlowView.augmentations = []",
            "FlowView.min_area = 0.5",
            "eval_windows.train_passes = 4",
            "eval_windows.temporal_crops = 3",
            "linear_svm.C = 'cross_validation'",
        ),
    ),
}


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
    began = {"command": _command_line(args), "commit": _commit(), "machine": report.machine()}
    clips = {
        name: real_sets.read(pathlib.Path(args.data), real_sets.SETS[name])
        for name in (*row.pool, *row.probed)
    }
    pool = [{**clip, "label": ""} for name in row.pool for clip in clips[name]]
    records = _prepare(output / "pool", pool, row)
    folders = {name: _prepare(output / name, clips[name], row) for name in row.probed}
    model = output / f"seed{args.seed}{_suffix(args)}"
    _train(args, row, records, model, sorted({clip["split"] for clip in pool}))
    rows = []
    for name, tasks in row.probed.items():
        folder, tested = model / "eval" / name, _tested(args, clips[name])
        for baseline in (None, _RANDOM):
            _evaluate(folder, model, tasks, folders[name], baseline)
        rows += [{"set": name, **_compare(folder, task, tested)} for task in tasks]
        if args.supervised:
            _evaluate(folder, model, tasks[:1], folders[name], _SUPERVISED)
            rows.append({"set": name, **_alone(folder, tasks[0], _SUPERVISED, tested)})
        if row.histograms:
            folder = output / "histograms" / name
            _evaluate_histograms(folder, row.histograms, folders[name])
            rows.append({"set": name, **_alone(folder, row.histograms[0], None, tested)})
    result = {"settings": {**vars(args), "command": began["command"]}, "rows": rows}
    _add_to_record(
        pathlib.Path(args.record), {**began, "versions": report.versions(), "rows": rows}
    )
    return result


def _suffix(args: argparse.Namespace) -> str:
    parts = [f"-{args.steps}steps"] if args.steps else []
    return "".join(parts + ([f"-without-fold{args.without_fold}"] if args.without_fold else []))


def _prepare(folder: pathlib.Path, clips: list[real_sets.Row], row: Row) -> pathlib.Path:
    source = real_sets.write(folder / "clips.csv", clips)
    records = folder / "records"
    _command("brave_tf_prepare", f"--input={source}", f"--output={records}", *row.prepare)
    return records


def _train(
    args: argparse.Namespace,
    row: Row,
    records: pathlib.Path,
    model: pathlib.Path,
    splits: list[str],
) -> None:
    left_out = fold_name(args.without_fold) if args.without_fold else None
    if left_out and left_out not in splits:
        raise UserError(
            f"--without_fold={args.without_fold}: the clips are in {', '.join(splits)}."
        )
    split = "+".join(each for each in splits if each != left_out)
    bindings = {"train.data_dir": str(records), "train.split": split, "train.seed": args.seed}
    if args.steps:
        bindings["STEPS"] = args.steps
    flags = [f"--gin_bindings={name} = {value!r}" for name, value in bindings.items()]
    _command("brave_tf_train", f"--gin_file={row.recipe}", f"--model_dir={model}", *flags)


def _tested(args: argparse.Namespace, clips: list[real_sets.Row]) -> set[str] | None:
    """The files whose clips count; None: all."""
    if not args.without_fold:
        return None
    split = fold_name(args.without_fold)
    return {clip["path"] for clip in clips if clip["split"] == split}


def _compare(folder: pathlib.Path, task: str, tested: set[str] | None) -> dict[str, Any]:
    """Returns the row of a task: its view pre-trained, at random, and the difference."""
    entries = {baseline: _result(folder, task, baseline) for baseline in (None, _RANDOM)}
    hits = {baseline: _hits(folder, entry, tested) for baseline, entry in entries.items()}
    keys = sorted(hits[None])
    if keys != sorted(hits[_RANDOM]):
        raise UserError(
            f"{folder}: the two evaluations of {task} are of different clips. Remove the folder."
        )
    trained, random = (np.array([hits[each][key] for key in keys]) for each in (None, _RANDOM))
    gap = paired.difference(trained, random)
    return {
        "view": entries[None]["view"],
        "pretrained": float(trained.mean()),
        "pretrained_95": _ends(scores.bootstrap_interval(trained)),
        "random": float(random.mean()),
        "random_95": _ends(scores.bootstrap_interval(random)),
        "difference": gap.value,
        "difference_95": _ends(gap.interval),
        "p": gap.p,
        "clips": gap.clips,
    }


def _alone(
    folder: pathlib.Path, task: str, baseline: str | None, tested: set[str] | None
) -> dict[str, Any]:
    """Returns the row of something that is not pre-trained."""
    hits = np.array(list(_hits(folder, _result(folder, task, baseline), tested).values()))
    return {
        "view": "narrow, supervised" if baseline else "histograms of flow",
        "score": float(hits.mean()),
        "score_95": _ends(scores.bootstrap_interval(hits)),
        "clips": len(hits),
    }


def _ends(interval: tuple[float, float]) -> str:
    return " to ".join(f"{end:.3f}" for end in interval)


def _evaluate(
    folder: pathlib.Path,
    model: pathlib.Path,
    tasks: tuple[str, ...],
    records: pathlib.Path,
    baseline: str | None,
) -> None:
    flags = [f"--task={','.join(tasks)}", f"--model_dir={model}", f"--data={records}"]
    flags += [f"--output={folder}", *([f"--baseline={baseline}"] if baseline else [])]
    _command("brave_tf_eval", *flags)


def _evaluate_histograms(
    folder: pathlib.Path, histograms: tuple[str, ...], records: pathlib.Path
) -> None:
    task, *bindings = histograms
    flags = [f"--task={task}", "--function=bench.flow_histograms:histograms", f"--data={records}"]
    flags += [f"--output={folder}", *(f"--gin_bindings={binding}" for binding in bindings)]
    _command("brave_tf_eval", *flags)


def _result(folder: pathlib.Path, task: str, baseline: str | None) -> dict[str, Any]:
    """Returns the result of the last step."""
    found = [
        entry
        for entry in results.load_results(str(folder))
        if entry["task"] == task and entry["baseline"] == baseline
    ]
    return max(found, key=lambda entry: entry["step"] or 0)


def _hits(folder: pathlib.Path, entry: dict[str, Any], tested: set[str] | None) -> dict[str, float]:
    """Returns key -> hit of the clips that count."""
    with np.load(folder / entry["predictions"]) as file:
        hits = scores.hits_at(1, file["decisions"], file["labels"])
        rows = zip(file["keys"].tolist(), file["paths"].tolist(), hits.tolist())
        return {key: hit for key, path, hit in rows if tested is None or path in tested}


def _command(command: str, *arguments: str) -> None:
    print(f"\n$ {shlex.join([command, *arguments])}", file=sys.stderr, flush=True)
    program = pathlib.Path(sys.executable).with_name(command)
    code = subprocess.run([program, *arguments], stdout=sys.stderr, check=False).returncode
    if code:
        raise UserError(
            f"{command} ended with exit code {code}, its message is above. Started again, the benchmark goes "
            "on from here."
        )


def _command_line(args: argparse.Namespace) -> str:
    words = ["python", "-m", "bench", "real_clips", f"--row={args.row}", f"--seed={args.seed}"]
    words += [f"--steps={args.steps}"] if args.steps else []
    words += ["--supervised"] if args.supervised else []
    return " ".join(words + ([f"--without_fold={args.without_fold}"] if args.without_fold else []))


def _add_to_record(path: pathlib.Path, line: dict[str, Any]) -> None:
    """Adds the line of a run, in place of an earlier one of the same command."""
    kept = [json.loads(text) for text in path.read_text().splitlines()] if path.exists() else []
    lines = [each for each in kept if each["command"] != line["command"]] + [line]
    lines.sort(key=lambda each: each["command"])
    path.write_text("".join(json.dumps(each) + "\n" for each in lines))


def _commit() -> str | None:
    folder = pathlib.Path(__file__).parent
    found = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None

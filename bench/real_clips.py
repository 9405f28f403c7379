"""What pre-training is worth on real clips: random weights, pre-trained and supervised, for video and sound.

--data has the folders grid_s1 (GRID corpus: faces that speak, with sound), utd_mhad_rgb5 (UTD-MHAD: arm
actions, silent) and esc10 (ESC-10: environmental sounds), each with a clips.csv, and may have clips, with
folders of other videos. The demo's recipe, with windows that fit clips of three seconds, is pre-trained on
all training clips without their labels: V<->FA on those with sound, V<->F on all with pictures. Each
backbone's features are classified by a linear SVM (C by cross-validation on training clips) and by kNN:
top-1 accuracy with its 95 % interval over test clips. GRID has no official split: 30 % of its clips are held
out. Flips are off, since they make a swipe to the left one to the right. Everything is kept in --output, with
a report on the runs; started again, the benchmark goes on where it was.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np

from brave_tf.data.clips.clip_list import read_clips
from brave_tf.data.public.official_splits import fold_name
from brave_tf.errors import UserError
from brave_tf.evaluation import results
from brave_tf.storage import files

_HELD_OUT = 0.3
_WEIGHTS = {"random": "random", "pretrained": None, "supervised": "supervised"}
_PREPARE = ("--fps=10", "--flow=dis", "--sample_rate=16000")
_SIDE = 1.25  # Of the frames that are kept, in sides of a view.
_GRID, _UTD, _ESC = "grid_s1", "utd_mhad_rgb5", "esc10"

_RECIPE = """# The demo's recipe on real clips of three seconds and more, at 10 frames per second.
include 'demo_v_fa.gin'

STEPS = {steps}
warmup_cosine.warmup_steps = {warmup}
train.data_dir = '{records}'
train.split = 'grid_train+utd_train+other'
train.held_out_split = 'grid_test'
train.seed = {seed}

narrow/RgbView.size = {size}
narrow/RgbView.frame_step = 2
narrow/RgbView.augmentations = [@random_color, @random_gray]
broad_flow/FlowView.size = {size}
broad_flow/FlowView.frame_step = 3
broad_audio/AudioView.duration = 2.56
random_flip.probability = 0.0

eval_windows.train_passes = 4
eval_windows.temporal_crops = 3
linear_svm.C = 'cross_validation'
"""
_WITHOUT_SOUND = """
Recipe.views = {'narrow': @narrow/RgbView(), 'broad_flow': @broad_flow/FlowView()}
BraVe.backbones = {'narrow': %NARROW_BACKBONE, 'broad_flow': %BROAD_FLOW_BACKBONE}
"""
_RUNS = {"v_fa": "", "v_f": _WITHOUT_SOUND}


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Tasks on one data set.

    Attributes:
      data: what is classified.
      view: what is seen or heard.
      run: whose backbone it is.
      linear: task of the linear SVM.
      knn: task of kNN.
      splits: for training and testing; None for those that the tasks have.
    """

    data: str
    view: str
    run: str
    linear: str
    knn: str
    splits: tuple[str, str] | None

    @property
    def name(self) -> str:
        return f"{self.data}_{self.view}"


EVALUATIONS = (
    Evaluation(_GRID, "video", "v_fa", "folder/linear", "folder/knn", ("grid_train", "grid_test")),
    Evaluation(_UTD, "video", "v_f", "folder/linear", "folder/knn", ("utd_train", "utd_test")),
    Evaluation(
        _GRID,
        "audio",
        "v_fa",
        "folder/linear_audio",
        "folder/knn_audio",
        ("grid_train", "grid_test"),
    ),
    Evaluation(_ESC, "audio", "v_fa", "esc50/linear", "esc50/knn", None),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags."""
    parser.add_argument("--data", required=True, help="folder of the data sets, see above")
    parser.add_argument("--output", default="runs/real_clips", help="folder of everything made")
    parser.add_argument("--steps", type=int, default=500, help="of each training")
    parser.add_argument("--size", type=int, default=64, help="pixels of a view's side")
    parser.add_argument("--seed", type=int, default=0, help="of the split of GRID and of training")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Prepares, pre-trains, evaluates and reports; what is done already is not done again."""
    output = pathlib.Path(args.output)
    clips = list_clips(pathlib.Path(args.data), args.seed)
    records = output / "records"
    side = f"--min_side={round(_SIDE * args.size)}"
    source = f"--input={_write_list(output, clips)}"
    _command("brave_tf_prepare", source, f"--output={records}", side, *_PREPARE)
    for name in _RUNS:
        recipe = write_recipe(output, name, args.steps, args.size, args.seed)
        _command("brave_tf_train", f"--gin_file={recipe}", f"--model_dir={output / name}")
    for evaluation in EVALUATIONS:
        for baseline in _WEIGHTS.values():
            _evaluate(evaluation, baseline, output)
    _command("brave_tf_report", str(output), f"--output={output / 'report'}")
    rows = [row for evaluation in EVALUATIONS for row in table_rows(evaluation, output, clips)]
    return {"settings": vars(args), "rows": rows}


def list_clips(data: pathlib.Path, seed: int) -> list[dict[str, str]]:
    """Lists all clips: absolute `path`, `label`, empty for clips of no data set, and `split`.

    Raises:
      UserError: a data set is not there.
    """
    rows = []
    for row in _rows(data / _GRID):
        rows.append({"path": row["path"], "label": row["command"], "split": "grid_train"})
    for index in np.random.default_rng(seed).permutation(len(rows))[: int(_HELD_OUT * len(rows))]:
        rows[index]["split"] = "grid_test"
    for row in _rows(data / _UTD):
        rows.append({"path": row["path"], "label": row["label"], "split": f"utd_{row['split']}"})
    for row in _rows(data / _ESC):
        rows.append({"path": row["path"], "label": row["label"], "split": fold_name(row["fold"])})
    for folder in ("audiovisual", "kinetics_hmdb51_ucf101"):
        if (data / "clips" / folder).is_dir():
            for clip in read_clips(str(data / "clips" / folder)):
                rows.append({"path": clip.file, "label": "", "split": "other"})
    return rows


def _rows(folder: pathlib.Path) -> list[dict[str, str]]:
    path = folder / "clips.csv"
    if not path.is_file():
        raise UserError(
            f"{path} was not found: --data names a folder with {_GRID}, {_UTD} and {_ESC}, each with a list "
            "of its clips."
        )
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{**row, "path": str((folder / row["path"]).resolve())} for row in rows]


def _write_list(output: pathlib.Path, clips: list[dict[str, str]]) -> pathlib.Path:
    path = output / "clips.csv"
    with files.replacing(path) as aside, open(aside, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["path", "label", "split"])
        writer.writeheader()
        writer.writerows(clips)
    return path


def write_recipe(output: pathlib.Path, name: str, steps: int, size: int, seed: int) -> pathlib.Path:
    """Writes the gin file of a run and returns its path."""
    warmup = steps // 12  # As in the demo.
    text = _RECIPE.format(
        steps=steps, warmup=warmup, size=size, records=output / "records", seed=seed
    )
    with files.replacing(output / f"{name}.gin") as aside:
        aside.write_text(text + _RUNS[name])
    return output / f"{name}.gin"


def _evaluate(evaluation: Evaluation, baseline: str | None, output: pathlib.Path) -> None:
    folder = output / "eval" / evaluation.name
    tasks = (evaluation.linear, evaluation.knn)
    if all(_result(folder, task, baseline) for task in tasks):
        return
    flags = [f"--task={','.join(tasks)}", f"--model_dir={output / evaluation.run}"]
    flags += [f"--data={output / 'records'}", f"--output={folder}"]
    flags += [f"--baseline={baseline}"] if baseline else []
    for role, split in zip(("train_split", "test_split"), evaluation.splits or ()):
        flags += [
            f"--gin_bindings={protocol}.{role} = '{split}'" for protocol in ("linear_svm", "knn")
        ]
    _command("brave_tf_eval", *flags)


def _command(command: str, *arguments: str) -> None:
    print(f"\n$ {' '.join([command, *arguments])}", file=sys.stderr, flush=True)
    program = pathlib.Path(sys.executable).with_name(command)
    code = subprocess.run([program, *arguments], stdout=sys.stderr, check=False).returncode
    if code:
        raise UserError(
            f"{command} ended with exit code {code}, its message is above. Started again, the benchmark goes "
            "on from here."
        )


def _result(folder: pathlib.Path, task: str, baseline: str | None) -> dict[str, Any] | None:
    """Returns the result of the last step, None where there is none."""
    found = [
        entry
        for entry in results.load_results(str(folder))
        if entry["task"] == task and entry["baseline"] == baseline
    ]
    return max(found, key=lambda entry: entry["step"] or 0, default=None)


def table_rows(
    evaluation: Evaluation, output: pathlib.Path, clips: list[dict[str, str]]
) -> list[dict[str, Any]]:
    """Returns a row for the linear SVM and one for kNN: top-1 accuracies, fractions, and their intervals."""
    folder = output / "eval" / evaluation.name
    prefix = {_GRID: "grid_", _UTD: "utd_", _ESC: "fold"}[evaluation.data]
    labels = {clip["label"] for clip in clips if clip["split"].startswith(prefix)}
    rows = []
    for protocol, task in (("linear", evaluation.linear), ("knn", evaluation.knn)):
        row = {
            "data": evaluation.data,
            "view": evaluation.view,
            "protocol": protocol,
            "pretraining": evaluation.run,
            "chance": 1 / len(labels),
        }
        for name, baseline in _WEIGHTS.items():
            found = _result(folder, task, baseline)
            row[name] = found["metrics"]["top1"]
            row[f"{name}_95"] = "-".join(f"{end:.3f}" for end in found["metrics"]["top1_ci95"])
        rows.append({**row, "test_clips": found["clips"]["test"]})
    return rows

"""The demo: rendered videos -> records -> pre-training -> evaluation -> SavedModel -> report, by commands.

usage: python datasets/demo/run.py --output=runs/demo [--seed=0]

Every step is one command, printed before it runs. Steps that are complete are not done again, so that an
interrupted demo goes on where it was. Leaves `summary.json` and the page `report/index.html` in the output
folder.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time

from absl import app, flags

FLAGS = flags.FLAGS
CLASSES = 8
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def define_flags() -> None:
    flags.DEFINE_string("output", "runs/demo", "Folder of everything that the demo makes.")
    flags.DEFINE_integer("seed", 0, "Seed of the rendered videos and of the training.")
    flags.DEFINE_integer("clips", 6000, "Training clips to render.")
    flags.DEFINE_integer("test_clips", 960, "Test clips to render.")
    flags.DEFINE_multi_string("gin_bindings", [], "Passed to both training runs.")


class Demo:
    """Runs the steps in one folder and keeps the seconds that each took."""

    def __init__(self, output: pathlib.Path, seed: int, gin_bindings: list[str]):
        self.output = output
        self.seed = seed
        self.bindings = [f"--gin_bindings={b}" for b in gin_bindings]
        self.seconds: dict[str, float] = {}

    def step(self, title: str, command: str, *arguments: str) -> None:
        """Runs one command of the project and ends the demo when it fails."""
        words = [str(pathlib.Path(sys.executable).parent / command), *arguments]
        print(f"\n== {title}\n$ {' '.join([command, *arguments])}", flush=True)
        start = time.perf_counter()
        code = subprocess.run(words, check=False).returncode
        self.seconds[title] = round(time.perf_counter() - start, 1)
        if code:
            sys.exit(
                f"error: the demo stopped in the step {title!r} (exit code {code}); its message is above. "
                "Started again, the demo goes on from here."
            )

    def data(self, clips: int, test_clips: int) -> None:
        media, records = self.output / "media", self.output / "records"
        counts = (f"--clips={clips}", f"--test_clips={test_clips}", f"--seed={self.seed}")
        self.step("render", "python", str(HERE / "render.py"), f"--output={media}", *counts)
        options = ("--fps=10", "--min_side=64", "--flow=dis", "--sample_rate=16000")
        source = f"--input={media / 'clips.csv'}"
        self.step("prepare", "brave_tf_prepare", source, f"--output={records}", *options)

    def train(self, title: str, recipe: str) -> None:
        self.step(
            title,
            "brave_tf_train",
            f"--gin_file={ROOT / 'gin' / recipe}",
            f"--gin_bindings=train.data_dir = '{self.output / 'records'}'",
            f"--gin_bindings=train.seed = {self.seed}",
            *self.bindings,
            f"--model_dir={self.output / title}",
        )

    def evaluate(self, run: str, tasks: str, *options: str) -> None:
        baseline = "random" if options else run
        self.step(
            f"evaluate {baseline}",
            "brave_tf_eval",
            f"--task={tasks}",
            f"--model_dir={self.output / run}",
            f"--data={self.output / 'records'}",
            f"--output={self.output / 'eval' / baseline}",
            *options,
        )

    def top1(self, run: str, task: str) -> float:
        results = json.loads((self.output / "eval" / run / "results.json").read_text())["results"]
        # The last one: there may be some of models that were there before.
        return [r["metrics"]["top1"] for r in results if r["task"] == task][-1]

    def export(self) -> None:
        run, output = self.output / "pretrained", self.output / "export"
        self.step(
            "export", "brave_tf_export", f"--model_dir={run}", f"--output={output}", "--overwrite"
        )

    def report(self) -> None:
        # Of the folder of them all: results lie beside the runs.
        self.step(
            "report", "brave_tf_report", str(self.output), f"--output={self.output / 'report'}"
        )

    def summary(self) -> dict:
        """Writes and returns the accuracies, the seconds of each step and the paths."""
        video, audio = "demo/linear", "demo/linear_audio"
        summary = {
            "narrow": {k: self.top1(k, video) for k in ("pretrained", "random", "supervised")},
            "broad_audio": {k: self.top1(k, audio) for k in ("pretrained", "random")},
            "chance": 1 / CLASSES,
            "seed": self.seed,
            "seconds": {**self.seconds, "total": round(sum(self.seconds.values()), 1)},
            "checkpoint": str(self.output / "pretrained" / "checkpoints"),
            "saved_model": str(self.output / "export" / "saved_model"),
            "report": str(self.output / "report" / "index.html"),
        }
        (self.output / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        return summary


def show(summary: dict, output: pathlib.Path) -> None:
    """Prints the table of accuracies, then where everything is."""
    narrow, audio = summary["narrow"], summary["broad_audio"]
    rows = [
        ("narrow RGB, pre-trained without labels", narrow["pretrained"]),
        ("narrow RGB, random initialisation", narrow["random"]),
        ("narrow RGB, trained with labels for as many steps", narrow["supervised"]),
        ("broad audio, pre-trained without labels", audio["pretrained"]),
        ("broad audio, random initialisation", audio["random"]),
        ("chance", summary["chance"]),
    ]
    print(f"\n{'linear probe on the test split':<52}accuracy")
    for name, value in rows:
        print(f"{name:<52}{value:8.3f}")
    print(f"\ncheckpoint   {summary['checkpoint']}")
    print(f"SavedModel   {summary['saved_model']}")
    print(f"summary      {output / 'summary.json'}  ({summary['seconds']['total']:.0f} s in all)")
    print(f"TensorBoard  {pathlib.Path(sys.executable).parent / 'tensorboard'} --logdir {output}")
    print(f"report       {summary['report']}")


def main(argv: list[str]) -> None:
    del argv
    output = pathlib.Path(FLAGS.output)
    output.mkdir(parents=True, exist_ok=True)
    demo = Demo(output, FLAGS.seed, FLAGS.gin_bindings)
    demo.data(FLAGS.clips, FLAGS.test_clips)
    demo.train("pretrained", "demo_v_fa.gin")
    demo.train("supervised", "demo_supervised.gin")
    demo.evaluate("pretrained", "demo/linear,demo/linear_audio,demo/knn")
    demo.evaluate("pretrained", "demo/linear,demo/linear_audio", "--baseline=random")
    demo.evaluate("supervised", "demo/linear,demo/knn")
    demo.export()
    demo.report()
    show(demo.summary(), output)


if __name__ == "__main__":
    define_flags()
    app.run(main)

"""Writes what users of version 0.1.0 have on their disks, for the tests that read it with later versions.

usage: PYTHONPATH=. python tests/compatibility/make_fixtures.py

It was run once, with version 0.1.0 of the package, by the modules' names of that time. The files stay as they
are: running it again would make files of another version, which is of use for new fixtures alone. Clips,
weights, features and numbers are the same in each run on one machine; ids and times of runs are not.

What is text goes to `written/`, all else into `written/rest.tar.xz`; `written_files.unpack` puts both into
one folder again. There are, as a user's folder has them:
  records/      clips with frames, flow and sound, of 2 classes, in the splits train and test
  runs/mine     a run of 4 steps by users/recipe.gin
  exported/     its export
  results/run, results/export      output of evaluations of both, with predictions, features, a fine-tuning
  embedded.npz  embeddings by the export
  layers.json   every backbone of the package in small, and optimizers, as Keras describes them
  expected.json numbers that have to come out again
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "helpers"))

import media  # noqa: E402
import tensorflow as tf  # noqa: E402
import written_files as kept  # noqa: E402
from small_backbones import BACKBONES  # noqa: E402

from brave_tf.training.optimizers import adam, lars, sgd  # noqa: E402
from brave_tf.training.optimizers.schedules import Scaled, warmup_cosine  # noqa: E402

TEXTS = {".gin", ".json", ".md", ".txt", ".csv"}
# Locks, and what says on which machine and when it was made.
LEFT_OUT = ("*.lock", "media/*", "__pycache__/*", "*.weights.h5")
EVALUATIONS = ("--task=" + ",".join(kept.TASKS), "--data=records", "--gin_file=evaluation.gin")


def main() -> None:
    """Makes the folder anew."""
    folder = pathlib.Path(tempfile.gettempdir()) / "brave_tf_written"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / "users", folder)
    write_media(folder / "media")
    flags = ("--fps=10", "--min_side=24", "--flow=dis", "--sample_rate=8000", "--audio=flac")
    run(folder, "prepare", "--input=media.csv", "--output=records", *flags, "--num_shards=1")
    kept.set_times(folder)
    run(folder, "train", "--gin_file=recipe.gin", "--model_dir=runs/mine")
    run(folder, "export", "--model_dir=runs/mine", "--output=exported")
    run(folder, "eval", *EVALUATIONS, "--model_dir=runs/mine", "--output=results/run")
    run(folder, "eval", *EVALUATIONS, "--model=exported", "--output=results/export")
    rename_events(folder)
    run(folder, "embed", "--model=exported", "--input=records", "--output=embedded.npz")
    (folder / "layers.json").write_text(json.dumps(layers(), indent=1) + "\n")
    expected = {"resumed": resumed(folder), "layers": features_of_layers(folder)}
    expected["keras"] = {name: kept.features(path) for name, path in kept.keras_files(folder)}
    sys.path.insert(0, str(HERE / "users"))
    expected["arrays"] = importlib.import_module("users_parts").of_arrays()
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    keep(folder)


def write_media(folder: pathlib.Path) -> None:
    """Renders 10 clips of 0.8 s: textures that move right with a low tone, or down with a high one."""
    rows = ["path,label,split"]
    for split, count in (("train", 6), ("test", 4)):
        for number in range(count):
            label = ("right", "down")[number % 2]
            path = folder / f"{split}_{number}.mp4"
            path.parent.mkdir(exist_ok=True)
            step = (2, 0) if label == "right" else (0, 2)
            frames = media.moving_texture(8, 24, 32, step, seed=10 * count + number)
            sound = media.tone(0.8, {"right": 300, "down": 900}[label] + 20 * number, 8000)
            media.write_video(path, frames, 10, audio=sound, sample_rate=8000)
            rows.append(f"media/{path.name},{label},{split}")
    (folder.parent / "media.csv").write_text("\n".join(rows) + "\n")


def run(folder: pathlib.Path, command: str, *flags: str) -> None:
    """Runs a command of the package in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    line = [sys.executable, "-m", f"brave_tf.cli.{command}", *flags]
    subprocess.run(line, cwd=folder, env=environment, check=True)


def rename_events(folder: pathlib.Path) -> None:
    """Takes time, machine and process out of the names of event files."""
    for number, path in enumerate(sorted(folder.rglob("events.out.tfevents.*"))):
        path.rename(path.with_name(f"events.out.tfevents.1.host.1.{number}.v2"))


def layers() -> dict[str, dict]:
    """Returns every backbone in small and optimizers, by name, as Keras describes them."""
    models = {name: build(name=name) for name, (build, _) in BACKBONES.items()}
    models["checkpointed"] = BACKBONES["tsm_light"][0](checkpoint_stages=True)
    rate = Scaled(warmup_cosine(0.1, 2, 10), 2.0)
    optimizers = {
        "adam": adam.adam(rate),
        "adamw": adam.adamw(0.1, multipliers={"predictor/": 2.0}),
        "lars": lars.lars(rate),
        "released_lars": lars.lars(rate, compat="released"),
        "sgd": sgd.sgd(0.1),
    }
    return {
        "models": {name: tf.keras.utils.serialize_keras_object(m) for name, m in models.items()},
        "optimizers": {name: tf.keras.optimizers.serialize(o) for name, o in optimizers.items()},
    }


def features_of_layers(folder: pathlib.Path) -> dict[str, list[float]]:
    """Returns what each model of layers.json answers with the weights of `written_files.fill`."""
    models = json.loads((folder / "layers.json").read_text())["models"]
    loaded = {name: tf.keras.utils.deserialize_keras_object(m) for name, m in models.items()}
    return {name: kept.answers(kept.fill(model)) for name, model in loaded.items()}


def resumed(folder: pathlib.Path) -> dict[str, dict[str, float]]:
    """Goes on with the run, in a copy; returns the losses of its steps, by their names."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = pathlib.Path(shutil.copytree(folder, pathlib.Path(scratch) / "copy"))
        run(copy, "train", *kept.RESUME)
        return kept.losses(copy / "runs/mine")


def keep(folder: pathlib.Path) -> None:
    """Puts the files of the folder into `written/`."""
    shutil.rmtree(kept.WRITTEN, ignore_errors=True)
    kept.WRITTEN.mkdir()
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    left = {n for n, pattern in itertools.product(names, LEFT_OUT) if n.match(pattern)}
    users = {path.relative_to(HERE / "users") for path in (HERE / "users").iterdir()}
    rest = []
    for name in sorted(names - left - users):
        if name.suffix in TEXTS and name.name != "layers.json":
            (kept.WRITTEN / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, kept.WRITTEN / name)
        else:
            rest.append(name)
    with tarfile.open(kept.REST, "w:xz", preset=9) as archive:
        for name in rest:
            archive.add(folder / name, name.as_posix(), filter=kept.nobodys)
    print(f"{kept.REST}: {kept.REST.stat().st_size:,} bytes, {len(rest)} files")


if __name__ == "__main__":
    main()

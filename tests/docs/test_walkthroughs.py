"""The commands and snippets of the pages work as they are written."""

import json
import pathlib
import shutil

import command
import media
import numpy as np
import pytest
import tensorflow as tf
import tiny_released
import walkthrough
from prepared import write_csv

from brave_tf import config
from brave_tf.cli import eval as evaluate
from brave_tf.cli import prepare
from brave_tf.interop.deepmind import haiku_file

ROOT = config.RECIPE_DIR.parent
PAGES = [
    "docs/commands.md",
    "docs/data.md",
    "docs/objectives.md",
    "docs/backbones.md",
    "examples/plugin/README.md",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with some videos, records of HMDB51 and a published checkpoint, after what the README says."""
    home = tmp_path_factory.mktemp("home")
    for name in ("gin", "examples"):
        (home / name).symlink_to(ROOT / name)
    for number in range(10):
        path = home / "videos" / ("cat", "dog")[number % 2] / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = media.moving_texture(25, seed=number)
        media.write_video(path, frames, 25, audio=media.tone(1.0, 200 + 50 * number))
    _prepare(home, "hmdb51", ("train-train-train", "test-test-test"))
    haiku_file.write(str(home / "29466668_1_0.npy"), tiny_released.make_checkpoint())
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(home)
        walkthrough.follow(ROOT / "README.md", monkeypatch)
    return home


def _prepare(home: pathlib.Path, name: str, splits: tuple[str, str]) -> None:
    """Makes records of the videos: the first half is of the first split, the other of the second."""
    videos = sorted((home / "videos").glob("*/*.mp4"), key=lambda path: int(path.stem))
    rows = [f"{path},{path.parent.name},{splits[i // 5]},," for i, path in enumerate(videos)]
    flags = ["--flow=none", f"--output={home / 'data' / name}"]
    assert command.run(prepare, f"--input={write_csv(home, rows)}", *flags) == 0


@pytest.mark.long
def test_readme(home):
    results = json.loads((home / "runs" / "mine" / "eval" / "results.json").read_text())["results"]
    assert [result["task"] for result in results] == ["folder/linear", "folder/linear_audio"]
    assert "narrow/features" in np.load(home / "features.npz")


@pytest.mark.long
@pytest.mark.parametrize("page", PAGES)
def test_page(page, home, monkeypatch):
    monkeypatch.chdir(home)
    walkthrough.follow(ROOT / page, monkeypatch)


@pytest.mark.long
def test_evaluation(home, monkeypatch):
    monkeypatch.chdir(home)
    for run in ("as_v_fa", "k600_cvrl_r3d50"):
        (home / "runs" / run).symlink_to(home / "runs" / "mine")
    (home / "data" / "ucf101").symlink_to(home / "data" / "hmdb51")
    _prepare(home, "kinetics600", ("train", "val"))
    module = tf.Module()
    module.f = tf.function(
        lambda images: tf.reduce_mean(images, (1, 2)),
        input_signature=[tf.TensorSpec((None, 96, 96, 3))],
    )
    module.__call__ = module.f
    tf.saved_model.save(module, "somewhere")
    walkthrough.follow(ROOT / "docs" / "evaluation.md", monkeypatch)
    (home / "mine.gin").write_text("import my_protocol\n")
    own = ["--task=mine/nearest_mean", "--gin_file=mine.gin", "--data=data/mine"]
    assert command.run(evaluate, *own, "--model_dir=runs/mine") == 0
    results = json.loads((home / "runs" / "mine" / "eval" / "results.json").read_text())["results"]
    baselines = {(result["task"], result["baseline"]) for result in results}
    assert {("mine/nearest_mean", None), ("folder/knn_audio", "random")} <= baselines


@pytest.mark.long
def test_export_answers_the_request_that_the_page_makes(home, monkeypatch):
    monkeypatch.chdir(home)
    shutil.rmtree("exported")  # which the README has made
    walkthrough.follow(ROOT / "docs" / "export.md", monkeypatch)
    request = json.loads((home / "request.json").read_text())
    model = tf.saved_model.load(str(home / "serving" / "mine" / "1"))
    signature = model.signatures[request["signature_name"]]
    # As Serving does: the numbers of the request in the type that the signature takes.
    _, accepted = signature.structured_input_signature
    inputs = {name: tf.constant(x, accepted[name].dtype) for name, x in request["inputs"].items()}
    answer = signature(**inputs)
    assert list(answer) == ["embedding"]
    assert answer["embedding"].shape[0] == 1 and np.isfinite(answer["embedding"]).all()

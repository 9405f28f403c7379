"""The whole demo, with few clips and few steps."""

import json
import pathlib
import re
import subprocess
import sys

import html_page
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[3]


@pytest.mark.long
def test_the_demo_leaves_a_summary_and_what_it_names(tmp_path):
    arguments = [f"--output={tmp_path}", "--clips=96", "--test_clips=48", "--seed=3"]
    arguments += ["--gin_bindings=STEPS = 3", "--gin_bindings=warmup_cosine.warmup_steps = 1"]
    arguments += [
        "--gin_bindings=train.batch_size = 16",
        "--gin_bindings=train.held_out_batches = 1",
    ]
    command = [sys.executable, str(ROOT / "datasets" / "demo" / "run.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary["narrow"]) == {"pretrained", "random", "supervised"}
    assert set(summary["broad_audio"]) == {"pretrained", "random"}
    accuracies = [*summary["narrow"].values(), *summary["broad_audio"].values()]
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)
    assert summary["chance"] == 1 / 8
    assert summary["seed"] == 3
    assert set(summary["seconds"]) >= {"render", "prepare", "pretrained", "supervised", "export"}
    assert "linear probe on the test split" in done.stdout

    page = pathlib.Path(summary["report"])
    assert page == tmp_path / "report" / "index.html"
    assert done.stdout.rstrip().endswith(f"report       {page}")
    check_page(page, tmp_path)

    assert tf.train.latest_checkpoint(summary["checkpoint"]).endswith("step-3")
    model = tf.saved_model.load(summary["saved_model"])
    for shape in ((1, 16, 224, 224, 3), (3, 9, 80, 96, 3)):
        answer = model.signatures["narrow_uint8"](video=tf.zeros(shape, tf.uint8))
        assert answer["embedding"].shape[0] == shape[0]
    for samples in (1600, 1777, 50000):
        answer = model.signatures["broad_audio"](pcm=tf.zeros((2, samples)))
        assert answer["embedding"].shape[0] == 2


def check_page(path, output):
    """Both runs with their evaluations as results.json has them, confusions, neighbours and curves."""
    page = html_page.Page(path)
    page.check_self_contained()
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", page.text)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    shown = {tuple(row[:4]): row[6] for row in cells if len(row) == 13}
    expected = {}
    for folder, run, weights in (
        ("pretrained", "pretrained", "trained"),
        ("random", "pretrained", "random"),
        ("supervised", "supervised", "trained"),
    ):
        results = json.loads((output / "eval" / folder / "results.json").read_text())["results"]
        for result in results:
            key = run, result["task"], result["view"], weights
            expected[key] = f"{100 * result['metrics']['top1']:.1f}"
    assert len(expected) == 7
    assert shown == expected
    assert page.count(class_="strip") > 2 * 6
    for text in ("Confusion", "Learning curves", "Nearest neighbours"):
        assert text.lower() in page.data.lower()


def test_a_failing_step_ends_the_demo_with_its_name(tmp_path):
    (tmp_path / "media" / "train").mkdir(parents=True)
    (tmp_path / "media" / "render.json").write_text('{"format": 0, "seed": 9}')
    command = [sys.executable, str(ROOT / "datasets" / "demo" / "run.py"), f"--output={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "the demo stopped in the step 'render'" in done.stderr
    assert not (tmp_path / "summary.json").exists()

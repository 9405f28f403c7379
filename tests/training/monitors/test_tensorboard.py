"""What TensorBoard's pages get from a run, asked for as a browser does."""

import json
import pathlib
import re
import urllib.parse
import urllib.request

import cv2
import numpy as np
import pytest
import tensorflow as tf
from tensorboard import program

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "tensorboard.md").read_text()
TERMS = ("narrow_to_broad_audio", "broad_audio_to_narrow")
VIEWS = ("narrow", "broad_audio")
# In runs of other precisions and objectives.
ABSENT = {"optimizer/loss_scale", "accuracy/narrow", "accuracy/broad_audio"}
ABSENT |= {"accuracy/contrast", "entropy/contrast", "similarity/positive", "similarity/negative"}
ABSENT |= {"target/distance", "target/momentum", "queue/age", "queue/same_source"}
ABSENT |= {"positives/same_source", "mined/same_class"}


@pytest.fixture(scope="module")
def get(watched_run):
    """Path -> what a TensorBoard server of the run answers, as bytes, with parameters in the query."""
    server = program.TensorBoard()
    once = ["--load_fast=false", "--reload_task=blocking", "--reload_interval=0"]
    server.configure([None, f"--logdir={watched_run[0]}", "--port=0", "--host=localhost", *once])
    address = server.launch()

    def answer(path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{address}data/plugin/{path}?{query}") as response:
            return response.read()

    return answer


def points(get, run, tag):
    """Step -> number of a chart."""
    rows = json.loads(get("scalars/scalars", run=f"tensorboard/{run}", tag=tag))
    return {step: value for _, step, value in rows}


def documented():
    """The tags of the page's table of charts, with the names of views and terms in place."""
    table = PAGE[PAGE.index("| tag |") : PAGE.index("What is measured")]
    tags = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    for_views = [tag.replace("<view>", view) for tag in tags for view in VIEWS]
    return {tag.replace("<term>", term) for tag in for_views for term in TERMS}


def test_the_charts_are_those_of_the_page(get):
    tags = json.loads(get("scalars/tags"))
    assert set(tags) == {"tensorboard/train", "tensorboard/held_out"}
    assert set(tags["tensorboard/train"]) == documented() - ABSENT
    assert set(tags["tensorboard/held_out"]) == {"loss", *(f"loss/{term}" for term in TERMS)}


def test_charts_have_a_point_for_each_log(get):
    assert list(points(get, "train", "loss")) == [2, 4, 6]
    assert list(points(get, "train", "probe/knn_top1")) == [2, 4, 6]
    assert list(points(get, "held_out", "loss")) == [2, 4, 6]
    for tag in ("optimizer/gradient_norm", "optimizer/update_norm", "features/std/narrow"):
        assert all(value > 0 for value in points(get, "train", tag).values()), tag
    # Plain SGD with a learning rate of 0.05.
    last = {
        tag: points(get, "train", f"optimizer/{tag}")[6] for tag in ("update_norm", "weight_norm")
    }
    share = points(get, "train", "optimizer/update_share")[6]
    np.testing.assert_allclose(share, last["update_norm"] / last["weight_norm"], rtol=1e-4)
    for tag in ("input/wait_share", "probe/knn_top1"):
        assert all(0 <= value <= 1 for value in points(get, "train", tag).values()), tag


@pytest.mark.parametrize(
    ("view", "shape"), [("narrow", (16, 4 * 20 - 4, 3)), ("broad_audio", (16, 30, 3))]
)
def test_clips_are_shown_as_pictures(get, view, shape):
    where = {"run": "tensorboard/train", "tag": f"clips/{view}"}
    for sample in (0, 1):
        listed = json.loads(get("images/images", **where, sample=sample))
        assert [each["step"] for each in listed] == [1, 4]
        picture = get(
            "images/individualImage", blob_key=listed[0]["query"].split("=")[1].split("&")[0]
        )
        decoded = tf.io.decode_image(picture).numpy()
        assert decoded.shape == shape
        assert decoded.std() > 10


def test_the_configuration_is_a_text(get):
    (text,) = json.loads(get("text/text", run="tensorboard/train", tag="config"))
    assert "sgd.learning_rate = 0.05" in text["text"]
    assert "CollapseWatch.patience = 5" in text["text"]


def test_the_projector_has_points_labels_and_pictures(get):
    (run,) = json.loads(get("projector/runs"))
    (embedding,) = json.loads(get("projector/info", run=run))["embeddings"]
    name = embedding["tensorName"]
    assert name == "narrow at step 6"
    features = np.frombuffer(get("projector/tensor", run=run, name=name), np.float32)
    assert features.reshape(12, 16).std(axis=0).max() > 0
    labels = get("projector/metadata", run=run, name=name).decode().split()
    assert sorted(labels) == ["0"] * 6 + ["1"] * 6
    sheet = cv2.imdecode(
        np.frombuffer(get("projector/sprite_image", run=run, name=name), np.uint8), cv2.IMREAD_COLOR
    )
    assert sheet.shape == (4 * 48, 4 * 48, 3)
    assert embedding["sprite"]["singleImageDim"] == [48, 48]


def test_the_profile_is_there(watched_run):
    folder, printed = watched_run
    (trace,) = (folder / "tensorboard/train/plugins/profile").glob("*/*.xplane.pb")
    assert b"__inference__train_on_" in trace.read_bytes()
    assert re.search(r"^profile of steps 3 to 4: \S+tensorboard/train$", printed, re.MULTILINE)


def test_files_are_few_and_small(watched_run):
    files = [path for path in (watched_run[0] / "tensorboard").rglob("*") if path.is_file()]
    kept = [path for path in files if "plugins" not in path.parts]
    assert len(kept) == 6
    assert sum(path.stat().st_size for path in kept) < 200_000


def test_the_last_lines_sum_up(watched_run):
    lines = watched_run[1].strip().splitlines()
    assert re.fullmatch(
        r"steps 1 to 6 in \d\d:\d\d: \d+\.\d clips/s, \d+% of a step waiting for input", lines[-5]
    )
    assert re.fullmatch(r"loss [\d.]+, loss/narrow_to\w+ [\d.]+, loss/\w+ [\d.]+", lines[-4])
    assert re.fullmatch(r"held-out loss [\d.]+, lowest [\d.]+ at step [246]", lines[-3])
    assert lines[-2:] == ["no warnings", "input: no clips skipped"]
    assert re.search(r"^step 4/6  probe/knn_top1 [01]\.\d{4}$", watched_run[1], re.MULTILINE)

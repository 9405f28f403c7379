"""A modality that a plug-in adds, from preparation to an exported model, with no other file than its own."""

import json
import os
import pickle
import subprocess
import sys

import command
import gin
import media
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf
import tiny_run
from captioned import captioned, expected_words

from brave_tf import config
from brave_tf import modality_registry as modalities
from brave_tf.cli import embed as embed_command
from brave_tf.cli import eval as eval_command
from brave_tf.cli import export as export_command
from brave_tf.cli import inspect as inspect_command
from brave_tf.cli import prepare as prepare_command
from brave_tf.cli import train as train_command
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.sources.kinds import open_source
from brave_tf.errors import UserError
from brave_tf.evaluation.tasks import registry
from brave_tf.interop import user_clips
from brave_tf.modalities.base import register_modality
from brave_tf.reporting import film_strips
from brave_tf.training import recipe
from brave_tf.training.monitors.clip_pictures import picture

FOLDER = config.RECIPE_DIR.parent / "examples" / "plugin"
WORDS = ("a red ball", "Two DOGS, barking")
PARTS = """
import brave_tf_captions
import brave_tf_contrast
Recipe.views = {'narrow': @narrow/RgbView(), 'caption': @CaptionView()}
Recipe.objective = @Contrast
Contrast.backbones = {'narrow': @frame_average(), 'caption': @word_average()}
Contrast.size = 8
frame_average.widths = (8, 16)
CaptionView.buckets = 64
CaptionView.words = 4
word_average.buckets = 64
word_average.width = 8
eval_windows.train_passes = 2
eval_windows.temporal_crops = 2
"""


@pytest.fixture(autouse=True)
def captions(monkeypatch):
    """The plug-in; the modality is known for the duration of a test."""
    monkeypatch.syspath_prepend(str(FOLDER))
    modalities.registered()
    monkeypatch.setattr(modalities, "_REGISTERED", dict(modalities._REGISTERED))
    import brave_tf_captions

    register_modality(brave_tf_captions.Captions)
    return brave_tf_captions


def film(path):
    frames = [np.full((32, 48, 3), 20 * index, np.uint8) for index in range(10)]
    return media.write_video(path, frames)


@pytest.fixture
def records(tmp_path):
    """A folder of records with frames and captions, of two classes; one of six in a split has no caption."""
    folder = tmp_path / "records"
    for seed, split in enumerate(("train", "test")):
        rng = np.random.default_rng(seed)
        found = []
        for index in range(12):
            pixels = rng.integers(0, 256, (tiny_run.FRAMES, 32, 32, 3), dtype=np.uint8)
            record = record_fixtures.record(
                images=[record_fixtures.jpeg(frame) for frame in pixels],
                labels=[index % 2],
                frame_rate=tiny_run.RATE,
                path=f"{split}{index}.mp4",
            )
            found.append(captioned(record, WORDS[index % 2]) if index % 6 else record)
        settings = {"fps": tiny_run.RATE}
        record_fixtures.write_shards(folder, found, 2, split, settings=settings)
        path = folder / "dataset.json"
        description = json.loads(path.read_text())
        description["splits"][split]["with_captions"] = 10
        path.write_text(json.dumps(description))
    return folder


@pytest.mark.parametrize(
    "text", ["A red  ball!", "Ünïted, straße 42", "", "one two three four five"]
)
def test_words_are_ones_in_their_buckets(captions, text):
    view = captions.CaptionView(words=4, buckets=64)
    clip = parse_clip(tf.constant(captioned(record_fixtures.record(), text)), view.fields)
    expected = expected_words([text], 4, 64)
    np.testing.assert_array_equal(view.crops(clip, 2, 3), np.repeat(expected, 2, axis=0))
    sample = view.sample(clip, tf.constant(0.0, tf.float64), tf.constant([0, 0]))
    np.testing.assert_array_equal(sample, expected[0])


def test_its_gin_file_makes_a_model_that_takes_a_step():
    config.load_config([str(FOLDER / "captions.gin")])
    made = recipe.Recipe()
    assert {name: view.modality for name, view in made.views.items()} == {
        "narrow": "rgb",
        "caption": "captions",
    }
    objective = made.build(seed=0)
    objective.compile(optimizer=gin.query_parameter("train.optimizer").scoped_configurable_fn())
    rng = np.random.default_rng(0)
    batch = {k: rng.random((2, *v.shape)).astype(np.float32) for k, v in made.views.items()}
    before = objective.backbones["caption"].get_weights()
    for _ in range(2):  # the warm-up begins with a rate of 0
        logs = objective.train_on_batch({**batch, "label": np.array([-1, -1])}, return_dict=True)
    assert np.isfinite(logs["loss"])
    after = objective.backbones["caption"].get_weights()
    assert any(np.abs(a - b).max() > 0 for a, b in zip(before, after))


def test_it_is_trained_probed_exported_and_embedded_by_the_commands(records, tmp_path, capsys):
    path = tiny_run.write_recipe(tmp_path, records, PARTS)
    run, out = f"--model_dir={tmp_path / 'run'}", tmp_path / "exported"
    assert command.run(train_command, f"--gin_file={path}", run) == 0
    trust = ["--trust=brave_tf_captions", "--trust=brave_tf_contrast"]
    task = "--task=folder/knn_captions"
    assert command.run(eval_command, task, run, f"--data={records}", *trust) == 0
    (result,) = json.loads((tmp_path / "run" / "eval" / "results.json").read_text())["results"]
    # A word of a caption tells its class, and two clips of each split have none.
    assert (result["task"], result["metrics"]["top1"]) == ("folder/knn_captions", 1.0)
    assert (result["clips"]["train"], result["clips"]["test"]) == (10, 10)

    capsys.readouterr()
    assert command.run(export_command, run, f"--output={out}", *trust) == 0
    assert "signature caption: text string (?) -> embedding" in capsys.readouterr().out
    features = plain_features(out / "saved_model", list(WORDS))
    weights, bias = (
        recipe.load_run(str(tmp_path / "run")).objective.backbones["caption"].get_weights()
    )
    expected = np.maximum(expected_words(WORDS, 4, 64) @ weights + bias, 0).mean(axis=1)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-6)

    # The exported model is evaluated through the signature of windows, and embeds the clips' captions.
    assert command.run(eval_command, task, f"--model={out}", f"--data={records}", *trust) == 0
    (result,) = json.loads((out / "results.json").read_text())["results"]
    assert result["metrics"]["top1"] == 1.0
    flags = [
        f"--input={records}",
        "--split=test",
        "--view=caption",
        f"--output={tmp_path / 'f.npz'}",
    ]
    assert command.run(embed_command, f"--model={out}", *flags, *trust) == 0
    found = np.load(tmp_path / "f.npz")
    assert len(found["caption/features"]) == 10
    rows = [int(path[4:-4]) % 2 for path in found["caption/paths"]]
    np.testing.assert_allclose(found["caption/features"], expected[rows], rtol=1e-4, atol=1e-6)


def plain_features(folder, texts):
    """Asks an exported model in a process that has TensorFlow alone."""
    script = (
        "import sys, json, tensorflow as tf\n"
        "model = tf.saved_model.load(sys.argv[1])\n"
        "texts = tf.constant(json.loads(sys.argv[2]))\n"
        "print(json.dumps(model.signatures['caption'](text=texts)['embedding'].numpy().tolist()))\n"
        "assert not any(name.startswith('brave_tf') for name in sys.modules)\n"
    )
    arguments = [sys.executable, "-c", script, str(folder), json.dumps(texts)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return np.array(json.loads(done.stdout.splitlines()[-1]))


def test_a_csv_is_prepared_with_its_captions_and_inspected(tmp_path, capsys):
    films = [film(tmp_path / f"{index}.mp4") for index in range(3)]
    rows = [
        f"{each.name},{label},{text}"
        for each, label, text in zip(films, "aab", ["a red ball", "", "<b>"])
    ]
    (tmp_path / "clips.csv").write_text("\n".join(["path,label,caption", *rows]) + "\n")
    output = tmp_path / "out"
    flags = [
        f"--input={tmp_path / 'clips.csv'}",
        f"--output={output}",
        "--flow=none",
        "--workers=1",
    ]
    plugin = "--plugin=brave_tf_captions"
    assert command.run(prepare_command, *flags, plugin) == 0
    description = json.loads((output / "dataset.json").read_text())
    assert description["splits"]["train"]["with_captions"] == 2
    assert description["modalities"] == ["captions"]
    info = DatasetInfo.load(output)
    assert info.split("train").with_modality["captions"] == 2
    assert info.held("train").has(["rgb", "captions"])

    capsys.readouterr()
    assert command.run(inspect_command, f"--data={output}", plugin) == 0
    shown = capsys.readouterr().out
    assert "captions" in shown.splitlines()[0].split()
    report = json.loads((output / "inspection" / "report.json").read_text())
    assert report["splits"]["train"]["with_captions"] == 2
    (lacking,) = [f for f in report["findings"] if f["kind"] == "modality_missing"]
    assert lacking["count"] == 1 and "no captions" in lacking["examples"][0]
    page = (output / "inspection" / "index.html").read_text()
    assert "a red ball" in page and "&lt;b&gt;" in page


def test_captions_of_a_csv_can_be_embedded(captions, tmp_path):
    film(tmp_path / "a.mp4")
    (tmp_path / "clips.csv").write_text("path,caption\na.mp4,a red ball\n")
    view = captions.CaptionView(words=4, buckets=64)
    source = user_clips.open_clips(str(tmp_path / "clips.csv"), {"caption": view}, workers=1)
    (clip,) = source.clips
    crops = view.crops(parse_clip(tf.constant(clip.record), source.fields["caption"]), 1, 1)
    np.testing.assert_array_equal(crops, expected_words(["a red ball"], 4, 64))


def test_it_is_drawn_wherever_clips_are(captions):
    view = captions.CaptionView(words=4, buckets=64)
    clip = parse_clip(tf.constant(captioned(record_fixtures.record(), "a red ball")), view.fields)
    drawn = film_strips._picture(clip, "captions")
    assert drawn.shape == (84, 252, 3) and drawn.min() < 100 < drawn.mean()
    window = picture("captions", view.crops(clip, 1, 1)[0].numpy())
    bright = window.astype(int).sum(axis=-1) > 600
    np.testing.assert_array_equal(bright, expected_words(["a red ball"], 4, 64)[0] == 1)


def test_a_process_that_is_sent_the_modality_knows_it(captions):
    sent = pickle.dumps((captions.Captions(),)).hex()
    script = (
        "import sys, pickle\n"
        "from brave_tf import modality_registry as base\n"
        "assert 'captions' not in base.names()\n"
        "pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "assert 'captions' in base.names()\n"
    )
    paths = os.pathsep.join([str(FOLDER), *sys.path])
    environment = {**os.environ, "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", script, sent], env=environment, check=True)


def test_a_folder_prepared_otherwise_is_not_taken_for_this_one(tmp_path, monkeypatch, capsys):
    film(tmp_path / "a.mp4")
    (tmp_path / "clips.csv").write_text("path\na.mp4\n")
    flags = [f"--input={tmp_path / 'clips.csv'}", f"--output={tmp_path / 'out'}", "--flow=none"]
    assert command.run(prepare_command, *flags, "--workers=1") == 0
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["modalities"] == ["captions"]
    monkeypatch.delitem(modalities._REGISTERED, "captions")
    assert command.run(prepare_command, *flags, "--workers=1") == 2
    assert "modalities of plug-ins are captions, not none" in capsys.readouterr().err


def test_clips_without_captions_are_refused_with_what_to_do(captions, tmp_path):
    view = {"caption": captions.CaptionView()}
    folder = record_fixtures.write_shards(tmp_path / "records", [record_fixtures.record([b"x"])])
    advice = "needs captions.*column caption, with --plugin=brave_tf_captions"
    with pytest.raises(UserError, match=advice):
        open_source(str(folder)).check("train", view)
    (tmp_path / "films").mkdir()
    film(tmp_path / "films" / "a.mp4")
    with pytest.raises(UserError, match="not computed while.*--plugin=brave_tf_captions"):
        open_source(str(tmp_path / "films")).check("train", view)


def test_the_index_of_shards_is_not_asked_for_what_it_may_lack(captions, records):
    from brave_tf.data.records import index

    for shard in records.glob("*.tfrecord"):
        index.make(str(shard))
    view = captions.CaptionView(words=4, buckets=64)
    source = open_source(str(records))
    labels = source.labels("train", view)
    assert np.count_nonzero(labels < 0) == 2
    stream = source.stream("train", {"caption": view})
    texts = [stream.parse(item).extra["CAPTION/text"].numpy()[0] for item, _ in stream.once(0)]
    # The two that lack one are of the first class.
    assert sorted(texts) == sorted([WORDS[0].encode()] * 4 + [WORDS[1].encode()] * 6)


def test_tasks_of_a_modality_go_with_it(monkeypatch):
    assert registry.find_task("demo/linear_captions").modality == "captions"
    monkeypatch.delitem(modalities._REGISTERED, "captions")
    with pytest.raises(UserError, match="no such task"):
        registry.find_task("demo/linear_captions")

"""The command brave_tf_embed, on real media and on records."""

import csv
import gc
import os
import resource
import shutil
import sys

import command
import numpy as np
import pytest
import tensorflow as tf
import untrained_run
import waiting_pipes
from media import moving_texture, tone, write_audio, write_video

from brave_tf.cli import embed as embed_command
from brave_tf.data.clips.clip_list import read_clips
from brave_tf.data.pipeline import clip_windows
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.interop import saved_model
from brave_tf.training import recipe

COLUMNS = ("features", "paths", "labels", "starts", "ends")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`model`, a run; `exported`, its export; `records`; `media`, with two videos, a sound and junk."""
    root = tmp_path_factory.mktemp("embed")
    saved_model.export_run(str(untrained_run.write_run(root)), str(root / "exported"))
    for name, seed in (("cat/a.mp4", 1), ("dog/b.avi", 2)):
        (root / "media" / name).parent.mkdir(parents=True)
        frames = moving_texture(30, 48, 64, seed=seed)
        sound = tone(1.2, 300 * seed, 8000)
        write_video(root / "media" / name, frames, 25, audio=sound, sample_rate=8000)
    write_audio(root / "media" / "dog" / "c.wav", tone(1.0, 500, 8000), 8000)
    (root / "media" / "cat" / "junk.mp4").write_bytes(b"not a film" * 100)
    return root


def embed(folder, output, *arguments, source="media"):
    arguments = [f"--output={output}", *arguments]
    if not any(argument.startswith("--input=") for argument in arguments):
        arguments.append(f"--input={folder / source}")
    return command.run(embed_command, f"--model={folder / 'exported'}", *arguments)


def failures(output):
    with open(output.with_suffix(".failures.csv"), newline="") as file:
        return list(csv.DictReader(file))


def test_media_become_what_their_records_become(folder, tmp_path, capsys):
    """The rows of media files equal those of records that were prepared from them."""
    output = tmp_path / "media.npz"
    assert embed(folder, output, "--crops=2x3") == 0
    shown = capsys.readouterr().out.splitlines()[-1]
    assert shown == (
        f"wrote 2 rows of narrow, 3 rows of broad_audio of 3 clips to {output}; 1 failed, see "
        f"{tmp_path / 'media.failures.csv'}"
    )
    got = np.load(output)
    assert got["narrow/paths"].tolist() == ["cat/a.mp4", "dog/b.avi"]
    assert got["broad_audio/paths"].tolist() == ["cat/a.mp4", "dog/b.avi", "dog/c.wav"]
    assert got["broad_audio/labels"].tolist() == ["cat", "dog", "dog"]
    assert got["narrow/starts"].tolist() == [0.0, 0.0]
    assert got["broad_audio/ends"].tolist() == pytest.approx([1.2, 1.2, 1.0])
    (failure,) = failures(output)
    assert (failure["path"], failure["stage"]) == ("cat/junk.mp4", "open")

    settings = PreparationSettings(fps=10.0, min_side=18, flow="none", sample_rate=8000)
    prepare(read_clips(str(folder / "media")), str(tmp_path / "records"), settings, workers=1)
    again = tmp_path / "records.npz"
    assert embed(folder, again, "--crops=2x3", f"--input={tmp_path / 'records'}") == 0
    assert not again.with_suffix(".failures.csv").exists()
    records = np.load(again)
    for view in ("narrow", "broad_audio"):
        order = np.argsort(records[f"{view}/paths"])
        for key in ("paths", "labels", "starts", "ends"):
            expected = got[f"{view}/{key}"]
            np.testing.assert_array_equal(records[f"{view}/{key}"][order], expected)
        features = records[f"{view}/features"][order]
        np.testing.assert_allclose(features, got[f"{view}/features"], rtol=1e-5, atol=1e-6)


def test_records_are_embedded_as_the_model_sees_them(folder, tmp_path):
    output = tmp_path / "records.npz"
    assert (
        embed(folder, output, "--noaverage", "--crops=2x1", "--split=test", source="records") == 0
    )
    got = np.load(output)
    run = recipe.load_run(str(folder / "model"))
    for name, view in run.recipe.views.items():
        clips = list(clip_windows.crop_dataset(str(folder / "records"), "test", view, 2, 1))
        expected = run.objective.embed(name, tf.concat([clip["crops"] for clip in clips], 0))
        np.testing.assert_allclose(got[f"{name}/features"], expected, rtol=1e-4, atol=1e-5)
    # 8 frames at 10 per second: windows of 4 frames, of 0.6 s of 0.8 s of sound.
    assert got["narrow/starts"].tolist() == [0.0, 0.4] * 12
    np.testing.assert_allclose(got["narrow/ends"], [0.4, 0.8] * 12)
    np.testing.assert_allclose(got["broad_audio/starts"], [0.0, 0.2] * 12)
    np.testing.assert_allclose(got["broad_audio/ends"], [0.6, 0.8] * 12)
    labels = [str(int(clip["label"])) for clip in clips for _ in range(2)]
    assert got["narrow/labels"].tolist() == labels
    assert set(labels) == {"0", "1"}


def test_a_row_is_the_mean_over_a_clips_windows(folder, tmp_path):
    arguments = ("--crops=3x2", "--view=narrow", "--split=test", "--batch_size=5")
    assert embed(folder, tmp_path / "a.npz", *arguments, source="records") == 0
    assert embed(folder, tmp_path / "b.npz", *arguments, "--noaverage", source="records") == 0
    mean, each = np.load(tmp_path / "a.npz"), np.load(tmp_path / "b.npz")
    assert set(mean.files) == {f"narrow/{key}" for key in COLUMNS}
    windows = each["narrow/features"].reshape(12, 6, -1)
    np.testing.assert_allclose(mean["narrow/features"], windows.mean(1), rtol=1e-5, atol=1e-6)
    assert mean["narrow/features"].dtype == np.float32


def test_a_run_is_embedded_at_one_of_its_checkpoints(folder, tmp_path, capsys):
    output = tmp_path / "features.npz"
    arguments = (f"--input={folder / 'records'}", "--split=test", f"--output={output}")
    assert embed(folder, output, *arguments[:2], "--crops=2x1") == 0
    of_export = dict(np.load(output))
    run = (f"--model_dir={folder / 'model'}", "--crops=2x1", *arguments)
    assert command.run(embed_command, *run, "--checkpoint=2") == 0
    of_run = np.load(output)
    assert set(of_run.files) == set(of_export)
    for view in ("narrow", "broad_audio"):
        found, expected = of_run[f"{view}/features"], of_export[f"{view}/features"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert command.run(embed_command, *run, "--checkpoint=3") == 2
    assert "one of the steps 2" in capsys.readouterr().err


def test_a_single_file(folder, tmp_path, capsys):
    film = folder / "media" / "cat" / "a.mp4"
    output = tmp_path / "deep" / "a.npz"
    assert embed(folder, output, f"--input={film}", "--view=narrow") == 0
    assert np.load(output)["narrow/paths"].tolist() == [str(film)]
    sound = folder / "media" / "dog" / "c.wav"
    assert embed(folder, output, f"--input={sound}") == 0
    assert set(np.load(output).files) == {f"broad_audio/{k}" for k in COLUMNS}
    assert "narrow: no row, for no clip has rgb" in capsys.readouterr().out


def test_a_disk_that_is_full_at_the_end_is_told_of(folder, tmp_path, monkeypatch, capsys):
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        assert embed(folder, tmp_path / "full.npz") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    gc.collect()
    assert "full.npz cannot be written: [Errno 27] File too large" in capsys.readouterr().err
    assert os.listdir(tmp_path) == [] and complaints == []


def test_a_csv_names_windows_of_files(folder, tmp_path):
    (tmp_path / "list.csv").write_text(
        f"path,start,end,label\n{folder}/media/cat/a.mp4,0.2,0.8,early\nmissing.mp4,0,1,late\n"
    )
    output = tmp_path / "list.npz"
    assert embed(folder, output, f"--input={tmp_path / 'list.csv'}") == 0
    assert np.load(output)["narrow/labels"].tolist() == ["early"]
    (failure,) = failures(output)
    assert list(failure) == ["path", "start", "end", "stage", "reason"]
    assert list(failure.values())[:4] == ["missing.mp4", "0.0", "1.0", "find"]


def test_a_clip_or_a_model_that_is_a_pipe_is_not_waited_for(folder, tmp_path, capsys):
    (tmp_path / "list.csv").write_text(f"path\n{folder}/media/cat/a.mp4\npipe.mp4\n")
    output = tmp_path / "list.npz"
    with waiting_pipes.unwritten(tmp_path / "pipe.mp4"):
        assert embed(folder, output, f"--input={tmp_path / 'list.csv'}") == 0
    (failure,) = failures(output)
    assert (failure["path"], failure["reason"]) == ("pipe.mp4", "is not a file")
    shutil.copytree(folder / "exported", tmp_path / "exported")
    with waiting_pipes.unwritten(tmp_path / "exported" / "weights" / "narrow.weights.h5"):
        assert embed(tmp_path, output, f"--input={folder / 'media'}") == 2
    assert "narrow.weights.h5 is a pipe" in capsys.readouterr().err


def test_windows_of_one_file_stay_apart(folder, tmp_path):
    film = f"{folder}/media/cat/a.mp4"
    windows = [(0.0, 0.6), (0.2, 0.8), (0.6, 1.2)]
    rows = [f"{film},{start},{end},{start:g}" for start, end in windows]
    source = tmp_path / "list.csv"
    source.write_text("\n".join(["path,start,end,label", *rows]))
    output = tmp_path / "list.npz"
    assert embed(folder, output, f"--input={source}") == 0
    settings = PreparationSettings(fps=10.0, min_side=18, flow="none", sample_rate=8000)
    prepare(read_clips(str(source)), str(tmp_path / "records"), settings, workers=1)
    again = tmp_path / "records.npz"
    assert embed(folder, again, f"--input={tmp_path / 'records'}") == 0
    for got in (np.load(output), np.load(again)):
        for view in ("narrow", "broad_audio"):
            order = np.argsort(got[f"{view}/starts"])
            times = np.stack([got[f"{view}/starts"], got[f"{view}/ends"]], 1)[order]
            np.testing.assert_allclose(times, windows)
            assert got[f"{view}/labels"][order].tolist() == ["0", "0.2", "0.6"]
    assert embed(folder, output, f"--input={source}", "--noaverage", "--crops=2x1") == 0
    got = np.load(output)
    # Windows of 4 frames, 0.4 s, of clips of 0.6 s.
    np.testing.assert_allclose(got["narrow/starts"], [0.0, 0.2, 0.2, 0.4, 0.6, 0.8])
    np.testing.assert_allclose(got["narrow/ends"], [0.4, 0.6, 0.6, 0.8, 1.0, 1.2])


def test_what_a_folder_holds_besides_is_counted(folder, tmp_path, capsys):
    source = tmp_path / "media"
    source.mkdir()
    name = os.path.join(os.fsencode(source), b"caf\xe9")
    shutil.copy(folder / "media" / "cat" / "a.mp4", os.fsdecode(name))
    (source / "cover.jpg").write_bytes(b"")
    output = tmp_path / "a.npz"
    assert embed(folder, output, f"--input={source}", "--view=narrow") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith("0 failed; 1 other file left out (1 .jpg)")
    assert [os.fsencode(path) for path in np.load(output)["narrow/paths"]] == [b"caf\xe9"]


@pytest.mark.parametrize("name", ["a.jpg", "a.m3u8", "a.srt", "a", "a.bin"])
def test_a_single_file_that_is_not_media(folder, tmp_path, capsys, name):
    (tmp_path / name).write_text("#EXTM3U\n")
    assert embed(folder, tmp_path / "a.npz", f"--input={tmp_path / name}") == 2
    assert "neither a CSV nor a media file" in capsys.readouterr().err


def test_broken_records_are_listed(folder, tmp_path):
    records = tmp_path / "records"
    shutil.copytree(folder / "records", records)
    (records / "dataset.json").unlink(missing_ok=True)
    shard = sorted(records.glob("*test*"))[0]
    whole = list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
    start = whole[2].index(b"\xff\xd8\xff")
    whole[2] = whole[2][:start] + b"\0" * 40 + whole[2][start + 40 :]
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in [*whole[:3], b"no record", *whole[3:]]:
            writer.write(record)
    shard.write_bytes(shard.read_bytes()[:-100])
    output = tmp_path / "a.npz"
    assert embed(folder, output, "--split=test", "--view=narrow", f"--input={records}") == 0
    listed = [(failure["path"], failure["stage"]) for failure in failures(output)]
    last = len(whole)
    assert ("clip.mp4", "decode") in listed
    assert (f"{shard}, record 3", "read") in listed
    assert (f"{shard}, from record {last} on", "read") in listed
    assert len(np.load(output)["narrow/paths"]) == 12 - 2


def test_nothing_to_embed(folder, tmp_path, capsys):
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "junk.mp4").write_bytes(b"junk")
    output = tmp_path / "a.npz"
    assert embed(folder, output, f"--input={tmp_path / 'media'}") == 1
    assert "none of 1 clips could be embedded, see " in capsys.readouterr().err
    assert not output.exists()
    assert len(failures(output)) == 1


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinite")])
def test_features_that_are_not_finite_are_an_error(
    folder, tmp_path, capsys, monkeypatch, value, kind
):
    healthy = saved_model.Embedder.embed

    def spoilt(self, name, view):
        each = healthy(self, name, view)
        return lambda batch: tf.tensor_scatter_nd_update(
            each(batch), [[len(batch) - 1, 0]], [value]
        )

    monkeypatch.setattr(saved_model.Embedder, "embed", spoilt)
    output = tmp_path / "features.npz"
    assert embed(folder, output, "--view=narrow") == 2
    shown = capsys.readouterr().err
    assert f"{folder / 'exported'}, view 'narrow': " in shown
    assert f"1 of 2 clips are not finite: dog/b.avi ({kind})" in shown
    assert not output.exists()


def test_an_interruption_keeps_what_is_done(folder, tmp_path, capsys, monkeypatch):
    from brave_tf.interop import embedding

    add = embedding.Progress.add

    def interrupting(self, *args, **kwargs):
        add(self, *args, **kwargs)
        if self._done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(embedding.Progress, "add", interrupting)
    output = tmp_path / "a.npz"
    assert embed(folder, output, source="records") == 130
    assert len(np.load(output)["narrow/paths"]) == 2
    shown = capsys.readouterr()
    assert "interrupted" in shown.err
    assert "2 rows of narrow" in shown.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model="], "--model is empty"),
        (["--model_dir={records}"], "give one of --model"),
        (["--checkpoint=best"], "--checkpoint=best without --model_dir: of runs"),
        (["--input="], "--input is empty"),
        (["--output="], "--output is empty"),
        (["--output=features.csv"], "name a .npz file"),
        (["--model=nowhere"], "nowhere/config.gin was not found"),
        (["--input=nowhere"], "nowhere: no such folder"),
        (["--crops=3"], "such as 1x1 or 10x3"),
        (["--crops=0x1"], "such as 1x1 or 10x3"),
        (["--batch_size=0"], "--batch_size=0: expected at least 1"),
        (["--timeout=0"], "expected seconds above 0"),
        (["--view=narow"], "Did you mean narrow?"),
        (["--split=train"], "--split=train: a split of clip records"),
        (["--input={records}", "--split=tset"], "Did you mean test?"),
        (["--gin_bindings=narrow/RgbView.sise = 3"], "sise"),
    ],
)
def test_mistakes_are_named(folder, tmp_path, capsys, arguments, message):
    arguments = [argument.format(records=folder / "records") for argument in arguments]
    assert embed(folder, tmp_path / "a.npz", *arguments) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "Traceback" not in shown
    assert list(tmp_path.iterdir()) == []

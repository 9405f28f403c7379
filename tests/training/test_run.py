"""Runs from start to end, interrupted and resumed, and the mistakes that stop one before it starts."""

import errno
import os
import re
import resource
import shutil
import signal

import numpy as np
import pytest
import service
import tensorflow as tf
import tiny_run

from brave_tf import config, errors
from brave_tf.training import callbacks, inputs, recipe, run


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return tiny_run.write_records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory, records):
    """A run that was not disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    load(folder, records, "train.held_out_split = 'test'")
    assert run.train(str(folder / "run"))
    return folder / "run"


def load(tmp_path, records, *bindings):
    config.load_config([str(tiny_run.write_recipe(tmp_path, records))], bindings)


def final_weights(model_dir):
    loaded = recipe.load_run(str(model_dir))
    return loaded.step, [w.numpy() for w in loaded.objective.trainable_weights]


def scalars(model_dir, writer="train"):
    """Tag -> {step: value} of the run's TensorBoard events."""
    found = {}
    for path in sorted((model_dir / "tensorboard" / writer).glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    number = float(tf.make_ndarray(value.tensor))
                    found.setdefault(value.tag, {})[event.step] = number
    return found


def texts(model_dir):
    path = next((model_dir / "tensorboard" / "train").glob("events*"))
    events = tf.compat.v1.train.summary_iterator(str(path))
    values = [value for event in events for value in event.summary.value]
    return {v.tag: tf.make_ndarray(v.tensor).item() for v in values if v.tag == "config"}


def test_a_run_leaves_what_it_promises(whole_run):
    logged = scalars(whole_run)
    expected = {"loss", "loss/narrow_to_broad_audio", "loss/broad_audio_to_narrow"}
    assert expected <= set(logged)
    assert sorted(logged["loss"]) == [2, 4, 6]
    np.testing.assert_allclose(list(logged["optimizer/learning_rate"].values()), 0.05)
    both = [logged[f"loss/{t}"][2] for t in ("narrow_to_broad_audio", "broad_audio_to_narrow")]
    np.testing.assert_allclose(logged["loss"][2], sum(both), rtol=1e-5)
    assert sorted(scalars(whole_run, "held_out")["loss"]) == [2, 4, 6]
    assert b"sgd.learning_rate = 0.05" in texts(whole_run)["config"]
    operative = (whole_run / recipe.OPERATIVE_CONFIG_FILE).read_text()
    assert "RgbView.min_area = 0.3" in operative
    assert len(list((whole_run / "checkpoints").glob("step-*.index"))) == 3
    held_out = scalars(whole_run, "held_out")["loss"]
    best = tf.train.latest_checkpoint(str(whole_run / "checkpoints"), "best")
    best_step = min(held_out, key=held_out.get)
    assert best.endswith(f"step-{best_step}")
    assert recipe.load_run(str(whole_run), checkpoint="best").step == best_step
    assert tf.train.latest_checkpoint(str(whole_run / "checkpoints")).endswith("step-6")


def break_clips(folder, source, broken):
    """Copies records, without JPEGs in the train clips at some positions of their shards."""
    shutil.copytree(source, folder)
    for path in folder.glob("train-*"):
        records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
        with tf.io.TFRecordWriter(str(path)) as writer:
            for position, record in enumerate(records):
                writer.write(
                    record.replace(b"\xff\xd8\xff", b"bad") if position in broken else record
                )
    return folder


def test_skipped_clips_are_counted_and_named(tmp_path, records, capsys):
    load(tmp_path, break_clips(tmp_path / "some", records, {2}))
    assert run.train(str(tmp_path / "run"))
    counts = scalars(tmp_path / "run")["input/skipped_clips"]
    assert sorted(counts) == [2, 4, 6]
    assert counts[6] >= 4
    assert sorted(counts.values()) == list(counts.values())
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert re.fullmatch(r"input: \d+ clips skipped: .*record 2 of train-0000[01]-of-00002.*", last)


def test_a_run_without_skipped_clips_says_so(tmp_path, records, capsys):
    load(tmp_path, records, "train.num_steps = 1")
    run.train(str(tmp_path / "run"))
    assert capsys.readouterr().out.strip().splitlines()[-1] == "input: no clips skipped"


def test_too_many_skipped_clips_end_a_run_which_can_go_on(tmp_path, records):
    folder = break_clips(tmp_path / "many", records, {1, 2, 5})
    load(tmp_path, folder, "train.num_steps = 60")
    expected = (
        "clips cannot be read, more than SkippedClips.max_share = 0.1 .*record . of train-0000"
    )
    with pytest.raises(errors.UserError, match=expected):
        run.train(str(tmp_path / "run"))
    step = recipe.load_run(str(tmp_path / "run")).step
    assert 1 <= step < 10
    load(tmp_path, folder, f"train.num_steps = {step + 2}", "SkippedClips.max_share = 0.9")
    assert run.train(str(tmp_path / "run"))


def test_trains_on_clips_from_a_tf_data_service(tmp_path, records):
    with service.running(workers=2) as address:
        load(tmp_path, records, f"train.data_service = '{address}'")
        assert run.train(str(tmp_path / "run"))
    assert sorted(scalars(tmp_path / "run")["loss"]) == [2, 4, 6]


def test_augmentations_in_the_step_give_the_weights_of_those_before_it(
    tmp_path, records, whole_run
):
    moved = (
        "narrow/RgbView.augmentations = ()",
        "narrow/RgbView.step_augmentations = [@random_flip]",
    )
    load(tmp_path, records, *moved)
    assert run.train(str(tmp_path / "run"))
    for found, expected in zip(final_weights(tmp_path / "run")[1], final_weights(whole_run)[1]):
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_another_seed_gives_other_weights(tmp_path, records, whole_run):
    load(tmp_path, records, "train.seed = 1")
    run.train(str(tmp_path / "run"))
    pairs = zip(final_weights(whole_run)[1], final_weights(tmp_path / "run")[1])
    assert any(np.abs(a - b).max() > 1e-3 for a, b in pairs)


def test_interrupted_and_resumed_equals_undisturbed(
    tmp_path, records, whole_run, monkeypatch, capsys
):
    taken = []
    update = callbacks.StepCallbacks.on_train_batch_end

    def interrupt_after_five(self, batch, logs=None):
        taken.append(batch)
        if len(taken) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        update(self, batch, logs)

    monkeypatch.setattr(callbacks.StepCallbacks, "on_train_batch_end", interrupt_after_five)
    load(tmp_path, records, "train.held_out_split = 'test'")
    assert not run.train(str(tmp_path / "parts"))
    assert recipe.load_run(str(tmp_path / "parts")).step == 5
    capsys.readouterr()
    load(tmp_path, records, "train.held_out_split = 'test'")
    assert run.train(str(tmp_path / "parts"))
    assert len(taken) == 6
    held_out = scalars(tmp_path / "parts", "held_out")["loss"]
    best = min(held_out, key=held_out.get)
    assert f"lowest {held_out[best]:.4f} at step {best}\n" in capsys.readouterr().out

    step, weights = final_weights(tmp_path / "parts")
    whole_step, whole = final_weights(whole_run)
    assert step == whole_step == 6
    for a, b in zip(weights, whole):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_is_loaded_in_float32(tmp_path, records, precision):
    load(tmp_path, records, f"train.precision = '{precision}'", "train.num_steps = 2")
    assert run.train(str(tmp_path / "run"))
    assert np.isfinite(scalars(tmp_path / "run")["loss"][2])
    loaded = recipe.load_run(str(tmp_path / "run"))
    assert loaded.step == 2
    assert loaded.objective.backbones["narrow"].get_layer("stem").compute_dtype == "float32"


def test_a_complete_run_is_not_trained_further(tmp_path, records, whole_run):
    checkpoint = next((whole_run / "checkpoints").glob("step-6.index"))
    written = checkpoint.stat().st_mtime_ns
    load(tmp_path, records)
    assert run.train(str(whole_run))
    assert checkpoint.stat().st_mtime_ns == written


def test_the_random_initialisation_is_that_of_the_run(tmp_path, records, whole_run):
    load(tmp_path, records)
    fresh = recipe.bound(recipe.Recipe).build(0).trainable_weights
    loaded = recipe.load_run(str(whole_run), restore=False)
    assert loaded.step == 0
    for a, b in zip(fresh, loaded.objective.trainable_weights):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        ("train.batch_size = 0", "train.batch_size = 0"),
        ("train.num_steps = 2.5", "train.num_steps = 2.5"),
        ("train.precision = 'bfloat16'", "mixed_bfloat16"),
        ("train.split = 'trian'", "train"),
        ("train.batch_size = 3\ntrain.strategy = 'mirrored'", "multiple of 2"),
        ("train.accumulate_steps = 3", "1 devices in 3 parts: bind a multiple of 3"),
        ("train.accumulate_steps = 0", "train.accumulate_steps = 0"),
        ("train.strategy = 'mirorred'", "Did you mean mirrored"),
        ("train.jit_compile = True\ntrain.strategy = 'mirrored'", "XLA cannot compile"),
        ("train.data_dir = '/no/such/folder'", "brave_tf_prepare"),
        ("Recipe.views = [@narrow/RgbView()]", "expected a mapping"),
        ("Recipe.views = {'narow': @narrow/RgbView()}", "narow"),
        ("BraVe.backbones = {'narrow': @narrow/tsm_light()}", "broad"),
        ("broad_audio/LogMel.sample_rate = 16000", "8000 Hz"),
        ("sgd.multipliers = {'no_such_part': 2.0}", "no_such_part"),
    ],
)
def test_mistakes_stop_a_run_before_it_starts(tmp_path, records, binding, expected):
    with pytest.raises(errors.UserError, match=expected):
        load(tmp_path, records, binding)
        run.train(str(tmp_path / "run"))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_the_last_lines_count_a_warning_of_a_damaged_checkpoint(
    whole_run, tmp_path, records, capsys
):
    model_dir = shutil.copytree(whole_run, tmp_path / "run")
    (model_dir / "checkpoints" / "step-6.json").write_text("")
    load(tmp_path, records, "train.held_out_split = 'test'")
    assert run.train(str(model_dir))
    lines = capsys.readouterr().out.splitlines()
    assert "no warnings" not in lines
    assert any(line.endswith("1 warning above") for line in lines), lines


def test_a_missing_binding_is_named(tmp_path):
    config.load_config([], ["train.batch_size = 2"])
    with pytest.raises(errors.UserError, match="data_dir"):
        run.train(str(tmp_path / "run"))


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(errors.UserError, match="holds no run"):
        recipe.load_run(str(tmp_path))


@pytest.mark.parametrize(
    ("allow", "expected"), [(False, "projector.output: 8 -> 12"), (True, "step-6 does not fit")]
)
def test_a_checkpoint_of_another_recipe_is_refused(tmp_path, records, whole_run, allow, expected):
    files = {path: path.read_bytes() for path in whole_run.rglob("*") if path.is_file()}
    load(tmp_path, records, "train.num_steps = 8", "projector.output = 12")
    with pytest.raises(errors.UserError, match=expected):
        run.train(str(whole_run), allow_changes=allow)
    assert {path: path.read_bytes() for path in whole_run.rglob("*") if path.is_file()} == files


def test_charts_that_cannot_be_written_do_not_end_a_run(tmp_path, records, monkeypatch, caplog):
    def full_disk(*_, **__):
        raise tf.errors.OutOfRangeError(None, None, "File too large")

    load(tmp_path, records, "train.num_steps = 3", "train.log_every = 1")
    monkeypatch.setattr(tf.summary, "scalar", full_disk)
    assert run.train(str(tmp_path / "run"))
    assert recipe.load_run(str(tmp_path / "run")).step == 3
    assert "charts of step 2 could not be written: File too large" in caplog.text


def test_a_run_that_ends_early_is_an_error(tmp_path, records, monkeypatch):
    load(tmp_path, records, "train.checkpoint_every = 1")
    endless = inputs.pipeline.clip_dataset
    monkeypatch.setattr(
        inputs.pipeline,
        "clip_dataset",
        lambda *args, **settings: endless(*args, **settings).take(3),
    )
    with pytest.raises(errors.UserError, match=r"ended early, after step \d of 6"):
        run.train(str(tmp_path / "run"))
    assert recipe.load_run(str(tmp_path / "run")).step == 3


def test_a_run_that_cannot_print_any_more_is_saved(tmp_path, records, monkeypatch):
    load(tmp_path, records, "train.checkpoint_every = 5", "train.log_every = 1")
    lines = []

    def full(*line, **_):
        lines.append(line)
        if str(line[0]).startswith("step 3/"):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("builtins.print", full)
    with pytest.raises(OSError, match="No space left"):
        run.train(str(tmp_path / "run"))
    monkeypatch.undo()
    assert recipe.load_run(str(tmp_path / "run")).step == 3


def test_a_full_disk_ends_a_run_that_can_go_on(tmp_path, records):
    load(tmp_path, records, "train.num_steps = 4")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Event files are smaller, a checkpoint is larger.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(errors.UserError, match="step-2 could not be written: .*Free space"):
            run.train(str(tmp_path / "run"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list((tmp_path / "run" / "checkpoints").iterdir())
    assert run.train(str(tmp_path / "run"))
    assert sorted(scalars(tmp_path / "run")["loss"]) == [2, 4]

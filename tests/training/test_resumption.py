"""A run's folder belongs to one process, and what is in it is compared before it is used."""

import os
import shutil
import subprocess
import sys
import types

import gin
import pytest
import tiny_run
import waiting_pipes

from brave_tf import config, errors
from brave_tf.training import recipe, resumption, run

HOLDER = """
import sys
from brave_tf.training import resumption
with resumption.sole_owner(sys.argv[1]):
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_a_folder_in_use_is_refused_until_its_process_has_ended(tmp_path):
    command = [sys.executable, "-c", HOLDER, tmp_path / "run"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"holding\n"
        expected = f"run is in use: process {holder.pid} on .* trains in it"
        with pytest.raises(errors.UserError, match=expected):  # noqa: SIM117
            with resumption.sole_owner(str(tmp_path / "run")):
                pass
        holder.kill()
        holder.wait()
    with resumption.sole_owner(str(tmp_path / "run")):
        pass
    assert not list((tmp_path / "run").iterdir())


def test_a_holder_that_ends_at_this_moment_is_no_error_of_another_kind(tmp_path, monkeypatch):
    def vanished(*_, **__):
        raise BlockingIOError

    monkeypatch.setattr(resumption, "locked", vanished)
    with pytest.raises(errors.UserError, match="run is in use: another process trains"):  # noqa: SIM117
        with resumption.sole_owner(str(tmp_path / "run")):
            pass


WRITER = """
import sys
import gin
from brave_tf.training import resumption
gin.config_str = gin.operative_config_str = lambda: "train.data_dir = 'Gr\\xf6\\xdfe \\udcff'"
resumption.write_configs(sys.argv[1])
"""


def test_configurations_are_the_same_text_whatever_the_locale(tmp_path):
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", WRITER, tmp_path]
    subprocess.run(command, env={**os.environ, **locale}, check=True)
    written = (tmp_path / recipe.CONFIG_FILE).read_bytes()
    assert written == "train.data_dir = 'Größe ".encode() + b"\xff'"


def test_a_folder_that_cannot_be_written_to_is_an_error_before_anything_is_built(
    tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setattr(recipe.Recipe, "build", lambda *_: pytest.fail("it was built"))
    records = tiny_run.write_records(tmp_path / "records")
    config.load_config([str(tiny_run.write_recipe(tmp_path, records))])
    with pytest.raises(errors.UserError, match="could not be written.*Give a --model_dir"):
        run.train(str(tmp_path / "file" / "run"))


@gin.configurable
def rate(value=0.1):
    return value


@pytest.fixture
def model_dir(tmp_path):
    """A run of which there is the configuration, with a rate of 0.1."""
    gin.parse_config("rate.value = 0.1")
    rate()
    resumption.write_configs(str(tmp_path))
    return tmp_path


@pytest.fixture
def restored():
    return []


def resume(model_dir, restored, binding, allow_changes=False, step=4):
    gin.clear_config()
    gin.parse_config(binding)
    rate()
    checkpoints = types.SimpleNamespace(restore=restored.append)
    resumption.resume(checkpoints, str(model_dir), step, allow_changes)


def test_a_change_of_what_is_learned_is_refused_before_anything_is_restored(model_dir, restored):
    with pytest.raises(errors.UserError, match=r"rate\.value: 0\.1 -> 0\.2"):
        resume(model_dir, restored, "rate.value = 0.2")
    assert not restored


def test_changes_that_are_allowed_are_told(model_dir, restored, capsys):
    resume(model_dir, restored, "rate.value = 0.2", allow_changes=True)
    assert (
        "differs from before (old -> new):\n  rate.value: 0.1 -> 0.2\n" in capsys.readouterr().out
    )
    resumption.write_configs(str(model_dir))
    resume(model_dir, restored, "rate.value = 0.2")
    assert not capsys.readouterr().out
    assert restored == [4, 4]


DAMAGED = {
    "macros of each other": "A = %B\nB = %A\nrate.value = %A\n",
    "a call of itself": "rate.value = @rate()\n",
    "macros that grow": "A0 = 1\n"
    + "".join(f"A{n + 1} = [%A{n}, %A{n}]\n" for n in range(40))
    + "rate.value = %A40\n",
    "a line that is cut off": "rate.value = [0.1,\n",
    "a statement that is none": "rate.value 0.1\n",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_configuration_that_was_not_written_by_a_run_is_named(model_dir, restored, case):
    path = model_dir / recipe.OPERATIVE_CONFIG_FILE
    path.write_text(DAMAGED[case])
    with pytest.raises(errors.UserError, match="operative_config.gin is damaged .*put back what"):
        resume(model_dir, restored, "rate.value = 0.1")
    with waiting_pipes.unwritten(path), pytest.raises(errors.UserError, match="no plain file"):
        resume(model_dir, restored, "rate.value = 0.1")
    assert not restored


def test_a_run_without_checkpoint_begins_with_any_configuration(model_dir, restored):
    resume(model_dir, restored, "rate.value = 0.2", step=None)
    assert not restored


def test_an_imported_run_has_no_configuration_to_compare(tmp_path, restored):
    resume(tmp_path, restored, "rate.value = 0.2")
    assert restored == [4]


def test_a_run_has_an_id_until_another_begins_in_its_folder(tmp_path):
    assert resumption.run_id(tmp_path) is None
    resumption.name_run(str(tmp_path), begins=True)
    first = resumption.run_id(tmp_path)
    resumption.name_run(str(tmp_path), begins=False)
    assert resumption.run_id(tmp_path) == first
    resumption.name_run(str(tmp_path), begins=True)
    assert resumption.run_id(tmp_path) not in (None, first)


def test_training_gives_a_run_its_id(tmp_path):
    records = tiny_run.write_records(tmp_path / "records")
    ids = []
    for steps in (2, 4, 2):
        config.load_config(
            [str(tiny_run.write_recipe(tmp_path, records))], [f"train.num_steps = {steps}"]
        )
        run.train(str(tmp_path / "run"))
        ids.append(resumption.run_id(tmp_path / "run"))
        if steps == 4:
            shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"id": 3}'])
def test_a_run_without_a_usable_id_gets_one(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    assert resumption.run_id(tmp_path) is None
    resumption.name_run(str(tmp_path), begins=False)
    assert resumption.run_id(tmp_path)


def test_configurations_are_written_whole_or_not_at_all(model_dir, monkeypatch):
    written = sorted(path.name for path in model_dir.iterdir())
    assert written == [recipe.CONFIG_FILE, recipe.OPERATIVE_CONFIG_FILE]
    before = (model_dir / recipe.CONFIG_FILE).read_text()
    assert "rate.value = 0.1" in before

    def full(*_):
        raise OSError(28, "No space left on device")

    gin.parse_config("rate.value = 0.3")
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(errors.UserError, match="config.gin could not be written: .*No space"):
        resumption.write_configs(str(model_dir))
    assert (model_dir / recipe.CONFIG_FILE).read_text() == before

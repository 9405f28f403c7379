"""brave_tf_train as a user runs it."""

import os
import re
import signal
import subprocess
import sys

import media
import pytest
import tensorflow as tf
import tiny_run
from of_a_kind import some_long

COMMAND = [sys.executable, "-c", "from brave_tf.cli.train import console_main; console_main()"]


def run(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--gin_flie=x"], "gin_file"),
        (["x"], "unexpected"),
    ],
)
def test_mistakes_exit_with_2_and_a_message(arguments, expected):
    done = run(*arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def test_no_data_names_the_files_and_the_command(tmp_path):
    data = f"--gin_bindings=train.data_dir = '{tmp_path / 'none'}'"
    done = run("--gin_file=gin/as_v_fa.gin", data, f"--model_dir={tmp_path / 'run'}")
    assert done.returncode == 2
    assert str(tmp_path / "none" / "*.tfrecord") in done.stderr
    assert f"brave_tf_prepare --input=VIDEOS_OR_CSV --output={tmp_path / 'none'}" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_killed_and_started_again_it_ends_where_it_should(tmp_path):
    data = tiny_run.write_records(tmp_path / "data")
    recipe = tiny_run.write_recipe(tmp_path, data, "train.num_steps = 200")
    arguments = [f"--gin_file={recipe}", f"--model_dir={tmp_path / 'run'}"]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if line.startswith("step 40/200"):
            os.kill(process.pid, signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL

    done = run(*arguments)
    assert done.returncode == 0
    # The newest checkpoint may be older or newer than the line that was read.
    resumed = re.search(rf"resuming {tmp_path / 'run'} at step (\d+) of 200", done.stdout)
    assert 38 <= int(resumed[1]) < 200
    assert "step 200/200" in done.stdout
    logged = []
    for path in sorted((tmp_path / "run" / "tensorboard" / "train").glob("events*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            if any(value.tag == "loss" for value in event.summary.value):
                logged.append(event.step)
    assert logged == list(range(2, 201, 2))


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_preemption_save_and_say_how_to_resume(tmp_path, signum, code):
    data = tiny_run.write_records(tmp_path / "data")
    recipe = tiny_run.write_recipe(tmp_path, data, "train.num_steps = 100000")
    arguments = [f"--gin_file={recipe}", f"--model_dir={tmp_path / 'run'}"]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    output = []
    for line in process.stdout:
        output.append(line)
        if line.startswith("step 4/"):
            process.send_signal(signum)
    assert process.wait() == code
    assert f"start the same command with --model_dir={tmp_path / 'run'} to resume" in output[-1]
    assert list((tmp_path / "run" / "checkpoints").glob("step-*.index"))


@pytest.mark.long
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_before_the_first_step_it_ends_at_once(tmp_path, signum, code):
    data = tiny_run.write_records(tmp_path / "data")
    recipe = tiny_run.write_recipe(tmp_path, data)
    arguments = [f"--gin_file={recipe}", f"--model_dir={tmp_path / 'run'}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([*COMMAND, *arguments], text=True, **pipes) as process:
        assert process.stdout.readline().startswith("view")
        process.send_signal(signum)
        output, errors = process.communicate()
    assert process.returncode == code
    assert "step 1" not in output
    assert "Traceback" not in errors
    assert not list((tmp_path / "run").glob("*.lock"))


@pytest.mark.long
def test_two_processes_do_not_train_in_one_folder(tmp_path):
    data = tiny_run.write_records(tmp_path / "data")
    recipe = tiny_run.write_recipe(tmp_path, data, "train.num_steps = 100000")
    arguments = [f"--gin_file={recipe}", f"--model_dir={tmp_path / 'run'}"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as first:
        first.stdout.readline()
        second = run(*arguments)
        first.kill()
    assert second.returncode == 2
    assert f"is in use: process {first.pid} on " in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("decoder", some_long(["tfio", "pyav"], ["tfio"]))
def test_trains_on_media_files_that_were_not_prepared(tmp_path, decoder):
    for number in range(8):
        path = tmp_path / "films" / "ab"[number % 2] / f"{number}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = media.moving_texture(10, seed=number)
        media.write_video(path, frames, 10, audio=media.tone(1.0, 200 + 50 * number))
    (tmp_path / "films" / "a" / "broken.mp4").write_bytes(b"no film")
    settings = f"RawMedia.fps = 10\nRawMedia.min_side = 32\nRawMedia.decoder = '{decoder}'"
    recipe = tiny_run.write_recipe(tmp_path, tmp_path / "films", settings)
    for steps in (4, 6):
        bindings = f"--gin_bindings=train.num_steps = {steps}"
        done = run(f"--gin_file={recipe}", f"--model_dir={tmp_path / 'run'}", bindings)
        assert done.returncode == 0, done.stderr
        assert f"step {steps}/{steps}" in done.stdout
        assert "1 of 9 media files cannot be used" in done.stderr
        assert "broken.mp4: Invalid data" in done.stderr
    assert f"resuming {tmp_path / 'run'} at step 4 of 6" in done.stdout

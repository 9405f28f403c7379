"""The commands of the page on training at scale do what it says, in small and on the ports of one machine.

What needs other hardware runs as far as it can: the command for a TPU up to the message that there is none,
the Beam pipeline on Beam's local runner.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys

import command
import free_ports
import media
import pytest
import tensorflow as tf
import tiny_run
import walkthrough

from bench import __main__ as bench
from brave_tf import config
from brave_tf.cli import data_service, inspect, prepare, train

ROOT = config.RECIPE_DIR.parent
TEXT = (ROOT / "docs" / "training_at_scale.md").read_text()
SHELL = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
SMALL = "--gin_file=tiny.gin"
RUN_STEPS = 6
RECORDS = ["--fps=5", "--min_side=16", "--flow=dis", "--sample_rate=8000", "--workers=1"]


def commands(name):
    """The words of the commands of the one block in which `name` stands."""
    (text,) = [text for text in SHELL if name in text]
    return walkthrough.commands(text)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with the recipes, and a small one for records that are there."""
    home = tmp_path_factory.mktemp("home")
    (home / "gin").symlink_to(config.RECIPE_DIR)
    records = tiny_run.write_records(home / "records")
    tiny_run.write_recipe(home, records, tiny_run.SOUND_ALONE)
    return home


@pytest.fixture(autouse=True)
def at_home(home, monkeypatch):
    monkeypatch.chdir(home)


def last_checkpoint(model_dir):
    return tf.train.latest_checkpoint(f"{model_dir}/checkpoints")


def test_every_block_is_run_here():
    found = [words[0] for text in SHELL for words in walkthrough.commands(text)]
    assert len(SHELL) == 6
    assert sum(word.startswith("brave_tf_") for word in found) == 7


@pytest.mark.long
def test_over_the_logical_cpus_of_one_machine(home):
    ((_, *flags),) = commands("'mirrored'")
    assert command.run(train, *flags, SMALL, "--model_dir=mirrored") == 0
    assert "train.strategy = 'mirrored'" in (home / "mirrored" / "config.gin").read_text()
    assert last_checkpoint("mirrored").endswith(f"step-{RUN_STEPS}")


def test_where_there_is_no_tpu_the_message_says_so(capsys):
    ((_, *flags),) = commands("train.tpu")
    assert command.run(train, *flags, SMALL, "--model_dir=tpu") == 2
    assert "no TPU answers to the name 'local'" in capsys.readouterr().err


@contextlib.contextmanager
def started(*arguments, end=signal.SIGTERM):
    """Starts a process of a tf.data service and gives its first line; it is to end well at the signal."""
    process = subprocess.Popen(
        [sys.executable, "-m", data_service.__name__, *arguments],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline()
        process.send_signal(end)
        assert process.wait(60) == 0
        assert process.stdout.read() == "stopped\n"
    finally:
        process.kill()


@pytest.mark.long
def test_clips_made_elsewhere():
    (_, *dispatcher), (_, *worker), (_, *flags) = commands("brave_tf_data_service")
    (port,) = free_ports.find(1)
    address = f"localhost:{port}"
    with started(*dispatcher, f"--port={port}", end=signal.SIGINT) as line:
        assert f"train.data_service = 'grpc://{address}'" in line
        worker.append(f"--dispatcher={address}")
        with started(*worker) as one, started(*worker) as two:
            assert "worker" in one and "worker" in two
            flags = [flag.replace("localhost:5050", address) for flag in flags]
            assert command.run(train, *flags, SMALL, "--model_dir=served") == 0
    assert last_checkpoint("served").endswith(f"step-{RUN_STEPS}")


@pytest.mark.long
def test_beam_makes_the_same_records(home):
    ((_, *flags),) = commands("brave_tf_prepare")
    for label in ("cat", "dog"):
        (home / "videos" / label).mkdir(parents=True)
        film = home / "videos" / label / "film.mp4"
        media.write_video(film, media.moving_texture(10), audio=media.tone(0.4))
    local = "--beam_options=--runner=DirectRunner --direct_num_workers=1"
    assert command.run(prepare, *flags, *RECORDS, local) == 0
    assert command.run(prepare, "--input=videos", "--output=data/local", *RECORDS) == 0
    made, expected = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (home / "data" / "mine", home / "data" / "local")
    )
    assert made == expected and len(made) > 3


@pytest.mark.series
def test_two_processes_under_supervision(tmp_path, monkeypatch, request):
    words, trained = commands("export TF_CONFIG")
    (loop,) = [text for text in SHELL if "until" in text]
    assert shlex.join(trained) in loop
    program = tmp_path / "brave_tf_train"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nfrom {train.__name__} import console_main\n"
        f"sys.argv += ['{SMALL}', '--model_dir=shared']\nconsole_main()\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    cluster = json.loads(words[1].partition("=")[2])
    addresses = [f"localhost:{port}" for port in free_ports.find(2)]
    assert len(cluster["cluster"]["worker"]) == len(addresses)
    cluster["cluster"]["worker"] = addresses
    processes = []
    request.addfinalizer(lambda: [process.kill() for process in processes])
    for cluster["task"]["index"] in (0, 1):
        environment = {**os.environ, "TF_CONFIG": json.dumps(cluster)}
        process = subprocess.Popen(
            ["sh", "-c", loop], stdout=subprocess.PIPE, env=environment, text=True
        )
        processes.append(process)
    outputs = [process.communicate(timeout=600)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert all(output.splitlines()[-1].startswith("done: ") for output in outputs)
    # The chief alone tells of steps.
    assert [f"step {RUN_STEPS}/{RUN_STEPS}  loss" in output for output in outputs] == [True, False]
    assert last_checkpoint("shared").endswith(f"step-{RUN_STEPS}")


@pytest.mark.long
def test_what_a_step_takes_of_memory(capsys):
    measuring = re.search(r"^ {4}python -m bench (.*)$", TEXT, re.MULTILINE)[1]
    assert measuring.endswith("--saving none checkpointing")
    saving = ["--saving=checkpointing", "--backbones=audio_light"]
    small = ["--gin_file=as_v_fa", SMALL, "--precision=float32", *saving]
    assert bench.main([*shlex.split(measuring), *small]) == 0
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]
    assert [row["saving"] for row in rows] == ["checkpointing"]
    assert rows[0]["peak_mb"] > rows[0]["before_mb"]
    _, *flags = shlex.split(re.search(r"`(brave_tf_inspect .*)`", TEXT)[1])
    assert command.run(inspect, *flags, SMALL) == 0
    assert "for the backward pass" in capsys.readouterr().out

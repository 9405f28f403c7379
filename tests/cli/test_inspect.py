"""The command brave_tf_inspect."""

import html
import json
import os
import re
import resource
import shlex
import shutil

import command
import inspected
import pytest

from brave_tf.cli import inspect


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return inspected.good(tmp_path_factory.mktemp("inspect") / "records")


def test_good_records(good, tmp_path, capsys):
    assert command.run(inspect, f"--data={good}", f"--output={tmp_path}", "--num_clips=2") == 0
    lines = capsys.readouterr().out.splitlines()
    head, test, train, recipes, advised, verdict = lines
    assert head.split()[:4] == ["split", "shards", "GB", "clips"]
    assert (test.split()[0], test.split()[3]) == ("test", "4")
    assert (train.split()[0], train.split()[3]) == ("train", "6")
    assert recipes.startswith(
        f"Recipes that split 'train' of {good} can train: v_fa, v_a, v_f, v_v, "
    )
    assert shlex.split(advised) == [
        "brave_tf_train",
        "--gin_file=v_fa",
        "--gin_file=overlays/laptop.gin",
        f"--gin_bindings=train.data_dir = '{good}'",
        "--gin_bindings=broad_audio/LogMel.sample_rate = 8000",
        "--gin_bindings=broad_audio/LogMel.upper_hz = 4000.0",
    ]
    assert verdict.startswith("10 clips, 0.00 hours: no problems; see ")
    report = json.loads((tmp_path / "report.json").read_text())
    assert sorted(report) == sorted(
        ["format", "data", "good", "decode", "splits", "findings", "settings", "version"]
    )
    assert (report["format"], report["good"], report["findings"]) == (1, True, [])
    assert report["splits"]["train"]["clips"] == 6
    page = (tmp_path / "index.html").read_text()
    assert page.count('class="clip"') == 2
    (shown,) = re.findall('<pre class="wide">(.*?)</pre>', page)
    assert html.unescape(shown) == advised.strip() and "<" not in shown


def test_problems_are_told_with_advice_and_an_exit_code(good, tmp_path, capsys):
    folder = shutil.copytree(good, tmp_path / "records")
    path = folder / "train-00001-of-00002.tfrecord"
    path.write_bytes(path.read_bytes()[:-10])
    assert command.run(inspect, f"--data={folder}", "--decode=all") == 1
    shown = capsys.readouterr().out
    line = next(line for line in shown.splitlines() if "middle of a record" in line)
    assert line.startswith("problem: shards that end in the middle of a record (1 in train): ")
    assert path.name in line and "Copy the shard again" in line
    report = json.loads((folder / "inspection" / "report.json").read_text())
    assert not report["good"]
    (truncated,) = (f for f in report["findings"] if f["kind"] == "shard_truncated")
    assert (truncated["severity"], truncated["split"]) == ("problem", "train")
    assert truncated["count"] == len(truncated["examples"]) == 1
    assert report["splits"]["train"]["frames_decoded"] == 5 * 2 * inspected.FRAMES


def test_inspecting_again_finds_the_same(good, tmp_path, capsys):
    folder = shutil.copytree(good, tmp_path / "records")
    reports = []
    for _ in range(2):
        assert command.run(inspect, f"--data={folder}", "--num_clips=0", "--split=test") == 0
        reports.append((folder / "inspection" / "report.json").read_text())
    assert reports[0] == reports[1]
    assert list(json.loads(reports[0])["splits"]) == ["test"]


def test_a_page_that_cannot_be_written_leaves_the_one_before(good, tmp_path, capsys):
    page = tmp_path / "index.html"
    page.write_text("before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The page is larger, the report is not.
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, hard))
    try:
        assert command.run(inspect, f"--data={good}", f"--output={tmp_path}") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"error: {tmp_path} could not be written (File too large)" in capsys.readouterr().err
    assert page.read_text() == "before"
    assert sorted(os.listdir(tmp_path)) == ["index.html", "report.json"]


def test_a_recipe(capsys):
    assert command.run(inspect, "--gin_file=demo_supervised", "--batch_size=2") == 0
    shown = capsys.readouterr().out
    assert "8x48x48x3" in shown
    assert "a training step of 2 clips, float32" in shown


def test_each_kind_of_stage_of_a_recipe(capsys):
    small = ["--gin_file=ucf101_coclr_s3d", "--gin_file=overlays/laptop.gin"]
    # The widths of the networks, for a test.
    small += ["--gin_bindings=tsm_light.widths = (8,)", "--gin_bindings=tsm_light.blocks = (1,)"]
    assert command.run(inspect, *small, "--batch_size=2") == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("stages ")]
    assert shown == [
        "stages narrow_alone",
        "stages flow_alone",
        "stages narrow_1, narrow_2",
        "stages flow_1, flow_2",
    ]
    assert command.run(inspect, *small, "--gin_bindings=CoCLR.tops = 3") == 2
    assert command.run(inspect, *small, "--gin_bindings=NOTHING = 3") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of --data"),
        (["--data={good}", "--gin_file=demo_v_fa"], "give one of --data"),
        (["--data=nowhere"], "nowhere: no such folder"),
        (["--data={empty}"], "no such files"),
        (["--data={good}", "--split=tset"], "Did you mean test"),
        (["--data={good}", "--decode=some"], "--decode"),
        (["--data={good}", "--num_clips=-1"], "--num_clips"),
        (["--data={good}", "--output={file}"], "cannot be written"),
        (["--gin_file=demo_v_f"], "Did you mean demo_v_fa"),
        (["--gin_file=demo_v_fa", "--batch_size=0"], "--batch_size"),
        (["--gin_file=demo_v_fa", "--gin_bindings=Recipe.view = 1"], "Did you mean views"),
    ],
)
def test_mistakes_are_named(good, tmp_path, capsys, arguments, message):
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    places = {"good": good, "file": tmp_path / "file", "empty": tmp_path / "empty"}
    code = command.run(inspect, *(argument.format(**places) for argument in arguments))
    assert code == 2
    assert message in capsys.readouterr().err

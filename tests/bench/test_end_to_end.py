import json

import pytest

from bench import __main__ as command
from bench import clips

TINY = ["--gin_file=as_v_a", "--gin_file=gin/overlays/tiny.gin", "--precision=float32"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    clips.write_clips(folder, 4, num_frames=8, height=48, width=64)
    return f"--data={folder}"


def rows_of(capsys, *words):
    assert command.main(list(words)) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result["rows"], result["settings"]


@pytest.mark.series
def test_training_is_compared_with_its_parts(data, capsys):
    rows, _ = rows_of(capsys, "train", *TINY, data, "--steps=3", "--repeats=2")
    alone, step, training = rows
    assert [row["what"] for row in rows] == ["input", "step", "training"]
    assert alone["waiting"] > 0.9 and step["waiting"] < 0.1
    assert 0 < training["waiting"] < 1
    one_by_one = 1 / (1 / alone["clips_per_s"] + 1 / step["clips_per_s"])
    assert training["share"] == pytest.approx(training["clips_per_s"] / one_by_one)


def test_extraction_is_compared_with_the_forward_pass(data, capsys):
    windows = ["eval_windows.temporal_crops = 2", "eval_windows.num_frames = 2"]
    bindings = [f"--gin_bindings={binding}" for binding in windows]
    rows, settings = rows_of(capsys, "features", *TINY, data, *bindings, "--repeats=1")
    forward, extraction = rows
    # 4 clips of 2 windows in time and 3 in space.
    assert forward["windows"] == extraction["windows"] == 24
    assert forward["share"] == forward["cpu_share"] == 1
    assert extraction["share"] == pytest.approx(
        extraction["windows_per_s"] / forward["windows_per_s"]
    )
    assert settings["eval_windows"]["temporal_crops"] == 2

import json

import pytest
from media import moving_texture, tone, write_audio, write_video

from bench import __main__ as command

FAST = ["--seconds=0.4", "--flow_seconds=0.12", "--min_side=32"]


def run(capsys, *words):
    assert command.main(list(words)) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]


def test_cost_of_each_part(capsys):
    rows = run(capsys, "prepare", "--clips=1", *FAST)
    assert [row["part"].split(",")[0] for row in rows] == ["decode", "sound", "flow", "flow"]
    for row in rows:
        assert row["clips"] == 1
        assert row["cpu_s_per_10_s_clip"] * row["times_real_time"] == pytest.approx(10)
        assert row["cpu_s_per_10_s_clip"] > 0


def test_cost_on_own_media(tmp_path, capsys):
    write_video(tmp_path / "a.mp4", moving_texture(5), audio=tone(0.2))
    write_audio(tmp_path / "b.wav", tone(0.2))
    rows = run(capsys, "prepare", f"--input={tmp_path}", *FAST)
    assert [row["clips"] for row in rows] == [1, 2, 1, 1]


@pytest.mark.series
def test_memory_of_command_and_workers(capsys):
    rows = run(capsys, "prepare_memory", "--clips", "3", "6", "--workers=1")
    assert [row["clips"] for row in rows] == [3, 6]
    for row in rows:
        assert row["command_mb"] > row["largest_worker_mb"] > 20

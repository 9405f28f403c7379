"""What the README of a folder of one's own says."""

import command
import page_commands
from dataset_script import DATASETS
from media import moving_texture, tone, write_video

from brave_tf.cli import prepare as prepare_command


def test_ones_own_videos(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for label in ("cat", "dog"):
        for number in range(2):
            path = tmp_path / "media" / "mine" / label / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, moving_texture(10), fps=10, audio=tone(1.0))
    table = "path,label,split,start,end\nmine/cat/0.mp4,cat|dog,train,0,0.5\nmine/dog/1.mp4,dog,test,,\n"
    (tmp_path / "media" / "mine.csv").write_text(table + "mine/gone.mp4,cat,test,,\n")
    small = ("--fps=5", "--min_side=16", "--sample_rate=8000", "--workers=1")
    expected = ("train: 4 clips", "wrote 4 clips in 2 shards", "wrote 2 clips in 2 shards")
    commands = [
        words
        for words in page_commands.shell((DATASETS / "folder" / "README.md").read_text())
        if words[0] == "brave_tf_prepare"
    ]
    for (_, *options), text in zip(commands, expected):
        assert command.run(prepare_command, *options, *small) == 0
        assert text in capsys.readouterr().out
    assert (tmp_path / "data" / "mine_csv" / "labels.txt").read_text() == "cat\ndog\n"

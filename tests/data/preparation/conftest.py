"""Media and their preparation, shared by the tests of the runners."""

from types import SimpleNamespace

import pytest
from media import click, moving_texture, numbered_frame, tone, write_audio, write_video
from prepared import FAST, write_csv

from brave_tf.data.clips.clip_list import read_clips
from brave_tf.data.preparation.prepare import prepare


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """12 clips in 3 films, 2 sounds, a silent film, and what cannot be prepared."""
    folder = tmp_path_factory.mktemp("media")
    for number in range(3):
        pictures = [numbered_frame(40 * number + i) for i in range(32)]
        write_video(
            folder / f"film{number}.mp4", pictures, 12.5, audio=tone(2.56, 300 + 100 * number)
        )
    write_audio(folder / "sound.wav", click(1.0, 0.5))
    write_audio(folder / "sound.ogg", tone(0.8))
    write_video(folder / "silent.avi", moving_texture(6))
    (folder / "broken.mp4").write_bytes(b"no film")
    rows = [
        f"film{number}.mp4,{label},{split},{0.64 * i},{0.64 * (i + 1)}"
        for number, label, split in (
            (0, "wave", "train"),
            (1, "clap", "train"),
            (2, "wave", "test"),
        )
        for i in range(4)
    ]
    rows += ["sound.wav,clap,train,,", "sound.ogg,,train,,", "silent.avi,,test,,"]
    rows += ["broken.mp4,nod,train,,", "gone.mp4,wave,train,1,2", "film0.mp4,wave,train,60,61"]
    write_csv(folder, rows)
    return folder


@pytest.fixture(scope="session")
def clips(media):
    return read_clips(str(media / "clips.csv"))


@pytest.fixture(scope="session")
def prepared(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "new" / "records"
    report = prepare(clips, str(folder), FAST, workers=2)
    return SimpleNamespace(folder=folder, report=report)

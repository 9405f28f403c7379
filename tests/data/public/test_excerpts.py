"""Files that hold a whole video, or only the window that annotations of that video name."""

import pytest
from media import numbered_frame, tone, write_audio, write_video

from brave_tf.data.clips.clip_list import make_clip
from brave_tf.data.preparation import clip_encoder
from brave_tf.data.preparation.settings import PreparationSettings

SETTINGS = PreparationSettings(fps=10, min_side=16, flow="none", sample_rate=8000)


def encode(file, start, end, may_be_cut):
    clip = make_clip(str(file.parent), file.name, start=start, end=end, may_be_cut=may_be_cut)
    return clip_encoder.encode(clip, SETTINGS)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 2.0, (0.0, 2.0)),  # inside
        (0.5, 2.5, (0.5, 2.5)),
        (1.0, 3.4, (1.0, 3.0)),  # ends a little early
        (1.0, 3.6, (0.0, 3.0)),  # the file ends before the window does, and is as short as that
        (60.0, 62.8, (0.0, 3.0)),
        (60.0, 63.1, (0.0, 3.0)),
    ],
)
@pytest.mark.parametrize("kind", ["video", "sound"])
def test_the_duration_tells(tmp_path, kind, start, end, expected):
    if kind == "video":
        frames = (numbered_frame(number) for number in range(30))
        file = write_video(tmp_path / "v.mp4", frames, fps=10)
    else:
        file = write_audio(tmp_path / "v.flac", tone(3.0, sample_rate=8000), sample_rate=8000)
    prepared = encode(file, start, end, may_be_cut=True)
    assert (prepared.clip.start, prepared.end) == pytest.approx(expected)
    amount = len(prepared.frames) / 10 if kind == "video" else len(prepared.audio) / 8000
    assert amount == pytest.approx(expected[1] - expected[0])


def test_a_longer_file_is_never_taken_whole(tmp_path):
    file = write_audio(tmp_path / "v.wav", tone(6.0, sample_rate=8000), sample_rate=8000)
    prepared = encode(file, 4.0, 7.0, may_be_cut=True)
    assert (prepared.clip.start, prepared.end) == (4.0, 6.0)


def test_otherwise_the_window_counts(tmp_path):
    file = write_audio(tmp_path / "v.wav", tone(3.0, sample_rate=8000), sample_rate=8000)
    prepared = encode(file, 1.0, 4.0, may_be_cut=False)
    assert (prepared.clip.start, prepared.end) == (1.0, 3.0)

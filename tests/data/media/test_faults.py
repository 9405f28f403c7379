"""Small files that stand for kinds of faults, with what is right for each."""

import csv

import numpy as np
import pytest
from decoded import frames, heard_at, samples

from brave_tf.data.media.media import MediaFile


@pytest.fixture
def faults(shared_dir):
    folder = shared_dir / "data" / "faults"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("01_two_ts_in_one.ts", 100),
        ("02_still_70s.mp4", 1800),
        ("03_one_picture_30s_sound.mkv", 751),
        ("07_thumbnail_track_first.mp4", 75),
        ("08_truncated_400s.mkv", 1665),
        ("09_xvid_bframes.avi", 500),
    ],
)
def test_all_pictures_are_there(faults, name, count):
    assert len(frames(faults / name)) == count


@pytest.mark.parametrize(
    ("name", "clicks"),
    [
        ("03_one_picture_30s_sound.mkv", [1, 5, 15, 29]),
        ("04_sound_gap_70s.mp4", [1, 3, 76, 80, 85]),
        ("05_chained.ogg", [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]),
        ("06_radio_and_tv_programs.ts", [0.5, 1.5]),
        ("12_two_mp3.mp3", [0.5, 1.5, 2.5, 3.55, 4.55, 5.55]),
        ("12_two_mp3_48_44.mp3", [0.5, 1.5, 2.5, 3.55, 4.55, 5.55]),
    ],
)
def test_clicks_are_heard_when_they_are_due(faults, name, clicks):
    np.testing.assert_allclose(heard_at(samples(faults / name)), clicks, atol=0.01)


@pytest.mark.parametrize(
    ("name", "start"),
    [("09_xvid_bframes.avi", 4.0), ("02_still_70s.mp4", 70.52), ("01_two_ts_in_one.ts", 1.8)],
)
def test_windows_of_pictures(faults, name, start):
    whole, first = frames(faults / name), round(25 * start)
    window = frames(faults / name, start, start + 1)
    np.testing.assert_array_equal(window, whole[first : first + 25])


@pytest.mark.parametrize("second", [0, 5, 10, 22])
def test_the_tone_of_each_second(faults, second):
    heard = samples(faults / "10_ima_adpcm.wav", second + 0.2, second + 0.7)
    peak = np.argmax(np.abs(np.fft.rfft(heard))) * 48000 / len(heard)
    assert peak == pytest.approx(400 + 20 * second, abs=2)


def test_valid_bits(faults):
    heard = samples(faults / "11_24_bits_in_32.wav", rate=16000)
    sine = np.sin(2 * np.pi * 440 * np.arange(8000) / 16000)
    np.testing.assert_allclose(heard, 0.4 * sine, atol=1e-4)


def test_what_is_in_doubt_is_said(faults):
    said = {}
    with open(faults / "windows.csv", newline="") as file:
        names = {row["path"] for row in csv.DictReader(file)} | {"08_truncated_400s.mkv"}
    for name in names:
        with MediaFile(str(faults / name)) as media:
            said[name[:2]] = " ".join(media.warnings)
    assert "starts again" in said["01"] and "starts again" in said["05"]
    assert "it states 400.0 s and holds 66" in said["08"]
    assert {number for number, warnings in said.items() if warnings} == {"01", "05", "08"}

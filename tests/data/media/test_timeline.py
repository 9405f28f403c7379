"""Clocks that start again, pauses, and stamps that are damaged."""

import av
import numpy as np
import pytest
from decoded import heard_at, numbers, samples
from media import click, numbered_frame, write_audio, write_video
from remuxed import joined, remuxed

from brave_tf.data.media import packets
from brave_tf.data.media.media import MediaError, MediaFile

CODECS = {
    "ts": {},
    "m2ts": {"audio_codec": "ac3"},
    "mpg": {"codec": "mpeg1video", "audio_codec": "mp2"},
    "vob": {"codec": "mpeg2video", "audio_codec": "ac3"},
    "mkv": {"audio_codec": "flac"},
    "webm": {},
}


def part(path, first, count=50, sound=None, **options):
    """Pictures that show `first` and on, at 25 per second, with a click in the middle of the sound."""
    seconds = count / 25 if sound is None else sound
    frames = [numbered_frame(first + i) for i in range(count)]
    return write_video(path, frames, audio=click(seconds, seconds / 2), **options)


def warnings(file):
    with MediaFile(str(file)) as media:
        return media.warnings


@pytest.mark.parametrize("extension", CODECS)
def test_a_clock_that_starts_again_goes_on(tmp_path, extension):
    options = CODECS[extension]
    count = 2 if extension in ("mkv", "webm") else 3  # FFmpeg reads no third one of these.
    parts = [part(tmp_path / f"{i}.{extension}", 50 * i, **options) for i in range(count)]
    file = joined(tmp_path / f"all.{extension}", parts)
    shown = numbers(file)
    assert shown == list(range(50 * count))
    heard = samples(file, 0, 2 * count, pad=True)
    np.testing.assert_allclose(heard_at(heard), [1.0, 3.0, 5.0][:count], atol=0.035)
    for start in (0.4, 1.8, 2.0, 3.2):
        first = round(25 * start)
        assert numbers(file, start, start + 0.4) == shown[first : first + 10]
        window = samples(file, start, start + 0.4, pad=True)
        np.testing.assert_array_equal(window, heard[1920 * first :][:19200])
    assert any("starts again" in warning for warning in warnings(file))
    assert not warnings(parts[0])


@pytest.mark.parametrize("extension", ["mp4", "mov", "flv", "wav", "mkv"])
def test_a_joined_file_that_is_not_read_to_its_end_says_so(tmp_path, extension):
    if extension == "wav":
        parts = [write_audio(tmp_path / f"{i}.wav", click(2.0, 1.0)) for i in range(2)]
    else:
        codec = "flv" if extension == "flv" else None
        options = {"codec": codec, "audio_codec": "aac"}
        parts = [part(tmp_path / f"{i}.{extension}", 50 * i, **options) for i in range(3)]
    file = joined(tmp_path / f"all.{extension}", parts)
    read = parts[:2] if extension == "mkv" else parts[:1]
    size = f"{sum(each.stat().st_size for each in read):,}"
    assert any(f"another file begins at its byte {size}" in warning for warning in warnings(file))
    assert not warnings(parts[0])


@pytest.mark.parametrize("extension", ["ts", "vob"])
def test_sound_that_outlasts_the_pictures_of_a_part_is_kept(tmp_path, extension):
    options = CODECS[extension]
    first = part(tmp_path / f"a.{extension}", 0, 25, sound=3.0, **options)
    second = part(tmp_path / f"b.{extension}", 25, 50, **options)
    file = joined(tmp_path / f"c.{extension}", [first, second])
    shown = numbers(file)
    # The last picture of the first part is held while its sound goes on.
    assert shown[:25] == list(range(25)) and set(shown[25:74]) == {24}
    assert shown[-50:] == list(range(25, 75))
    begin = shown.index(25) / 25
    heard = heard_at(samples(file, 0, len(shown) / 25, pad=True))
    np.testing.assert_allclose(heard, [1.5, begin + 1.0], atol=0.06)


@pytest.mark.parametrize(
    ("extension", "codec", "loss"), [("ogg", None, 0.0), ("opus", None, 7e-3), ("ogg", "flac", 0.0)]
)
def test_chained_ogg_goes_on(tmp_path, extension, codec, loss):
    parts = [
        write_audio(tmp_path / f"{i}.{extension}", click(2.0, 0.5 + i / 2), codec=codec)
        for i in range(3)
    ]
    file = joined(tmp_path / f"all.{extension}", parts)
    heard = samples(file)
    assert abs(len(heard) / 48000 - 6) <= 3 * loss + 1e-3
    np.testing.assert_allclose(heard_at(heard), [0.5, 3.0, 5.5], atol=3 * loss + 1e-3)
    np.testing.assert_array_equal(samples(file, 2.5, 4.0), heard[120000:192000])


@pytest.mark.parametrize("codec", ["libvorbis", "flac"])
def test_chained_ogg_of_several_rates(tmp_path, codec):
    rates = (44100, 48000, 22050)
    parts = [
        write_audio(tmp_path / f"{rate}.ogg", click(2.0, 1.0, rate), rate, codec=codec)
        for rate in rates
    ]
    file = joined(tmp_path / "all.ogg", parts)
    heard = samples(file)
    assert len(heard) / 48000 == pytest.approx(6, abs=5e-3)
    np.testing.assert_allclose(heard_at(heard), [1.0, 3.0, 5.0], atol=5e-3)
    np.testing.assert_array_equal(samples(file, 4.52, 5.52), heard[216960:264960])


def test_joined_aac_of_two_rates(tmp_path):
    parts = [
        write_audio(tmp_path / f"{rate}.aac", click(2.0, 1.0, rate), rate, codec="aac")
        for rate in (48000, 44100)
    ]
    heard = samples(joined(tmp_path / "all.aac", parts))
    # Each begins with the delay of its encoder.
    np.testing.assert_allclose(heard_at(heard), [1.0, 3.0], atol=0.08)
    assert len(heard) / 48000 == pytest.approx(4.08, abs=0.03)


def test_a_clock_that_begins_again_at_zero_goes_on(tmp_path):
    """That of MPEG-TS has 33 bits; here it does so where two recordings were joined."""
    first = part(tmp_path / "a.ts", 0, options={"bf": "0"})
    wrap = 2**33 / 90000
    late = remuxed(tmp_path / "b.ts", [part(tmp_path / "c.ts", 50)], lambda n, k, t: t + wrap - 3)
    file = joined(tmp_path / "all.ts", [first, late])
    assert numbers(file) == list(range(100))


def test_a_film_of_a_picture_every_ten_seconds(tmp_path):
    frames = [numbered_frame(i) for i in range(24)]
    times = [10.0 * i for i in range(24)]
    file = write_video(tmp_path / "a.mkv", frames, times=times, audio=click(240.0, 100.0))
    shown = numbers(file, fps=1)
    assert shown[:230] == [i // 10 for i in range(230)]
    assert numbers(file, 155, 165, fps=1) == [15] * 5 + [16] * 5
    assert not any("damaged" in warning for warning in warnings(file))


@pytest.mark.parametrize("times", [(0, 4, 17, 21), (0, 3, 6, 15, 26), (0, 0.2, 0.4), (0, 10, 20)])
@pytest.mark.parametrize("extension", ["mkv", "mp4", "ts"])
def test_slides_that_are_stored_in_another_order(tmp_path, times, extension):
    frames = [numbered_frame(i) for i in range(len(times))]
    # A picture that is decoded long before it is shown would have a time below zero, which TS lacks.
    options = {"bf": "0"} if extension == "ts" else {}
    file = tmp_path / f"a.{extension}"
    write_video(file, frames, times=times, audio=click(30.0, 15.0), options=options)
    shown = numbers(file, fps=5)
    moments = np.arange(round(5 * times[-1]) + 1) / 5
    expected = np.searchsorted(np.array(times), moments + 2e-3, side="right") - 1
    assert shown[: len(moments)] == expected.tolist()


def test_parts_of_a_picture_or_two_are_told(tmp_path):
    parts = [part(tmp_path / f"{i}.ts", 50 * i, n) for i, n in enumerate((50, 2, 1, 50))]
    file = joined(tmp_path / "all.ts", parts)
    shown = numbers(file)
    with MediaFile(str(file)) as media:
        list(media.frames(0, None, 25, 48))
        said = " ".join(media.warnings)
    lost = {*range(50), 50, 51, 100, *range(150, 200)} - set(shown)
    assert not lost or "are damaged" in said


def test_joined_flac_goes_on(tmp_path):
    parts = [write_audio(tmp_path / f"{i}.flac", click(2.0, 0.5 + i)) for i in range(2)]
    heard = samples(joined(tmp_path / "all.flac", parts))
    assert len(heard) == 192000
    np.testing.assert_allclose(heard_at(heard), [0.5, 3.5], atol=1e-3)


@pytest.mark.parametrize("rates", [(48000, 48000), (48000, 44100)])
def test_joined_mp3_goes_on(tmp_path, rates):
    parts = [
        write_audio(tmp_path / f"{i}.mp3", click(3.0, 1.0, rate), rate)
        for i, rate in enumerate(rates)
    ]
    heard = samples(joined(tmp_path / "all.mp3", parts))
    # The second part has its encoder's delay and the frame that states the duration, 24 ms each.
    assert len(heard) / 48000 == pytest.approx(6.05, abs=0.02)
    np.testing.assert_allclose(heard_at(heard), [1.0, 4.05], atol=0.03)


@pytest.mark.parametrize("extension", ["mp4", "mkv", "avi"])
def test_a_picture_is_held_through_a_long_pause(tmp_path, extension):
    times = [*(i / 25 for i in range(25)), *(90 + i / 25 for i in range(25))]
    if extension == "avi":  # It has a rate: the picture is stored again and again.
        times = [i / 5 for i in range(50)]
    frames = [numbered_frame(i) for i in range(len(times))]
    file = write_video(tmp_path / f"a.{extension}", frames, fps=5, times=times)
    shown = numbers(file, fps=5)
    expected = np.searchsorted(times, np.arange(len(shown)) / 5 + 2e-3, side="right") - 1
    assert shown == expected.tolist() and len(shown) >= 5 * times[-1]
    start = len(shown) - 3
    assert numbers(file, start / 5, fps=5) == shown[start:]


def test_a_long_gap_in_the_sound_is_silence_of_the_same_length(tmp_path):
    seconds = 100
    sound = sum(click(seconds, at) for at in (1.0, 90.0, 95.0))
    frames = [numbered_frame(i % 200) for i in range(5 * seconds)]
    whole = write_video(tmp_path / "whole.mp4", frames, fps=5, audio=sound)
    quiet = lambda number, kind, t: None if kind == "audio" and 3 < t < 85 else t  # noqa: E731
    file = remuxed(tmp_path / "gap.mp4", [whole], quiet)
    heard = samples(file, 0, seconds, pad=True)
    np.testing.assert_allclose(heard_at(heard), [1.0, 90.0, 95.0], atol=2e-3)
    assert not np.any(heard[4 * 48000 : 84 * 48000])
    np.testing.assert_allclose(heard_at(samples(file, 89.5, 96, pad=True)), [0.5, 5.5], atol=2e-3)


@pytest.mark.parametrize("extension", ["ts", "mkv", "flv"])
@pytest.mark.parametrize("off", [5000.0, 30.0])
@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_damaged_stamp_moves_nothing_else(tmp_path, extension, off, kind):
    options = {"codec": "flv", "audio_codec": "libmp3lame", "sample_rate": 44100}
    options = options if extension == "flv" else {"options": {"bf": "0"}}
    whole = part(tmp_path / f"whole.{extension}", 0, 75, **options)
    with av.open(str(whole)) as container:
        found, _ = packets.read_packets(container)
    index = 0 if kind == "video" else 1
    assert len(found[index]) > 40 and not len(found[index].damaged)

    file = tmp_path / f"damaged.{extension}"
    remuxed(file, [whole], lambda number, k, t: t + off if (number, k) == (30, kind) else t)
    with MediaFile(str(file)) as media:
        found = [int(f[16:-16, 4::8].mean() > 0) for f in media.frames(0, 3, 25, 48)]
        assert len(found) == 75
    shown = numbers(file, 0, 3)
    wrong = [i for i, number in enumerate(shown) if number != i]
    assert len(wrong) <= 2
    heard = samples(file, 0, 3, pad=True)
    np.testing.assert_allclose(heard_at(heard), heard_at(samples(whole, 0, 3, pad=True)), atol=0.03)


def test_a_clock_that_jumps_ahead_is_a_pause_and_said(tmp_path):
    whole = part(tmp_path / "whole.ts", 0, 100, options={"bf": "0"})
    file = remuxed(tmp_path / "a.ts", [whole], lambda number, kind, t: t + 100 * (t > 3.4))
    shown = numbers(file)
    values, counts = np.unique(shown, return_counts=True)
    assert values.tolist() == list(range(100))
    assert np.sort(counts)[-2:].tolist() == [1, 2501]
    assert any("jumps ahead by 100.0 s" in warning for warning in warnings(file))


def test_a_picture_is_not_held_for_hours(tmp_path):
    times = [0.0, 0.04, 0.08, 9000.0, 9000.04, 9000.08, 9000.12, 9000.16]
    frames = [numbered_frame(i) for i in range(len(times))]
    file = write_video(tmp_path / "a.mkv", frames, times=times)
    with pytest.raises(MediaError, match=r"one picture is shown for .* s.*CSV"):
        numbers(file)
    assert numbers(file, 0, 0.12) == [0, 1, 2]
    assert numbers(file, 9000.04, 9000.16) == [4, 5, 6]


def test_silence_is_not_put_in_for_hours(tmp_path):
    whole = write_audio(tmp_path / "a.mka", click(3, 1.0), codec="pcm_s16le")
    late = lambda number, kind, t: t + 9000 if t > 1.5 else t  # noqa: E731
    file = remuxed(tmp_path / "b.mka", [whole], late)
    with pytest.raises(MediaError, match=r"gap of more than .* s.*CSV"):
        samples(file)
    np.testing.assert_allclose(heard_at(samples(file, 0.5, 1.5)), [0.5], atol=1e-3)


def test_one_picture_lasts_as_long_as_its_sound(tmp_path):
    sound = click(12.0, 11.0)
    file = write_video(tmp_path / "a.mp4", [numbered_frame(7)], audio=sound)
    assert numbers(file) == [7] * 300
    assert numbers(file, 8, 9) == [7] * 25
    np.testing.assert_allclose(heard_at(samples(file, 0, 12, pad=True)), [11.0], atol=2e-3)
    assert not warnings(file)


def test_the_last_picture_is_held_while_sound_goes_on(tmp_path):
    frames = [numbered_frame(i) for i in range(25)]
    file = write_video(tmp_path / "a.mkv", frames, audio=click(4.0, 3.0))
    shown = numbers(file)
    assert shown[:25] == list(range(25)) and set(shown[25:]) == {24}
    assert len(shown) == pytest.approx(100, abs=1)
    assert any("sound goes on" in warning for warning in warnings(file))


def test_a_file_that_is_cut_off_says_so(tmp_path):
    file = part(tmp_path / "a.mkv", 0, 200)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with MediaFile(str(file)) as media:
        shown = list(media.frames(0, None, 25, 48))
        assert 50 < len(shown) < 150
        assert any("it states 8.0 s and holds" in warning for warning in media.warnings)

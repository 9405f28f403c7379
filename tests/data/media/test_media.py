"""Windows of media files in time, and files that are damaged or odd."""

import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
from decoded import frames, numbers, samples
from media import (
    click,
    moving_texture,
    numbered_frame,
    tone,
    write_audio,
    write_video,
)

from brave_tf.data.media import media
from brave_tf.data.media.media import MediaError, MediaFile

CONTAINERS = {
    "mp4": {},
    "mov": {},
    "mkv": {},
    "webm": {},
    "avi": {},
    "ts": {},
    "mp4 mp3": {"audio_codec": "libmp3lame"},
    "mkv vorbis": {"audio_codec": "libvorbis"},
    "avi h264": {"codec": "libx264"},
    "mpg": {"codec": "mpeg1video", "audio_codec": "mp2"},
    "ts mpeg2": {"codec": "mpeg2video", "audio_codec": "mp2"},
    "flv": {"codec": "flv", "audio_codec": "libmp3lame", "sample_rate": 44100},
    "flv h264": {"codec": "libx264", "audio_codec": "aac"},
    "3gp": {"codec": "mpeg4", "audio_codec": "aac"},
    "wmv": {"codec": "wmv2", "audio_codec": "wmav2", "sample_rate": 44100},
    "mp4 hevc": {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
    "webm vp9": {"codec": "libvpx-vp9"},
}


@pytest.fixture(scope="module", params=CONTAINERS)
def flash_and_click(request, tmp_path_factory):
    """3 s of numbered pictures with a click in the middle of the second of picture 25."""
    extension = request.param.split()[0]
    options = CONTAINERS[request.param]
    return write_video(
        tmp_path_factory.mktemp("media") / f"clip.{extension}",
        [numbered_frame(i) for i in range(75)],
        audio=click(3, 1.0, options.get("sample_rate", 48000)),
        **options,
    )


def test_every_picture_comes_once_at_its_own_rate(flash_and_click):
    assert numbers(flash_and_click) == list(range(75))


def test_window_in_the_middle_holds_its_pictures(flash_and_click):
    assert numbers(flash_and_click, 1.6, 2.2) == list(range(40, 55))


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm", "avi", "ts", "vob", "flv"])
def test_window_far_into_a_film_is_not_decoded_from_its_start(tmp_path, extension, monkeypatch):
    file = write_video(
        tmp_path / f"a.{extension}",
        [numbered_frame(i // 2) for i in range(400)],
        codec={"vob": "mpeg2video", "flv": "flv"}.get(extension),
        options={"g": "20"},
    )
    decoded = []
    decode = media.decode
    counting = lambda *args: (decoded.append(piece) or piece for piece in decode(*args))  # noqa: E731
    monkeypatch.setattr(media, "decode", counting)
    assert numbers(file, 14.0, 14.4) == [i // 2 for i in range(350, 360)]
    assert len(decoded) < 150


def test_window_at_a_picture_boundary_with_rounded_seconds(flash_and_click):
    assert numbers(flash_and_click, 1.32, 1.32 + 8 / 25 - 1e-9) == list(range(33, 41))


@pytest.mark.parametrize("start", [0.0, 0.72])
def test_click_is_heard_with_its_picture(flash_and_click, start):
    pictures = numbers(flash_and_click, start, start + 1.6)
    heard = samples(flash_and_click, start, start + 1.6, pad=True)
    assert heard.dtype == np.float32 and heard.shape == (76800,)
    seen_at = pictures.index(25) / 25
    # The centre of the click, not its highest sample: codecs ring.
    loud = np.flatnonzero(np.abs(heard) > 0.3)
    assert abs(loud.mean() / 48000 - seen_at) < 6e-4
    assert 0.6 < np.abs(heard).max() <= 1


@pytest.mark.parametrize(
    ("source_fps", "fps"), [(30, 25), (25, 10), (12, 25), (15, 25), (25, 30), (60, 12.5)]
)
def test_rate_change_shows_the_last_picture_whose_time_has_come(tmp_path, source_fps, fps):
    count = 2 * source_fps
    file = write_video(
        tmp_path / "clip.mp4", [numbered_frame(i) for i in range(count)], fps=source_fps
    )
    expected = [int(np.floor(i * source_fps / fps + 1e-6)) for i in range(int(2 * fps))]
    assert numbers(file, fps=fps) == expected


def test_variable_rate(tmp_path):
    times = [0.0, 0.04, 0.5, 0.54, 0.9, 1.7, 1.74]
    file = write_video(
        tmp_path / "clip.mkv", [numbered_frame(i) for i in range(len(times))], times=times
    )
    shown = [int(np.searchsorted(times, i / 10 + 1e-6, side="right")) - 1 for i in range(18)]
    assert numbers(file, fps=10)[:18] == shown


def test_repeated_picture_is_the_same_array(tmp_path):
    file = write_video(tmp_path / "clip.mp4", [numbered_frame(i) for i in range(10)], fps=10)
    doubled = frames(file, fps=20)
    assert all(doubled[2 * i] is doubled[2 * i + 1] for i in range(10))
    assert doubled[1] is not doubled[2]


def test_end_beyond_the_video_gives_what_there_is(tmp_path):
    file = write_video(tmp_path / "clip.mp4", [numbered_frame(i) for i in range(10)])
    assert numbers(file, 0.2, 99) == [5, 6, 7, 8, 9]


def test_start_beyond_the_video_is_an_error(tmp_path):
    file = write_video(tmp_path / "clip.mp4", [numbered_frame(i) for i in range(10)])
    with pytest.raises(MediaError, match="no picture at 2 s"):
        frames(file, 2.0, 3.0)


def test_pictures_that_start_late_leave_sound_in_place(tmp_path):
    times = [0.5 + i / 25 for i in range(25)]
    file = write_video(
        tmp_path / "clip.mkv",
        [numbered_frame(i) for i in range(25)],
        times=times,
        audio=click(1.5, at=0.9),
        audio_codec="pcm_s16le",
    )
    pictures = numbers(file)
    # The first picture stands until its successor comes.
    assert pictures[:15] == [0] * 14 + [1]
    heard = samples(file, 0, len(pictures) / 25, pad=True)
    assert abs(np.argmax(np.abs(heard)) / 48000 - 0.9) < 1e-3
    assert pictures[22:24] == [9, 10]


def test_sound_that_starts_late_is_preceded_by_silence(tmp_path):
    file = write_video(
        tmp_path / "clip.mp4",
        [numbered_frame(i) for i in range(50)],
        audio=tone(1.0),
        audio_start=0.5,
    )
    heard = samples(file, 0, 2, pad=True)
    assert heard.shape == (96000,)
    assert np.abs(heard[: 48000 // 2 - 1100]).max() < 1e-3
    assert np.abs(heard[48000 // 2 + 100 : 48000]).max() > 0.4
    assert np.all(heard[round(1.6 * 48000) :] == 0)


def test_gap_in_the_sound_is_silence_of_the_same_length(tmp_path):
    whole = write_audio(tmp_path / "whole.mkv", click(2.0, at=1.5), codec="pcm_s16le")
    with av.open(str(whole)) as source, av.open(str(tmp_path / "gap.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.pts is not None and not 0.5 < packet.pts * packet.time_base < 1.0:
                packet.stream = stream
                target.mux(packet)
    heard = samples(tmp_path / "gap.mkv")
    assert abs(np.argmax(np.abs(heard)) / 48000 - 1.5) < 1e-3
    assert abs(len(heard) - 96000) < 48


def test_cover_art_is_not_video(tmp_path):
    path = str(tmp_path / "song.mp3")
    cover = cv2.imencode(".jpg", moving_texture(1)[0])[1].tobytes()
    with av.open(path, "w") as container:
        sound = container.add_stream("libmp3lame", rate=48000, layout="mono")
        art = container.add_stream("mjpeg", rate=25)
        art.width, art.height, art.pix_fmt = 64, 48, "yuvj420p"
        art.disposition = av.stream.Disposition.attached_pic.value
        container.start_encoding()
        packet = av.Packet(cover)
        packet.stream, packet.pts, packet.dts = art, 0, 0
        container.mux(packet)
        frame = av.AudioFrame.from_ndarray(tone(0.5)[None], format="flt", layout="mono")
        frame.sample_rate = 48000
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    with av.open(path) as container:
        assert container.streams.video, "the file must hold cover art for this test"
    with MediaFile(path) as media:
        assert media.has_audio and not media.has_video


def test_damaged_packets_are_passed_over(tmp_path):
    file = write_video(
        tmp_path / "clip.avi",
        [numbered_frame(i) for i in range(50)],
        codec="mpeg4",
        options={"g": "5"},
    )
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    file.write_bytes(data)
    shown = numbers(file)
    assert len(shown) == 50
    assert shown[:15] == list(range(15)) and shown[-10:] == list(range(40, 50))


@pytest.mark.parametrize("extension", ["avi", "mkv", "ts"])
def test_truncated_file_gives_its_beginning(tmp_path, extension):
    file = write_video(
        tmp_path / f"clip.{extension}", moving_texture(50), audio=tone(2.0), options={"g": "10"}
    )
    complete = frames(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    beginning = frames(file)
    assert 10 <= len(beginning) <= 45
    np.testing.assert_array_equal(beginning[5], complete[5])


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"no media at all\n" * 50, "Invalid"), (b"\0" * 5000, "Invalid")],
)
def test_garbage_cannot_be_opened(tmp_path, content, reason):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(MediaError, match=reason) as caught:
        MediaFile(str(tmp_path / "clip.mp4"))
    assert caught.value.stage == "open"


def test_mp4_without_its_index_cannot_be_opened(tmp_path):
    file = write_video(tmp_path / "clip.mp4", moving_texture(30))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(MediaError, match="Invalid data"):
        MediaFile(str(file))


def test_missing_file(tmp_path):
    with pytest.raises(MediaError, match="does not exist") as caught:
        MediaFile(str(tmp_path / "none.mp4"))
    assert caught.value.stage == "find"
    with pytest.raises(MediaError, match="not a file"):
        MediaFile(str(tmp_path))


def test_subtitles_alone_are_not_media(tmp_path):
    (tmp_path / "clip.mkv").write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    with pytest.raises(MediaError) as caught:
        MediaFile(str(tmp_path / "clip.mkv"))
    assert caught.value.stage == "open"


@pytest.mark.long
def test_memory_does_not_grow_with_the_length_of_the_video(tmp_path):
    still = np.full((480, 640, 3), 90, np.uint8)
    peaks = []
    for count in (50, 1500):
        file = write_video(tmp_path / f"{count}.mp4", (still for _ in range(count)))
        code = (
            "import resource, sys; from brave_tf.data.media.media import MediaFile\n"
            "n = sum(1 for _ in MediaFile(sys.argv[1]).frames(0, None, 25, 240))\n"
            "print(n, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)"
        )
        output = subprocess.run(
            [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
        )
        shown, peak = map(int, output.stdout.split())
        assert shown == count
        peaks.append(peak)
    # Held frames would take 1.3 GB.
    assert peaks[1] - peaks[0] < 60


def test_real_clips_decode(shared_dir):
    clips = sorted((shared_dir / "data" / "clips").glob("*/*"))
    assert len(clips) > 50
    for clip in clips:
        with MediaFile(str(clip)) as media:
            if media.has_video:
                shown = list(media.frames(0, 1, 25, 64))
                assert shown and min(shown[0].shape[:2]) == 64, clip
            if media.has_audio:
                heard = media.samples(0, 1, 16000, media.has_video)
                assert heard is not None and np.abs(heard).max() <= 1, clip

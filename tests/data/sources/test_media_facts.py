import av
import decoded
import media
import pytest

from brave_tf.data.sources.media_facts import Facts, find_facts

TEXTURE = media.moving_texture(20)


def facts(*paths, timeout=60.0):
    found = find_facts(map(str, paths), timeout)
    return [found[str(path)] for path in paths]


@pytest.mark.parametrize(
    "name, fps", [("a.mp4", 25), ("a.avi", 10), ("a.webm", 30), ("a.mkv", 30000 / 1001)]
)
def test_video_at_a_constant_rate(tmp_path, name, fps):
    path = media.write_video(tmp_path / name, TEXTURE, fps, audio=media.tone(0.5))
    (found,) = facts(path)
    assert found.has_video and found.has_audio
    assert found.num_frames == 20
    assert found.frame_rate == pytest.approx(fps, rel=1e-6)
    assert found.seconds == pytest.approx(20 / fps, abs=2e-3)


def uneven(path):
    return media.write_video(path, TEXTURE, times=[i / 25 + 0.01 * (i % 3) for i in range(20)])


def turned(path):
    media.set_display_matrix(media.write_video(path, TEXTURE), [[0, 1], [-1, 0]])
    return path


def two_streams(path):
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4", rate=25) for _ in range(2)]
        for stream in streams:
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for pixels in TEXTURE:
            for stream in streams:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    "write",
    [
        uneven,
        turned,
        two_streams,
        lambda path: media.write_video(path, TEXTURE, pixel_format="yuv444p"),
        lambda path: media.write_video(path, media.moving_texture(20, 48, 60)),
        lambda path: media.write_video(path, TEXTURE, options={"x264-params": "colormatrix=bt709"}),
    ],
    ids=["uneven", "turned", "two streams", "colour of every pixel", "odd width", "BT.709"],
)
def test_video_that_counting_its_pictures_does_not_tell(tmp_path, write):
    (found,) = facts(write(tmp_path / "a.mp4"))
    assert found.has_video and not found.has_audio
    assert found.frame_rate == 0
    assert found.seconds == pytest.approx(0.8, abs=0.05)


def test_a_picture_that_is_left_out_makes_the_rate_uneven(tmp_path):
    times = [i / 25 for i in range(20) if i != 7]
    path = media.write_video(tmp_path / "a.mkv", TEXTURE[:19], times=times)
    assert facts(path)[0].frame_rate == 0


@pytest.mark.parametrize(
    ("name", "is_wav"),
    [("a.wav", True), ("a.flac", False), ("a.mp3", False), ("a.ogg", False), ("a.m4a", False)],
)
def test_sound(tmp_path, name, is_wav):
    path = media.write_audio(tmp_path / name, media.tone(0.5, sample_rate=16000), 16000)
    (found,) = facts(path)
    assert not found.has_video and found.has_audio
    assert (found.is_wav, found.sample_rate) == (is_wav, 16000)
    assert found.seconds == pytest.approx(0.5, abs=0.1)


def test_a_truncated_wav_is_not_whole(tmp_path):
    path = media.write_audio(tmp_path / "a.wav", media.tone(0.5))
    path.write_bytes(path.read_bytes()[:20_000])
    assert not facts(path)[0].is_wav
    assert len(decoded.samples(path)) > 9000


def test_wav_of_other_samples_is_left_to_pyav(tmp_path):
    for codec in ("pcm_f32le", "pcm_s24le", "pcm_u8"):
        path = media.write_audio(tmp_path / f"{codec}.wav", media.tone(0.2), codec=codec)
        assert not facts(path)[0].is_wav


def test_what_cannot_be_used_has_a_reason(tmp_path):
    garbage, truncated = tmp_path / "garbage.mp4", tmp_path / "truncated.mp4"
    garbage.write_bytes(b"garbage" * 100)
    whole = media.write_video(tmp_path / "whole.mp4", TEXTURE)
    truncated.write_bytes(whole.read_bytes()[:1000])
    found = facts(garbage, whole, truncated, tmp_path / "missing.mp4")
    assert isinstance(found[1], Facts)
    assert "Invalid data" in found[0] and "Invalid data" in found[2]
    assert found[3] == "does not exist"


def test_a_file_that_changes_is_looked_into_again(tmp_path):
    path = media.write_video(tmp_path / "a.avi", TEXTURE)
    assert facts(path)[0].num_frames == 20
    media.write_video(path, TEXTURE[:5])
    assert facts(path)[0].num_frames == 5

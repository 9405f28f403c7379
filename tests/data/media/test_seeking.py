"""Windows are what a full read gives, in every container and codec."""

import numpy as np
import pytest
from media import numbered_frame, write_audio, write_video

from brave_tf.data.media import seeking
from brave_tf.data.media.media import MediaFile

REORDERED = {"bf": "2", "g": "12"}
X265 = "log-level=none:keyint=24:min-keyint=24:bframes=4:open-gop={}"
# Container and codec -> options of the writer.
VIDEOS = {
    "mp4 h264": {"options": {"g": "24"}},
    "mp4 h264, open groups": {"options": {"x264-params": "open-gop=1:keyint=24:bframes=3"}},
    "mp4 h264, refreshed": {"options": {"x264-params": "intra-refresh=1:keyint=30:bframes=0"}},
    "mp4 hevc": {"codec": "libx265", "options": {"x265-params": X265.format(0)}},
    "mp4 hevc, open groups": {"codec": "libx265", "options": {"x265-params": X265.format(1)}},
    "mp4 mpeg4": {"codec": "mpeg4", "options": REORDERED},
    "mov mjpeg": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "mkv h264": {"options": {"g": "24"}},
    "mkv mpeg2": {"codec": "mpeg2video", "options": REORDERED},
    "mkv hevc, open groups": {"codec": "libx265", "options": {"x265-params": X265.format(1)}},
    "webm vp8": {"options": {"g": "24"}},
    "webm vp9": {"codec": "libvpx-vp9", "options": {"g": "24", "cpu-used": "8"}},
    "avi mpeg4": {"codec": "mpeg4", "options": {"g": "12"}},
    "avi mpeg4, reordered": {"codec": "mpeg4", "options": REORDERED},
    "avi mpeg1": {"codec": "mpeg1video", "options": REORDERED},
    "avi mpeg2": {"codec": "mpeg2video", "options": REORDERED},
    "avi h264": {"codec": "libx264", "options": {"g": "24"}},
    "ts h264": {"options": {"g": "24"}},
    "ts h264, open groups": {"options": {"x264-params": "open-gop=1:keyint=24:bframes=3"}},
    "ts hevc, open groups": {"codec": "libx265", "options": {"x265-params": X265.format(1)}},
    "ts mpeg2": {"codec": "mpeg2video", "options": REORDERED},
    "mpg mpeg1": {"codec": "mpeg1video", "options": REORDERED},
    "vob mpeg2": {"codec": "mpeg2video", "options": REORDERED},
    "flv h264": {"codec": "libx264", "options": {"g": "24"}},
    "flv flv1": {"codec": "flv", "options": {"g": "24"}},
    "wmv wmv2": {"codec": "wmv2", "options": {"g": "24"}},
    "3gp mpeg4": {"codec": "mpeg4", "options": {"g": "24"}},
    "nut mpeg4": {"codec": "mpeg4", "options": REORDERED},
}
# Container and codec -> the writer's name of the codec, and samples per second.
SOUNDS = {
    "wav pcm": ("pcm_s16le", 44100),
    "wav float": ("pcm_f32le", 44100),
    "wav adpcm_ima": ("adpcm_ima_wav", 11025),
    "wav adpcm_ms": ("adpcm_ms", 22050),
    "wav mulaw": ("pcm_mulaw", 8000),
    "w64 pcm": ("pcm_s24le", 44100),
    "aiff pcm": ("pcm_s16be", 44100),
    "au pcm": ("pcm_s16be", 44100),
    "caf alac": ("alac", 44100),
    "mp3 mp3": ("libmp3lame", 44100),
    "mp2 mp2": ("mp2", 44100),
    "aac aac": ("aac", 44100),
    "ac3 ac3": ("ac3", 44100),
    "flac flac": ("flac", 44100),
    "ogg vorbis": ("libvorbis", 44100),
    "ogg flac": ("flac", 44100),
    "opus opus": ("libopus", 48000),
    "m4a aac": ("aac", 44100),
    "m4a alac": ("alac", 44100),
    "mp4 mp3": ("libmp3lame", 44100),
    "mp4 opus": ("libopus", 48000),
    "mka aac": ("aac", 44100),
    "mka flac": ("flac", 44100),
    "mka vorbis": ("libvorbis", 44100),
    "webm opus": ("libopus", 48000),
    "ts aac": ("aac", 44100),
    "ts mp2": ("mp2", 44100),
    "mpg mp2": ("mp2", 44100),
    "wma wma2": ("wmav2", 44100),
    "flv aac": ("aac", 44100),
    "avi mp3": ("libmp3lame", 44100),
    "avi adpcm_ms": ("adpcm_ms", 44100),
    "wv wavpack": ("wavpack", 44100),
    "tta tta": ("tta", 44100),
}
# What the decoder rounds at random, and what Opus carries on from before.
ROUNDED = {"libopus": 1e-6}


def read(file, start, end):
    with MediaFile(str(file)) as media:
        return list(media.frames(start, end, 25, 48))


def hear(file, start, end, rate):
    with MediaFile(str(file)) as media:
        return media.samples(start, end, rate, False)


@pytest.mark.parametrize("kind", VIDEOS)
def test_windows_of_pictures(tmp_path, kind):
    count, extension = 200, kind.split()[0]
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 12, (count, 48, 64, 1), np.uint8)
    frames = [numbered_frame(i) + noise[i] for i in range(count)]
    file = write_video(tmp_path / f"a.{extension}", frames, **VIDEOS[kind])
    whole = read(file, 0, None)
    assert len(whole) == count
    for start in rng.integers(1, 188, 12) / 25:
        first = round(25 * start)
        np.testing.assert_array_equal(read(file, start, start + 0.4), whole[first : first + 10])


def sound_file(folder, kind, seconds):
    codec, rate = SOUNDS[kind]
    rng = np.random.default_rng(1)
    sound = np.convolve(rng.normal(size=seconds * rate), np.hanning(20), "same")
    sound = (0.3 * sound / np.abs(sound).max()).astype(np.float32)
    return write_audio(folder / f"a.{kind.split()[0]}", sound, rate, codec=codec), rate


@pytest.mark.parametrize("kind", SOUNDS)
def test_windows_of_sound(tmp_path, kind):
    file, rate = sound_file(tmp_path, kind, 24)
    whole = hear(file, 0, None, rate)
    assert len(whole) / rate == pytest.approx(24, abs=0.11)
    tolerance = ROUNDED.get(SOUNDS[kind][0], 0)
    for start in (0.32, 3.0, 5.2, 10.2, 15.48, 21.6):
        window, first = hear(file, start, start + 1, rate), round(start * rate)
        np.testing.assert_allclose(window, whole[first : first + rate], rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", ["wav adpcm_ima", "mp3 mp3", "ogg vorbis", "m4a aac", "mka flac"])
def test_windows_of_sound_at_another_rate(tmp_path, kind):
    file, _ = sound_file(tmp_path, kind, 12)
    whole = hear(file, 0, None, 48000)
    for start in (0.32, 3.0, 7.2, 10.2):
        window, first = hear(file, start, start + 1, 48000), round(start * 48000)
        np.testing.assert_allclose(window, whole[first : first + 48000], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["wav pcm", "mp3 mp3", "flac flac", "ogg vorbis", "m4a alac"])
def test_sound_far_in_is_not_decoded_from_the_start(tmp_path, kind, monkeypatch):
    file, rate = sound_file(tmp_path, kind, 30)
    decoded = []
    decode = seeking.decode
    counting = lambda *args: (decoded.append(piece) or piece for piece in decode(*args))  # noqa: E731
    monkeypatch.setattr(seeking, "decode", counting)
    hear(file, 25.0, 26.0, rate)
    assert 0 < sum(piece.duration for piece in decoded) < 5


def test_edit_lists_hold_for_windows_too(tmp_path):
    """Sound that starts late makes MP4 begin with an empty edit, and one that starts early with a cut."""
    frames = [numbered_frame(i) for i in range(150)]
    rng = np.random.default_rng(2)
    sound = rng.uniform(-0.5, 0.5, 5 * 48000).astype(np.float32)
    file = write_video(tmp_path / "a.mp4", frames, audio=sound, audio_start=0.52)
    whole, heard = read(file, 0, None), hear(file, 0, 5, 48000)
    assert len(whole) == 150 and not np.any(np.abs(heard[: round(0.45 * 48000)]) > 1e-3)
    for start in (0.4, 1.0, 3.52):
        first = round(25 * start)
        np.testing.assert_array_equal(read(file, start, start + 0.4), whole[first : first + 10])
        window = hear(file, start, start + 0.4, 48000)
        np.testing.assert_array_equal(window, heard[1920 * first :][:19200])

import av
import cv2
import numpy as np
import pytest
from media import moving_texture, number_of, numbered_frame, tone, write_audio, write_video

from brave_tf.data.clips.clip_list import ListedClip
from brave_tf.data.media import audio_decoding, flow
from brave_tf.data.media.media import MediaError, MediaFile
from brave_tf.data.preparation import clip_encoder
from brave_tf.data.preparation.clip_encoder import ClipFailure, PreparedClip, encode, try_encode
from brave_tf.data.preparation.settings import PreparationSettings

SETTINGS = PreparationSettings(min_side=48, flow="dis")


def clip(file, start=0.0, end=None):
    return ListedClip(file.name, str(file), start, end, (), "train", file.stat().st_size)


def decoded(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def sampling_factors(jpeg):
    """Returns the (horizontal, vertical) sampling factors of the components, from the frame header."""
    start = jpeg.index(b"\xff\xc0")
    count = jpeg[start + 9]
    return [divmod(jpeg[start + 11 + 3 * i], 16) for i in range(count)]


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return write_video(
        tmp_path_factory.mktemp("media") / "clip.mp4",
        moving_texture(30, 96, 128, (2, 1)),
        audio=tone(1.2),
        options={"crf": "10"},
    )


def test_frames_are_jpegs_of_the_pictures(moving):
    prepared = encode(clip(moving), SETTINGS)
    with MediaFile(str(moving)) as media:
        pictures = list(media.frames(0, None, 25, 48))
    assert (prepared.height, prepared.width) == (48, 64)
    assert len(prepared.frames) == len(pictures) == 30
    for jpeg, picture in zip(prepared.frames, pictures):
        # JPEG stores colour at half the size, brightness at full.
        stored, shown = (
            cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in (decoded(jpeg), picture)
        )
        assert np.abs(stored.astype(float) - shown).mean() < 2
        assert sampling_factors(jpeg) == [(2, 2), (1, 1), (1, 1)]


def test_flow_follows_each_frame_and_the_last_is_repeated(moving):
    prepared = encode(clip(moving), SETTINGS)
    assert len(prepared.flow) == len(prepared.frames)
    assert prepared.flow[-1] == prepared.flow[-2]
    for jpeg in prepared.flow:
        stored = decoded(jpeg)[..., ::-1]
        u, v = np.median(flow.dequantize(stored, 20.0)[6:-6, 6:-6], axis=(0, 1))
        # The pictures are shown at half their size.
        assert abs(u - 1.0) < 0.25 and abs(v - 0.5) < 0.25
        assert sampling_factors(jpeg) == [(1, 1)] * 3


def test_flow_jpeg_keeps_the_flow_to_a_fraction_of_a_pixel(moving):
    prepared = encode(clip(moving, 0.0, 0.2), SETTINGS)
    with MediaFile(str(moving)) as media:
        greys = [cv2.cvtColor(f, cv2.COLOR_BGR2GRAY) for f in media.frames(0, 0.2, 25, 48)]
    for jpeg, (previous, following) in zip(prepared.flow, zip(greys, greys[1:])):
        expected = np.clip(flow.estimator("dis")(previous, following), -20, 20)
        error = flow.dequantize(decoded(jpeg)[..., ::-1], 20.0) - expected
        step = 40 / 255
        assert np.abs(error).mean() < step and np.abs(error).max() < 6 * step


def test_repeated_pictures_do_not_move(tmp_path):
    file = write_video(tmp_path / "clip.mp4", moving_texture(6, step=(3, 0)), fps=12.5)
    prepared = encode(clip(file), SETTINGS)
    assert len(prepared.frames) == 12
    zero = flow.quantize(np.zeros((48, 64, 2)), 20.0)
    for i in range(0, 12, 2):
        assert prepared.frames[i] == prepared.frames[i + 1]
        np.testing.assert_array_equal(decoded(prepared.flow[i])[..., ::-1], zero)
        if i < 10:
            assert prepared.flow[i + 1] != prepared.flow[i]


def test_single_picture_has_zero_flow(tmp_path):
    file = write_video(tmp_path / "clip.mp4", moving_texture(1))
    prepared = encode(clip(file), SETTINGS)
    zero = flow.quantize(np.zeros((48, 64, 2)), 20.0)
    assert len(prepared.frames) == len(prepared.flow) == 1
    np.testing.assert_array_equal(decoded(prepared.flow[0])[..., ::-1], zero)


def test_window_ends_with_its_last_picture_and_sound(tmp_path):
    file = write_video(
        tmp_path / "clip.mp4", [numbered_frame(i) for i in range(50)], audio=tone(2.0)
    )
    prepared = encode(clip(file, 0.4, 0.8), PreparationSettings(min_side=48, flow="none"))
    assert [number_of(decoded(jpeg)) for jpeg in prepared.frames] == list(range(10, 20))
    assert prepared.end == pytest.approx(0.8)
    assert prepared.audio.shape == (19200,)
    assert prepared.flow is None
    beyond = encode(clip(file, 1.8, 5.0), SETTINGS)
    assert beyond.end == pytest.approx(2.0)
    assert len(beyond.frames) == 5 and beyond.audio.shape == (9600,)


def test_sound_shorter_than_the_pictures_is_padded(tmp_path):
    file = write_video(tmp_path / "clip.avi", moving_texture(50), audio=tone(1.0))
    audio = encode(clip(file), SETTINGS).audio
    assert audio.shape == (96000,)
    assert np.all(audio[50000:] == 0) and np.abs(audio[47000:47900]).max() > 0.4


def test_sound_alone_has_no_pictures(tmp_path):
    file = write_audio(tmp_path / "a.wav", tone(1.5, sample_rate=16000), 16000)
    prepared = encode(clip(file, 0.5), SETTINGS)
    assert prepared.frames is None and prepared.flow is None and prepared.height is None
    assert prepared.end == pytest.approx(1.5, abs=1e-4)
    assert abs(len(prepared.audio) - 48000) <= 1
    with pytest.raises(MediaError, match="sound only"):
        encode(clip(file), PreparationSettings(audio="none"))
    with pytest.raises(MediaError, match="no sound at 2 s"):
        encode(clip(file, 2.0), SETTINGS)


def test_sound_can_be_left_out(moving):
    prepared = encode(clip(moving), PreparationSettings(min_side=48, flow="none", audio="none"))
    assert prepared.audio is None and prepared.flac is None and prepared.frames


def test_silent_film_has_no_sound(tmp_path):
    prepared = encode(clip(write_video(tmp_path / "a.mp4", moving_texture(3))), SETTINGS)
    assert prepared.audio is None and prepared.flac is None


def test_flac_holds_the_sound_in_16_bits(tmp_path):
    sound = np.random.default_rng(0).uniform(-1, 1, 6000).astype(np.float32)
    file = write_audio(tmp_path / "a.wav", sound, codec="pcm_f32le")
    prepared = encode(clip(file), PreparationSettings(audio="flac"))
    assert prepared.audio is None and prepared.flac[:4] == b"fLaC"
    path = tmp_path / "b.flac"
    path.write_bytes(prepared.flac)
    with av.open(str(path)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
        assert container.streams.audio[0].rate == 48000
    stored = np.concatenate(blocks, axis=1)[0]
    assert stored.dtype == np.int16
    np.testing.assert_allclose(stored / 32767, sound, atol=0.51 / 32767)


def test_encode_flac_of_nothing_special():
    assert audio_decoding.encode_flac(np.zeros(10, np.float32), 16000)[:4] == b"fLaC"


def test_jpeg_quality_sets_the_size(moving):
    sizes = [
        len(
            encode(
                clip(moving), PreparationSettings(min_side=48, flow="none", jpeg_quality=q)
            ).frames[0]
        )
        for q in (30, 95)
    ]
    assert sizes[0] < 0.6 * sizes[1]


@pytest.mark.parametrize(
    ("flow_method", "audio"),
    [("none", "none"), ("dis", "none"), ("none", "float"), ("dis", "flac")],
)
def test_clip_that_is_too_long_for_a_record(tmp_path, monkeypatch, flow_method, audio):
    film = write_video(tmp_path / "a.mp4", moving_texture(20), audio=tone(0.8))
    settings = PreparationSettings(min_side=48, flow=flow_method, audio=audio)
    whole = encode(clip(film), settings)
    size = sum(map(len, [*whole.frames, *(whole.flow or ())])) + 4 * 38400 * (audio != "none")
    monkeypatch.setattr(clip_encoder, "MAX_BYTES", size + 1)
    assert isinstance(try_encode(clip(film), settings), PreparedClip)
    monkeypatch.setattr(clip_encoder, "MAX_BYTES", round(0.9 * size))
    failure = try_encode(clip(film), settings)
    assert failure.stage == "encode" and "list shorter windows" in failure.reason
    assert isinstance(try_encode(clip(film, 0.0, 0.4), settings), PreparedClip)


def test_sound_that_is_too_long_for_a_record(tmp_path, monkeypatch):
    sound = write_audio(tmp_path / "a.wav", tone(0.8))
    monkeypatch.setattr(clip_encoder, "MAX_BYTES", 4 * 38400)
    assert "list shorter windows" in try_encode(clip(sound), SETTINGS).reason
    assert encode(clip(sound, 0.0, 0.79), SETTINGS).audio.shape == (37920,)
    monkeypatch.setattr(clip_encoder, "MAX_BYTES", 4 * 38400 + 1)
    assert encode(clip(sound), SETTINGS).audio.shape == (38400,)


def test_picture_of_absurd_shape(tmp_path):
    file = write_video(tmp_path / "a.avi", [np.zeros((2, 4000, 3), np.uint8)], codec="ffv1")
    failure = try_encode(clip(file), SETTINGS)
    assert failure.stage == "encode" and "4000 x 2 pixels" in failure.reason


def test_failures_have_a_stage_and_a_reason(tmp_path, monkeypatch):
    garbage = tmp_path / "a.mp4"
    garbage.write_bytes(b"nothing")
    failure = try_encode(clip(garbage), SETTINGS)
    assert isinstance(failure, ClipFailure) and failure.stage == "open"
    good = clip(write_video(tmp_path / "b.mp4", moving_texture(3)))
    monkeypatch.setattr(cv2, "imencode", lambda *_: 1 / 0)
    assert try_encode(good, SETTINGS).stage == "encode"
    assert "ZeroDivisionError" in try_encode(good, SETTINGS).reason

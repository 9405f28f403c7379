"""2,000 damaged files of all containers and codecs through the command."""

import itertools
import shutil

import av
import command
import cv2
import mutations
import numpy as np
import prepared
import pytest
import tensorflow as tf
from media import moving_texture, tone, write_audio, write_video

from brave_tf.cli import prepare as prepare_command
from brave_tf.data.clips import media_files
from brave_tf.data.records.reader import parse_clip

FPS, SAMPLE_RATE, SIDE = 10.0, 8000, 16
FLAGS = (f"--fps={FPS:g}", f"--sample_rate={SAMPLE_RATE}", f"--min_side={SIDE}", "--flow=dis")
FIELDS = ("image/encoded", "FORWARD_FLOW/encoded", "WAVEFORM/feature/floats")
STAGES = {"open", "decode", "encode", "crash", "timeout"}
COUNT = 2000

VIDEOS = {
    "h264.mp4": {},
    "mpeg4.avi": {},
    "vp8.webm": {},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "h264.mkv": {"audio_codec": "libopus"},
    "ffv1.mkv": {"codec": "ffv1", "audio_codec": "flac"},
    "h264.mov": {"audio_codec": "pcm_s16le"},
    "h264.ts": {},
    "mpeg2.ts": {"codec": "mpeg2video", "audio_codec": "mp2"},
    "flv1.flv": {"codec": "flv", "audio_codec": "libmp3lame", "sample_rate": 44100},
    "mpeg1.mpg": {"codec": "mpeg1video", "audio_codec": "mp2"},
    "mpeg4.3gp": {"codec": "mpeg4", "audio_codec": "aac"},
    "wmv2.wmv": {"codec": "wmv2", "audio_codec": "wmav2", "sample_rate": 44100},
    "silent.mp4": {"silent": True},
    "mjpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
}
SOUNDS = {
    "u8.wav": "pcm_u8",
    "s16.wav": "pcm_s16le",
    "s24.wav": "pcm_s24le",
    "f32.wav": "pcm_f32le",
    "flac.flac": None,
    "vorbis.ogg": None,
    "opus.opus": None,
    "mp3.mp3": None,
    "aac.m4a": None,
    "alac.m4a": "alac",
    "aac.aac": "aac",
    "s16.aiff": "pcm_s16be",
    "wma.wma": "wmav2",
}


def write_seeds(folder):
    folder.mkdir()
    for number, (name, options) in enumerate(VIDEOS.items()):
        rate = options.get("sample_rate", 48000)
        audio = None if "silent" in options else tone(0.5, 300 + 20 * number, rate)
        known = {key: value for key, value in options.items() if key != "silent"}
        write_video(folder / name, moving_texture(12, seed=number), audio=audio, **known)
    for name, codec in SOUNDS.items():
        rate = 48000 if name.endswith(".opus") else 44100
        write_audio(folder / name, tone(0.4, sample_rate=rate), rate, codec=codec)
    return sorted(folder.iterdir())


def write_empty_tracks(folder):
    """Writes files whose headers promise tracks that hold nothing."""
    sound = av.AudioFrame.from_ndarray(tone(0.3)[None], format="flt", layout="mono")
    sound.sample_rate = 48000
    contents = {"no-sound": moving_texture(5), "no-pictures": [sound], "nothing": []}
    for extension, (name, held) in itertools.product(
        ("mp4", "mkv", "mov", "avi", "ts"), contents.items()
    ):
        with av.open(str(folder / f"{name}.{extension}"), "w") as container:
            video = container.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            audio = container.add_stream("libmp3lame", rate=48000, layout="mono")
            container.start_encoding()
            for item in held:
                if item is sound:
                    container.mux(audio.encode(item))
                else:
                    container.mux(video.encode(av.VideoFrame.from_ndarray(item, format="rgb24")))
            if held:
                container.mux((audio if held == [sound] else video).encode(None))


def write_damaged(folder, seeds, count, rng):
    """Writes `count` files that are damaged in one way or two, or called what they are not."""
    for number in range(count):
        seed = seeds[number % len(seeds)]
        data, extension = seed.read_bytes(), seed.suffix
        for mutation in rng.choice(mutations.MUTATIONS, size=1 + (rng.random() < 0.25)):
            data = mutation(data, rng) if data else data
        kind = rng.integers(8)
        other = seeds[rng.integers(len(seeds))]
        if kind == 0:
            extension = other.suffix
        elif kind == 1:
            head = rng.integers(8, 400)
            data = other.read_bytes()[:head] + data[head:]
        (folder / f"{number:04}-{seed.stem}{extension}").write_bytes(data)


def prepare(folder, out, *flags):
    code = command.run(prepare_command, f"--input={folder}", f"--output={out}", *FLAGS, *flags)
    assert code == 0
    found = {}
    for record in prepared.records(out, "train"):
        clip = parse_clip(record, FIELDS)
        found[clip.path.numpy().decode()] = record, clip
    return found


def check_clip(clip, record):
    example = tf.train.SequenceExample.FromString(record)
    context = example.context.feature
    seconds = (
        context["clip/end/timestamp"].int64_list.value[0]
        - context["clip/start/timestamp"].int64_list.value[0]
    ) / 1e6
    frames, flow, audio = len(clip.images), len(clip.flow), clip.audio.numpy()
    assert frames or len(audio)
    if frames:
        height, width = (
            context[f"image/{side}"].int64_list.value[0] for side in ("height", "width")
        )
        assert min(height, width) == SIDE
        assert flow == frames and seconds == pytest.approx(frames / FPS, abs=1e-5)
        for jpeg in {*clip.images.numpy(), *clip.flow.numpy()}:
            image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert image.shape == (height, width, 3)
    if len(audio):
        assert np.all(np.abs(audio) <= 1)
        assert len(audio) == pytest.approx(seconds * SAMPLE_RATE, abs=1)


def check_all(folder, out, found):
    """Every file is either a valid record or a failure with its stage and reason."""
    failures = prepared.failures(out)
    for row in failures:
        assert row["stage"] in STAGES and row["reason"], row
    failed = [row["path"] for row in failures]
    assert len(set(failed)) == len(failed)
    # Damage may leave of a .ts what is text, as that of TypeScript is.
    media = [path.name for path in folder.iterdir() if media_files.is_media(str(path))]
    assert len(media) > 0.98 * len(list(folder.iterdir()))
    assert sorted([*found, *failed]) == sorted(media)
    for record, clip in found.values():
        check_clip(clip, record)
    return failures


@pytest.mark.long
def test_damaged_files_are_valid_records_or_failures(tmp_path):
    seeds = write_seeds(tmp_path / "seeds")
    alone = prepare(tmp_path / "seeds", tmp_path / "alone")
    assert set(alone) == {seed.name for seed in seeds}
    mixed = tmp_path / "mixed"
    shutil.copytree(tmp_path / "seeds", mixed)
    write_empty_tracks(mixed)
    write_damaged(mixed, seeds, COUNT, np.random.default_rng(0))
    found = prepare(mixed, tmp_path / "out", "--timeout=20")
    failures = check_all(mixed, tmp_path / "out", found)
    # Damage must neither make everything fail nor pass unnoticed.
    assert len(found) > COUNT // 4 and len(failures) > COUNT // 4
    for name, (record, _) in alone.items():
        assert found[name][0] == record


@pytest.mark.long
def test_damaged_real_clips_are_valid_records_or_failures(tmp_path, shared_dir):
    clips = sorted((shared_dir / "data" / "clips").glob("*/*"))
    seeds = [clip for clip in clips if clip.stat().st_size < 400_000]
    assert len(seeds) > 20
    (tmp_path / "in").mkdir()
    write_damaged(tmp_path / "in", seeds, 4 * len(seeds), np.random.default_rng(1))
    found = prepare(tmp_path / "in", tmp_path / "out", "--timeout=60")
    assert check_all(tmp_path / "in", tmp_path / "out", found) and found

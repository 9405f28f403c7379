"""Raw media that are not as usual give what their preparation stores, or are left out by name."""

import csv
import os
import subprocess
import sys

import gin
import media
import numpy as np
import pytest
import tensorflow as tf
import waiting_pipes
from raw_films import RGB, SOUND, VIEWS, clips, texture
from remuxed import joined

from brave_tf.data.clips import clip_list
from brave_tf.data.pipeline.batches import clip_dataset
from brave_tf.data.preparation.prepare import prepare
from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.data.sources.attempts import SkippedClips
from brave_tf.data.sources.kinds import open_source
from brave_tf.data.sources.raw_media import RawMedia

RATE = 8000


@pytest.fixture(autouse=True)
def small():
    gin.parse_config("RawMedia.min_side = 48")


def write_odd_sounds(folder):
    tone = media.tone(1.0, 300, RATE)
    for number in range(2):
        media.write_audio(folder / f"part{number}.mp3", tone, RATE)
    joined(folder / "joined.mp3", [folder / "part0.mp3", folder / "part1.mp3"])
    odd = media.write_audio(folder / "odd.wav", tone, RATE)
    odd.write_bytes(odd.read_bytes()[:-333])
    damaged = bytearray((folder / "part0.mp3").read_bytes())
    damaged[2000:2300] = np.random.default_rng(0).bytes(300)
    (folder / "damaged.mp3").write_bytes(damaged)
    parts = [media.write_audio(folder / f"{i}.ogg", tone, RATE) for i in range(2)]
    joined(folder / "chained.ogg", parts)
    media.write_audio(folder / "deep.wav", tone, RATE, codec="pcm_s24le")


def write_odd_films(folder):
    options = {"audio": media.tone(1.2), "audio_codec": "mp2"}
    parts = [
        media.write_video(folder / f"{i}.ts", texture(i), codec="mpeg2video", **options)
        for i in range(2)
    ]
    joined(folder / "joined.ts", parts)
    media.write_video(folder / "one.mkv", texture(3)[:1], audio=media.tone(2.0))
    media.write_video(folder / "short.mp4", texture(4)[:20], audio=media.tone(3.0))
    # The size of the pictures changes midway: two raw streams, one after the other.
    sizes = [
        media.write_video(
            folder / f"{side}.h264",
            [each.repeat(side, 0).repeat(side, 1) for each in texture(side)],
            codec="libx264",
        )
        for side in (1, 2)
    ]
    joined(folder / "sizes.h264", sizes)


@pytest.mark.parametrize("decoder", ["tfio", "pyav"])
@pytest.mark.parametrize(
    ("write", "views"), [(write_odd_sounds, {"narrow": SOUND}), (write_odd_films, VIEWS)]
)
def test_odd_media_are_read_as_they_are_prepared(tmp_path, write, views, decoder):
    (tmp_path / "media").mkdir()
    write(tmp_path / "media")
    settings = PreparationSettings(flow="none", min_side=48, sample_rate=RATE, jpeg_quality=100)
    report = prepare(
        clip_list.read_clips(str(tmp_path / "media")),
        str(tmp_path / "records"),
        settings,
        workers=1,
    )
    assert not report.failed
    if write is write_odd_films:
        views = RGB
    prepared = clips(open_source(tmp_path / "records"), views)
    raw = clips(RawMedia(str(tmp_path / "media"), decoder=decoder, min_side=48), views)
    assert raw.keys() == prepared.keys() and len(raw) > 5
    for path, clip in raw.items():
        if views is RGB:
            stored = np.stack(
                [tf.io.decode_jpeg(j) for j in prepared[path].images.read_all().numpy()]
            )
            assert clip.images.shape == stored.shape, path
            assert np.abs(clip.images.numpy().astype(int) - stored).mean() < 2, path
        else:
            np.testing.assert_array_equal(clip.audio, prepared[path].audio, err_msg=path)


@pytest.mark.parametrize("places", [range(4), (0, 2), (9,)])
def test_clips_that_cannot_be_read_are_skipped_wherever_they_are(tmp_path, places):
    file = media.write_video(tmp_path / "film.mkv", texture(0, 150))
    with open(tmp_path / "clips.csv", "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["path", "start", "end"])
        for number in range(10):
            start = 400 + number if number in places else 0.5 * number
            rows.writerow([file.name, start, start + 1])
    source = open_source(tmp_path / "clips.csv")
    source.check("train", RGB)
    gin.parse_config("SkippedClips.max_share = 1.0")
    skipped = SkippedClips()
    dataset = clip_dataset(tmp_path / "clips.csv", "train", RGB, 1, training=False, skipped=skipped)
    assert len(list(dataset)) == 10 - len(places)
    assert skipped.count == len(places)
    assert "film.mkv" in skipped.summary() and "no picture at 40" in skipped.summary()
    # Windows of one file stay apart.
    assert len(skipped.reasons) == len(places)


def test_a_clip_that_is_a_pipe_is_not_waited_for(tmp_path, caplog):
    file = media.write_video(tmp_path / "film.mkv", texture(0, 150))
    (tmp_path / "clips.csv").write_text(f"path\n{file.name}\npipe.mkv\n")
    with waiting_pipes.unwritten(tmp_path / "pipe.mkv"):
        dataset = clip_dataset(tmp_path / "clips.csv", "train", RGB, 1, training=False)
        assert len(list(dataset)) == 1
    assert "pipe.mkv: is not a file" in caplog.text


def test_sound_that_is_no_number_is_named(tmp_path):
    sound = media.tone(1.0, 300, RATE)
    media.write_audio(tmp_path / "good.wav", sound, RATE, codec="pcm_f32le")
    sound[6000] = np.nan
    media.write_audio(tmp_path / "nan.wav", sound, RATE, codec="pcm_f32le")
    gin.parse_config("SkippedClips.max_share = 1.0")
    skipped = SkippedClips()
    views = {"narrow": SOUND}
    assert (
        len(list(clip_dataset(tmp_path, "train", views, 1, training=False, skipped=skipped))) == 1
    )
    assert "nan.wav" in skipped.summary() and "NaN" in skipped.summary()


def test_what_is_in_doubt_is_logged(tmp_path, caplog):
    parts = [media.write_video(tmp_path / f"{i}.ts", texture(i)) for i in range(2)]
    joined(tmp_path / "joined.ts", parts)
    with caplog.at_level("WARNING"):
        open_source(tmp_path).check("train", RGB)
    assert "joined.ts: its clock starts again" in caplog.text


@pytest.mark.long
def test_memory_does_not_grow_with_the_clips_that_were_read(tmp_path):
    """Each film has a display matrix, which PyAV used to keep frames alive by."""
    films = media.write_video(
        tmp_path / "a.mp4", (texture(0)[0].repeat(8, 0).repeat(8, 1) for _ in range(50))
    )
    media.set_display_matrix(films, [[0, 1], [-1, 0]])
    code = (
        "import gc, resource, sys, tensorflow as tf\n"
        "sys.path[:0] = sys.argv[2:]\n"
        "gc.disable()\n"
        "from raw_films import RGB\n"
        "from brave_tf.data.sources.raw_media import RawMedia\n"
        "stream = RawMedia(sys.argv[1], decoder='pyav', min_side=384).stream('train', RGB)\n"
        "read = tf.function(lambda item: tf.shape(stream.parse(item).images))\n"
        "peaks = []\n"
        "for number in range(36):\n"
        "    read(tf.constant(0, tf.int64))\n"
        "    if number % 12 == 11:\n"
        "        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
        "print(*peaks)"
    )
    folders = [path for path in sys.path if os.path.isdir(path)]
    output = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *folders],
        capture_output=True,
        text=True,
        check=True,
    )
    first, _, last = map(int, output.stdout.split())
    # Twelve clips of 50 frames that wait for the collector would take 100 MB and more.
    assert last - first < 60

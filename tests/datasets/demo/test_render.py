"""The demo data set: what its files are, what repeats, and what tells its classes apart."""

from __future__ import annotations

import collections
import csv
import pathlib
import subprocess
import sys

import av
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DEMO = pathlib.Path(__file__).resolve().parents[3] / "datasets" / "demo"
CHANCE = 1 / 8


@pytest.fixture(scope="module")
def scene():
    """The module datasets/demo/scene.py, which imports its neighbours by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DEMO))
        import scene

        yield scene


def run(output: pathlib.Path, **options: int) -> subprocess.CompletedProcess:
    """Runs the script for one training and one test scene, unless `options` say otherwise."""
    flags = {"clips": 24, "test_clips": 24, "workers": 1, **options}
    words = [f"--{name}={value}" for name, value in flags.items()]
    command = [sys.executable, str(DEMO / "render.py"), f"--output={output}", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> pathlib.Path:
    output = tmp_path_factory.mktemp("demo") / "media"
    done = run(output)
    assert done.returncode == 0, done.stderr
    return output


def files(folder: pathlib.Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def rows(media: pathlib.Path) -> list[dict[str, str]]:
    with (media / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_are_the_same_whatever_the_number_of_workers(media, tmp_path):
    assert run(tmp_path, workers=2).returncode == 0
    assert files(tmp_path) == files(media)


def test_another_seed_gives_other_clips(media, tmp_path):
    assert run(tmp_path, seed=1).returncode == 0
    one, other = files(media), files(tmp_path)
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)


def test_an_interrupted_rendering_goes_on(media, tmp_path):
    assert run(tmp_path).returncode == 0
    kept, lost = tmp_path / "train/scene-00000.mp4", tmp_path / "test/scene-00000.mp4"
    lost.unlink()
    (tmp_path / "clips.csv").unlink()
    before = kept.stat().st_mtime_ns
    assert run(tmp_path).returncode == 0
    assert kept.stat().st_mtime_ns == before
    assert files(tmp_path) == files(media)


def test_more_clips_keep_those_that_are_there(media, tmp_path):
    assert run(tmp_path, clips=25, test_clips=1).returncode == 0
    more = files(tmp_path)
    assert {name for name in more if name.endswith(".mp4")} == {
        "train/scene-00000.mp4",
        "train/scene-00001.mp4",
        "test/scene-00000.mp4",
    }
    assert more["train/scene-00000.mp4"] == files(media)["train/scene-00000.mp4"]
    assert more["train/scene-00001.mp4"] != more["train/scene-00000.mp4"]
    assert collections.Counter(row["split"] for row in rows(tmp_path)) == {"train": 48, "test": 24}


def test_a_folder_of_another_seed_is_refused(media):
    before = files(media)
    done = run(media, seed=5)
    assert done.returncode == 2
    assert str(media) in done.stderr and "'seed': 0" in done.stderr and "--output" in done.stderr
    assert files(media) == before


def test_every_split_has_every_class_equally_often(media, scene):
    counts = collections.Counter((row["split"], row["label"]) for row in rows(media))
    assert counts == {(split, kind): 3 for split in ("train", "test") for kind in scene.KINDS}


def test_no_two_kinds_share_anything(scene):
    for column in zip(*scene.KINDS.values()):
        assert len(set(column)) == len(scene.KINDS) == 8


def decode(path: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    """Decodes a scene: frames (T, 64, 64, 3) and samples, each placed by its timestamp."""
    with av.open(str(path)) as container:
        frames = np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    with av.open(str(path)) as container:
        sound = np.zeros(len(frames) * 1600 + 4096, np.float32)
        for frame in container.decode(audio=0):
            first, samples = round(frame.time * 16_000), frame.to_ndarray()[0]
            samples = samples[max(0, -first) :]
            sound[max(0, first) : max(0, first) + len(samples)] = samples
    return frames, sound


def test_files_are_mp4_with_h264_and_aac(media):
    for row in rows(media)[::24]:
        with av.open(str(media / row["path"])) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert "mp4" in container.format.name.split(",")
            assert video.codec_context.codec.canonical_name == "h264"
            assert audio.codec_context.codec.canonical_name == "aac"
            assert (video.width, video.height, video.average_rate) == (64, 64, 10)
            assert (audio.rate, audio.channels) == (16_000, 1)
        assert len(decode(media / row["path"])[0]) == 24 * 16


@pytest.mark.parametrize("split", ["train", "test"])
def test_clips_lie_where_the_csv_says(media, scene, split):
    frames, sound = decode(media / split / "scene-00000.mp4")
    clips = [row for row in rows(media) if row["split"] == split]
    for position, row in enumerate(clips):
        rng = np.random.default_rng([0, scene.SPLITS.index(split), 0, position])
        drawn, played = scene.make_clip(scene.KINDS[row["label"]], rng)
        first, last = round(float(row["start"]) * 10), round(float(row["end"]) * 10)
        error = np.abs(frames[first:last].astype(int) - drawn).mean()
        assert error < 20, f"{row}: the pictures are others, off by {error:.0f}"
        begin, end = (round(float(row[edge]) * 16_000) for edge in ("start", "end"))
        likeness = np.fft.irfft(np.fft.rfft(sound[begin:end]) * np.conj(np.fft.rfft(played)))
        lag = (np.argmax(likeness) + 12_800) % 25_600 - 12_800
        assert abs(lag) <= 16, f"{row}: the sound is off by {lag} samples"


def test_things_are_struck_once_per_cycle_of_their_motion(scene):
    """The phase seen in the size of a pulsing ring is a whole number when the sound sets in."""
    for seed in range(6):
        frames, sound = scene.make_clip(scene.KINDS["target"], np.random.default_rng(seed))
        rate, start = pulse(np.log(sizes(frames)))
        power = (sound.reshape(-1, 160) ** 2).mean(axis=1)
        strike = (np.argmax(np.diff(power)) + 1) * 0.01
        phase = (start + rate * strike) % 1
        assert min(phase, 1 - phase) < 0.12, f"seed {seed}: struck at phase {phase:.2f}"


def sizes(frames: np.ndarray) -> np.ndarray:
    """Radius of the thing in each frame, up to a factor, from the pixels that differ from the border."""
    values = frames.astype(np.float32)
    border = np.median(values[:, [0, -1]].reshape(len(frames), -1, 3), axis=1)
    differs = np.abs(values - border[:, None, None]).max(axis=-1) > 60
    return np.sqrt(differs.sum(axis=(1, 2)))


def pulse(log_size: np.ndarray) -> tuple[float, float]:
    """Fits a + b sin(2 pi (start + rate t)): returns the rate in Hz and the start in cycles."""
    times, best = np.arange(len(log_size)) / 10, (np.inf, 0.0, 0.0)
    for rate in np.arange(0.8, 1.6, 0.02):
        angle = 2 * np.pi * rate * times
        terms = np.stack([np.ones_like(times), np.sin(angle), np.cos(angle)], axis=1)
        fit, *_ = np.linalg.lstsq(terms, log_size, rcond=None)
        error = ((terms @ fit - log_size) ** 2).sum()
        best = min(best, (error, rate, np.arctan2(fit[2], fit[1]) / (2 * np.pi)))
    return best[1:]


@pytest.fixture(scope="module")
def clips(scene):
    """Features of 560 clips by name, and their classes."""
    features, classes = collections.defaultdict(list), np.arange(560) % 8
    for number, kind in enumerate(classes):
        rng = np.random.default_rng([3, number])
        frames, sound = scene.make_clip(list(scene.KINDS.values())[kind], rng)
        for name, value in statistics(frames, sound).items():
            features[name].append(np.ravel(value))
    return {name: np.stack(values) for name, values in features.items()}, classes


def statistics(frames: np.ndarray, sound: np.ndarray) -> dict[str, np.ndarray]:
    values = frames.astype(np.float32)
    grey = values.mean(axis=-1)
    weight = np.abs(grey - np.median(grey, axis=(1, 2), keepdims=True)) + 1e-3
    total = weight.sum(axis=(1, 2))
    y, x = np.mgrid[:64, :64]
    centroid = np.stack([(weight * x).sum((1, 2)) / total, (weight * y).sum((1, 2)) / total])
    return {
        "mean colour": values.mean(axis=(0, 1, 2)),
        "brightness of each frame": grey.mean(axis=(1, 2)),
        "contrast": grey.std(axis=(1, 2)).mean(),
        "centroid of each frame": centroid,
        "travel of the centroid": centroid.std(axis=1),
        "change between frames": np.log(np.abs(np.diff(grey, axis=0)).mean()),
        "loudness": np.log(np.sqrt((sound**2).mean())),
        "spectrum": np.log(np.abs(np.fft.rfft(sound))[: 40 * 320].reshape(40, 320).mean(axis=1)),
    }


def accuracy(features: np.ndarray, classes: np.ndarray) -> float:
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    return classifier.fit(features[:320], classes[:320]).score(features[320:], classes[320:])


@pytest.mark.parametrize(
    "name",
    ["mean colour", "brightness of each frame", "contrast", "centroid of each frame", "loudness"],
)
def test_simple_statistics_tell_nothing(clips, name):
    assert accuracy(clips[0][name], clips[1]) < CHANCE + 0.075  # 4 standard deviations of chance


@pytest.mark.parametrize("name", ["travel of the centroid", "change between frames"])
def test_the_amount_of_motion_tells_little(clips, name):
    assert accuracy(clips[0][name], clips[1]) < 2.5 * CHANCE


def test_the_timbre_tells_the_class(clips):
    assert accuracy(clips[0]["spectrum"], clips[1]) > 0.8

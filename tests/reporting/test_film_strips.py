"""Film strips show the clips that they name."""

import base64
import re

import cv2
import numpy as np
import pytest
import record_fixtures

from brave_tf.data.records import index as record_index
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.reporting.film_strips import film_strips
from brave_tf.reporting.predictions import Neighbours

CLIPS = 8
# Of the clips in the order of records: shard after shard, the even ones before the odd ones.
NUMBERS = [0, 2, 4, 6, 1, 3, 5, 7]


@pytest.fixture(scope="module", params=["without indexes", "with indexes"])
def records(request, tmp_path_factory):
    """Clips whose brightness tells their split and number, and whose sound has a pitch of its own."""
    folder = tmp_path_factory.mktemp("strips")
    for base, split in ((20, "train"), (30, "test")):
        written = []
        for number in range(CLIPS):
            frame = np.full((24, 32, 3), base + 25 * number, np.uint8)
            jpegs = [record_fixtures.jpeg(frame)] * 4
            pitch = np.sin(np.arange(4000) * 2 * np.pi * 100 * (1 + 4 * number) / 8000)
            record = record_fixtures.record(
                images=jpegs,
                flow=jpegs,
                audio=pitch.astype(np.float32),
                labels=[number % 4],
                frame_rate=4.0,
                sample_rate=8000.0,
            )
            written.append(record)
        settings = {"audio": "float", "fps": 4.0, "sample_rate": 8000}
        record_fixtures.write_shards(folder, written, 2, split, settings=settings)
    if request.param == "with indexes":
        for shard in folder.glob("*.tfrecord"):
            record_index.make(str(shard))
    return folder


def neighbours(records, **changes):
    values = {
        "data_dir": str(records),
        "view": "narrow",
        "keys": np.array([f"test/{n}" for n in range(CLIPS)]),
        "labels": np.array(NUMBERS) % 4,
        "near_keys": np.array([[f"train/{n}", f"train/{(n + 1) % CLIPS}"] for n in range(CLIPS)]),
        "near_labels": np.array([[n % 4, (n + 1) % 4] for n in range(CLIPS)]),
        "similarities": np.tile(np.float32([0.9, 0.5]), (CLIPS, 1)),
        "classes": ("cat", "<dog>", "eel"),
    }
    return Neighbours(**{**values, **changes})


def cards(page):
    """Returns kind, picture and text of each card."""
    found = re.findall(
        r'<div class="(\w+)"><img src="data:image/jpeg;base64,([^"]+)".*?<b>(.*?)</b>', page
    )
    for kind, data, said in found:
        raw = np.frombuffer(base64.b64decode(data), np.uint8)
        yield kind, cv2.imdecode(raw, cv2.IMREAD_COLOR), said


def test_each_card_shows_its_clip_and_whether_the_class_is_the_same(records):
    page = film_strips({"run": neighbours(records)}, RgbView(num_frames=2, size=16))
    assert page.count('<section class="clip">') == 6
    shown = list(cards(page))
    assert len(shown) == 6 * 3
    asked = [re.search(r"test/(\d)", section)[1] for section in page.split("<section")[1:]]
    for key, (query, near, other) in zip(map(int, asked), zip(*[iter(shown)] * 3)):
        assert query[0] == "asked"
        for (_, image, _), brightness in (
            (query, 30 + 25 * NUMBERS[key]),
            (near, 20 + 25 * NUMBERS[key]),
            (other, 20 + 25 * NUMBERS[(key + 1) % CLIPS]),
        ):
            assert image.shape == (84, 3 * 112 + 2 * 3, 3)
            assert np.abs(image[:, :100].mean() - brightness) < 3
        labels = neighbours(records).labels
        assert near[0] == ("hit" if key % 4 == labels[key] else "miss")
    assert {said for _, _, said in shown} >= {"✓ cat", "test clip: &lt;dog&gt;", "test clip: 3"}


def test_clips_are_chosen_over_all_classes_and_the_same_for_all_runs(records):
    partly = neighbours(records, keys=np.array(["test/0"] + ["gone/0"] * (CLIPS - 1)))
    page = film_strips({"a": neighbours(records), "b": partly}, RgbView(num_frames=2, size=16))
    sections = page.split("<section")[1:]
    asked = {re.search(r"test clip: (\S+)</b>", section)[1] for section in sections}
    assert asked == {"cat", "&lt;dog&gt;", "eel", "3"}
    assert sum("this clip was not compared" in section for section in sections) == 5
    assert all("<h3>a</h3>" in section and "<h3>b</h3>" in section for section in sections)


def test_flow_is_in_colours(records):
    for _, image, _ in cards(film_strips({"run": neighbours(records)}, FlowView(num_frames=2))):
        assert np.ptp(image[40, 50].astype(int)) > 100


def test_sound_is_a_spectrogram(records):
    page = film_strips({"run": neighbours(records)}, AudioView(duration=0.4))
    rows = {}
    for (_, image, _), name in zip(cards(page), re.findall(r"(\w+/\d)</span>", page)):
        split, position = name.split("/")
        rows.setdefault(split, {})[NUMBERS[int(position)]] = int(image.mean(axis=(1, 2)).argmax())
    for each in rows.values():
        heights = [each[number] for number in sorted(each)]
        assert len(heights) >= 6 and (np.diff(heights) < 0).all()


def test_clips_that_are_gone_are_named(records):
    near = np.full((CLIPS, 2), "train/99")
    with pytest.raises(UserError, match="no clip number 99 with rgb"):
        film_strips({"run": neighbours(records, near_keys=near)}, RgbView(num_frames=2, size=16))

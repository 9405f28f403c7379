"""The page: self-contained, well-formed, and showing what it says."""

import re

import html_page
import inspected
import numpy as np
import pytest
import record_fixtures
import tensorflow as tf

from brave_tf.data.media import flow as flow_lib
from brave_tf.data.records import fields as record_fields
from brave_tf.inspection import clip_card, contact_sheet
from brave_tf.inspection.stored_clip import StoredClip
from brave_tf.pages import clip_strips


def page(facts, path, num_clips=24):
    contact_sheet.write_page(str(path), facts, num_clips)
    return html_page.Page(path)


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    return inspected.check(inspected.good(tmp_path_factory.mktemp("page") / "records"))


def test_everything_is_inside_the_page(facts, tmp_path):
    shown = page(facts, tmp_path / "index.html")
    shown.check_self_contained()
    assert "image" in {tag for tag, _ in shown.tags}


def test_each_clip_has_frames_flow_and_sound(facts, tmp_path):
    shown = page(facts, tmp_path / "index.html")
    assert shown.count(class_="clip") == 10
    # Eight frames, eight flow fields and a spectrogram each.
    assert sum(tag == "image" for tag, _ in shown.tags) == 10 * 17
    assert sum(tag == "polygon" for tag, _ in shown.tags) == 10
    for said in ("clip_3.mp4", "10 clips", "no problems", "kHz", "Hz", "cat", "px per frame step"):
        assert said in shown.data


@pytest.mark.parametrize("number", [0, 1, 4])
def test_clips_are_spread_over_splits_and_labels(facts, tmp_path, number):
    shown = page(facts, tmp_path / "index.html", number)
    assert shown.count(class_="clip") == number
    if number == 4:
        headings = re.findall(r"(cat|dog) (test|train), ", shown.data)
        assert sorted(headings) == [
            ("cat", "test"),
            ("cat", "train"),
            ("dog", "test"),
            ("dog", "train"),
        ]


def test_names_are_escaped_and_may_be_no_text(tmp_path):
    example = tf.train.SequenceExample.FromString(inspected.clip(0, path=""))
    example.context.feature[record_fields.PATH].bytes_list.value[0] = b"<b>&\xff.mp4"
    records = [example.SerializeToString(), inspected.clip(1, labels=[7])]
    inspected.write(tmp_path / "records", train=records)
    shown = page(inspected.check(tmp_path / "records"), tmp_path / "index.html")
    assert "<b>&\\xff.mp4" in shown.data
    card = clip_card.clip_card(StoredClip.parse(records[1]), "<b>where", "<b>split", "<b>label")
    assert all(f"&lt;b&gt;{name}" in card for name in ("where", "split", "label"))
    assert "<b>" not in card
    assert "label indices that labels.txt does not have (1 in train)" in shown.data


def test_records_without_anything_to_show(tmp_path):
    broken = inspected.clip(0, images=[b"x"] * 5, flow=[b"y"], audio=np.full(800, np.nan))
    bare = inspected.clip(2, images=None, flow=None, audio=None)
    sound = inspected.clip(4, images=None, flow=None)
    inspected.write(tmp_path / "records", train=[broken, bare, sound])
    shown = page(inspected.check(tmp_path / "records"), tmp_path / "index.html")
    assert shown.count(class_="clip") == 3
    assert "frame undecodable" in shown.data


def test_flow_states_the_displacement_of_its_full_colour():
    field = np.zeros((16, 24, 2), np.float32)
    field[..., 0] = 6.0
    jpeg = record_fixtures.jpeg(flow_lib.quantize(field, 20.0))
    clip = StoredClip.parse(inspected.clip(0, flow=[jpeg] * 5))
    assert "flow: full colour at 6 px per frame step" in clip_card.clip_card(clip, "", "", "")
    still = record_fixtures.jpeg(flow_lib.quantize(np.zeros((16, 24, 2), np.float32), 20.0))
    clip = StoredClip.parse(inspected.clip(0, flow=[still] * 5))
    assert "flow: full colour at 1 px per frame step" in clip_card.clip_card(clip, "", "", "")


def test_the_spectrogram_shows_a_tone_at_its_frequency(monkeypatch):
    pictures = []
    monkeypatch.setattr(
        clip_strips.pictures,
        "heat",
        lambda v: pictures.append(v) or np.zeros((*v.shape, 3), np.uint8),
    )
    tone = (0.5 * np.sin(2 * np.pi * 1000 * np.arange(8000) / 8000)).astype(np.float32)
    clip_card.clip_card(StoredClip.parse(inspected.clip(0, audio=tone)), "", "", "")
    (values,) = pictures
    loudest = 1 - (np.argmax(values.mean(axis=1)) + 0.5) / len(values)
    mels = [1127 * np.log1p(hertz / 700) for hertz in (60, 1000, 4000)]
    assert loudest == pytest.approx((mels[1] - mels[0]) / (mels[2] - mels[0]), abs=0.02)

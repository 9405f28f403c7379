"""What is wrong with single clips."""

import inspected
import numpy as np
import pytest
import record_fixtures

from brave_tf.data.media import audio_decoding
from brave_tf.inspection.clip_check import check_clip, content_digest
from brave_tf.inspection.stored_clip import StoredClip

LABELS = tuple(inspected.LABELS)
GREY = record_fixtures.jpeg(np.full((16, 24, 3), 90, np.uint8))


def check(decode="sample", **changes):
    return check_clip(StoredClip.parse(inspected.clip(0, **changes)), LABELS, decode)


def kinds(**changes):
    return [issue.kind for issue in check(**changes).issues]


def test_a_good_clip():
    facts = check()
    assert facts.issues == []
    assert (facts.seconds, facts.frame_size) == (1.0, (16, 24))
    assert (facts.silent, facts.still, facts.frames_decoded) == (False, False, 6)
    assert check("all").frames_decoded == 2 * inspected.FRAMES
    assert check("none").frames_decoded == 0
    assert check("none").still is None


def test_duration_is_that_of_the_frames_or_else_of_the_sound():
    assert check(images=[GREY] * 10, flow=None, audio=None).seconds == 2.0
    assert check(images=None, flow=None, audio=np.ones(4000)).seconds == 0.5


def broken(index, count=inspected.FRAMES):
    return [GREY[:-40] if each == index else GREY for each in range(count)]


def test_frames_that_do_not_decode_are_named():
    (issue,) = check(images=broken(2)).issues
    assert issue.kind == "frame_undecodable"
    assert issue.detail.startswith("frame 2 of 5: ")
    (issue,) = check(flow=broken(4)).issues
    assert issue.detail.startswith("flow field 4 of 5: ")
    assert check(images=broken(1)).issues == []
    (issue,) = check("all", images=broken(1)).issues
    assert issue.detail.startswith("frame 1 of 5: ")
    assert kinds(images=[b"", GREY, b"no picture", GREY, GREY]) == ["frame_undecodable"] * 2


def test_a_png_is_no_jpeg():
    png = b"\x89PNG\r\n\x1a\n" + GREY[8:]
    (issue,) = check(images=[png] + [GREY] * 4).issues
    assert issue.detail.endswith("no JPEG")


@pytest.mark.parametrize("size", [65500, 20000])
def test_a_frame_whose_header_states_a_huge_picture_is_not_decoded(size):
    place = GREY.index(b"\xff\xc0") + 5  # The marker, its length and the bits of a sample.
    huge = GREY[:place] + size.to_bytes(2, "big") * 2 + GREY[place + 4 :]
    found = [
        each.detail for each in check(images=[huge]).issues if each.kind == "frame_undecodable"
    ]
    assert found == [f"frame 0 of 1: {size}x{size} pixels are too many"]


def test_frames_of_several_sizes():
    small = record_fixtures.jpeg(np.zeros((8, 8, 3), np.uint8))
    (issue,) = check(images=[GREY] * 4 + [small]).issues
    assert (issue.kind, issue.detail) == ("frame_size", "height x width 8x8, 16x24")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"images": None, "flow": None, "audio": None}, ["record_empty"]),
        ({"flow": [GREY] * 4}, ["flow_length"]),
        ({"audio": np.ones(9000, np.float32)}, ["sound_length"]),
        ({"audio": np.full(8000, np.nan)}, ["sound_values"]),
        ({"audio": np.full(8000, 32000.0)}, ["sound_values"]),
        ({"audio": None, "flac": b"no flac"}, ["sound_undecodable"]),
        ({"frame_rate": None}, ["sound_length", "rate_missing"]),
        ({"labels": [2]}, ["label_range"]),
        ({"labels": [-2]}, ["label_range"]),
        ({"labels": [-1]}, []),
        ({"labels": [0, 1]}, []),
        ({"labels": []}, []),
    ],
)
def test_what_is_wrong_is_told_by_its_kind(changes, expected):
    assert kinds(**changes) == expected


def test_silence_and_stillness():
    silent = np.full(8000, 9e-4, np.float32)
    assert check(audio=silent).silent
    silent[100] = 2e-3
    assert not check(audio=silent).silent
    assert check(audio=None).silent is None
    assert check(images=[GREY] * 5).still
    brighter = record_fixtures.jpeg(np.full((16, 24, 3), 93, np.uint8))
    assert not check(images=[GREY] * 4 + [brighter]).still


def test_sound_as_flac():
    sound = (0.5 * np.sin(np.arange(8000) / 5)).astype(np.float32)
    flac = audio_decoding.encode_flac(sound, inspected.SOUND_RATE)
    facts = check(audio=None, flac=flac)
    assert (facts.issues, facts.silent, facts.seconds) == ([], False, 1.0)
    assert check("none", audio=None, flac=flac).silent is None


def test_the_digest_tells_contents_and_not_names():
    def digest(number=0, **changes):
        return content_digest(StoredClip.parse(inspected.clip(number, **changes)))

    assert digest() == digest(path="other.mp4", labels=[1])
    others = [digest(1), digest(images=[GREY] * 5), digest(audio=np.ones(8000))]
    assert len({digest(), *others}) == 4

"""A part of the clips can be held out, the same in every order and after every restart."""

import numpy as np
import pytest
import record_fixtures

from brave_tf.data.sources.kinds import open_source
from brave_tf.data.sources.media_clips import Decoding, MediaClips
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError

VIEWS = {"narrow": RgbView(num_frames=2, size=16)}
CLIPS = 14
EVERY = 4


def write(folder, kind="counted"):
    """Writes clips to three shards, labelled by their numbers."""
    jpeg = record_fixtures.jpeg(np.zeros((20, 20, 3), np.uint8))
    clips = [record_fixtures.record(images=[jpeg] * 3, labels=[i]) for i in range(CLIPS)]
    if kind == "some without frames":
        clips += [record_fixtures.record(audio=np.ones(9), labels=[99])] * 5
    return record_fixtures.write_shards(folder, clips, 3, described=kind != "uncounted")


@pytest.fixture(scope="module", params=["counted", "uncounted", "some without frames"])
def records(request, tmp_path_factory):
    return write(tmp_path_factory.mktemp("records"), request.param)


def stream(folder, held_out, every=EVERY, pipelines=(1, 0)):
    return open_source(str(folder)).stream("train", VIEWS, *pipelines).part(every, held_out)


def numbers(of, dataset, count=-1):
    return [int(of.parse(item).label) for item, _ in dataset.take(count)]


def test_the_two_parts_are_disjoint_and_together_all(records):
    parts = [stream(records, held_out) for held_out in (True, False)]
    held_out, rest = (numbers(part, part.once(0)) for part in parts)
    assert sorted(held_out + rest) == list(range(CLIPS))
    assert CLIPS / EVERY - 3 <= len(held_out) <= CLIPS / EVERY + 3


def test_every_epoch_has_the_clips_of_the_part_once_and_restarts_change_nothing(records):
    part = stream(records, held_out=False)
    expected = sorted(numbers(part, part.once(0)))
    size = len(expected)
    found = numbers(part, part.endless(5, 4), 2 * size)
    assert sorted(found[:size]) == sorted(found[size:]) == expected
    assert found[:size] != found[size:]
    assert numbers(part, part.endless(5, 4, size + 3), size - 3) == found[size + 3 :]


def test_pipelines_share_the_part(tmp_path):
    folder = write(tmp_path)
    part = stream(folder, held_out=True)
    shares = [stream(folder, True, pipelines=(2, number)) for number in (0, 1)]
    found = [numbers(share, share.once(0)) for share in shares]
    assert sorted(sum(found, [])) == sorted(numbers(part, part.once(0)))


def test_media_clips_have_parts_too():
    decoding = Decoding(25.0, None, 9.0, False, None, False, False)
    whole = MediaClips([], [], [], decoding, numbers=range(1, 10, 2))  # a pipeline's share
    held_out, rest = (whole.part(3, held_out) for held_out in (True, False))
    assert [int(item) for item, _ in held_out.once(0)] == [3, 9]
    assert [int(item) for item, _ in rest.once(0)] == [1, 5, 7]
    assert sorted(int(item) for item, _ in rest.endless(0, 1).take(3)) == [1, 5, 7]
    with pytest.raises(UserError, match="no clip is left of 2"):
        held_out.part(2, True)


def test_a_part_without_a_clip_is_refused(tmp_path):
    jpeg = record_fixtures.jpeg(np.zeros((20, 20, 3), np.uint8))
    clip = record_fixtures.record(images=[jpeg] * 3, labels=[0])
    folder = record_fixtures.write_shards(tmp_path, [clip])
    with pytest.raises(UserError, match="every = 2: no clip is left to train on"):
        stream(folder, held_out=False, every=2)

import dataclasses

import numpy as np
import pytest
import record_fixtures
import tensorflow as tf
from media import moving_texture, tone, write_video

from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import has_fields, parse_clip
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.interop.user_clips import open_clips

PICTURE = record_fixtures.jpeg(np.zeros((16, 16, 3), np.uint8))


def test_media_get_what_the_views_need(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, moving_texture(25, 96, 128, (2, 1)), audio=tone(1.0))
    views = {
        "narrow": RgbView(num_frames=4, frame_step=1, frame_rate=10.0, size=28),
        "flow": FlowView(num_frames=4, frame_step=1, frame_rate=25.0, size=32, resize=48),
        "sound": AudioView(duration=0.5),
    }
    source = open_clips(str(path), views, workers=1)
    assert source.count == 1
    (clip,) = source.clips
    assert (clip.path, clip.stage, clip.label) == (str(path), "", "")
    parsed = parse_clip(clip.record, [field for each in source.fields.values() for field in each])
    assert float(parsed.frame_rate) == 25.0
    assert float(parsed.sample_rate) == 48000.0
    for name, view in views.items():
        assert view.crops(parsed, 2, 1).shape == (2, *view.shape), name
    # The shorter side becomes 48 pixels, half of what it was, and so do the steps of (2, 1).
    u, v = views["flow"].crops(parsed, 1, 1).numpy()[0].mean((0, 1, 2)) * 20
    assert u == pytest.approx(1.0, abs=0.25)
    assert v == pytest.approx(0.5, abs=0.25)

    (clip,) = open_clips(str(path), {"narrow": views["narrow"]}, workers=1).clips
    assert not has_fields(clip.record, [record_fields.FLOW])
    assert not has_fields(clip.record, [record_fields.AUDIO])


def test_a_region_gets_the_pixels_that_the_view_needs(tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path, moving_texture(5, 96, 128, (2, 1)))
    view = RgbView(num_frames=4, frame_step=1, size=28, region=(0.25, 0, 0.75, 1))

    def shape(region):
        views = {"narrow": dataclasses.replace(view, region=region)}
        (clip,) = open_clips(str(path), views, workers=1).clips
        parsed = parse_clip(clip.record, [record_fields.IMAGE])
        return tuple(tf.io.decode_jpeg(parsed.images[0]).shape)

    # Half of the height, of which the view needs 32 pixels.
    assert shape(view.region) == (64, 86, 3)
    assert shape(None)[0] == 32


def test_sound_of_two_rates_is_refused(tmp_path):
    (tmp_path / "a.mp4").touch()
    views = {"a": AudioView()}
    views["b"] = AudioView(log_mel=type(views["a"].log_mel)(sample_rate=16000))
    with pytest.raises(UserError, match=r"\[16000, 48000\] Hz"):
        open_clips(str(tmp_path / "a.mp4"), views)


@pytest.mark.parametrize("described", [True, False])
def test_records_that_are_missing_are_failures(tmp_path, described):
    records = [
        record_fixtures.record(images=[PICTURE], window=(1_500_000 * i, 1_500_000 * i + 9))
        for i in range(6)
    ]
    record_fixtures.write_shards(tmp_path, records, 2, described=described)
    first, _ = sorted(tmp_path.glob("*.tfrecord*"))
    first.write_bytes(b"")
    failed, *clips = open_clips(str(tmp_path), {"narrow": RgbView(num_frames=1, size=16)}).clips
    assert (failed.path, failed.stage) == (f"{first}, from record 0 on", "read")
    assert [(clip.start, clip.end) for clip in clips] == [
        (1.5 * i, pytest.approx(1.5 * i + 9e-6)) for i in (1, 3, 5)
    ]


def test_a_shard_that_ends_after_a_record_lacks_the_others(tmp_path):
    records = [record_fixtures.record(images=[PICTURE]) for _ in range(3)]
    record_fixtures.write_shards(tmp_path, records)
    (shard,) = tmp_path.glob("*.tfrecord*")
    shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // 3])
    found = list(open_clips(str(tmp_path), {"narrow": RgbView(num_frames=1, size=16)}).clips)
    assert [clip.stage for clip in found] == ["", "read"]
    assert found[1].path == f"{shard}, from record 1 on"

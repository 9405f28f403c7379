import pytest
from media import moving_texture, tone, write_video

from brave_tf.data import record_fields
from brave_tf.data.record_reader import has_fields, parse_clip
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError
from brave_tf.interop.user_clips import open_clips


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


def test_sound_of_two_rates_is_refused(tmp_path):
    (tmp_path / "a.mp4").touch()
    views = {"a": AudioView()}
    views["b"] = AudioView(log_mel=type(views["a"].log_mel)(sample_rate=16000))
    with pytest.raises(UserError, match=r"\[16000, 48000\] Hz"):
        open_clips(str(tmp_path / "a.mp4"), views)

import drawn_windows
import numpy as np
import pytest
from scipy import stats

from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.nearby import Nearby
from brave_tf.data.views.windows import check_rules
from brave_tf.errors import UserError

RULE = Nearby(view="narrow", of="sound", seconds=0.5)
SOUND = AudioView(duration=2.0, log_mel=LogMel(8000, upper_hz=3800.0), sync=False)
# A window of frames lasts 31 of 25 per second.
VIEWS = {**drawn_windows.views("narrow"), "sound": SOUND}
FRAMES = 1.24


def drawn(frames, samples, number=2000, rule=RULE):
    clip = drawn_windows.clip(frames, samples)
    return drawn_windows.starts([rule], VIEWS, clip, number).T


def uniform(values, low, high):
    return stats.kstest((np.asarray(values) - low) / (high - low), "uniform").pvalue > 1e-3


def test_sound_is_anywhere_and_frames_are_near_it():
    video, sound = drawn(250, 80_000)
    assert uniform(sound, 0, 8)
    begin = np.maximum(sound - 0.5, 0)
    end = np.minimum(sound + 2.5, 10) - FRAMES
    assert np.all((video >= begin) & (video <= end))
    assert uniform((video - begin) / (end - begin), 0, 1)
    # The two draws are not one.
    assert abs(np.corrcoef(sound, (video - begin) / (end - begin))[0, 1]) < 0.1


@pytest.mark.parametrize(("frames", "samples"), [(250, 40_000), (125, 80_000)])
def test_sound_is_where_frames_and_sound_are(frames, samples):
    video, sound = drawn(frames, samples)
    assert uniform(sound, 0, 3)
    assert np.all((video >= 0) & (video <= frames / 25 - FRAMES))


def test_the_margin_is_that_of_the_rule():
    video, sound = drawn(250, 80_000, rule=Nearby("narrow", "sound", 0.0))
    assert np.all((video >= sound) & (video + FRAMES <= sound + 2 + 1e-9))


def test_in_a_clip_that_is_too_short_for_the_sound():
    video, sound = drawn(50, 12_000)
    assert uniform(sound, 0, 1.5)
    assert uniform(video, 0, 2 - FRAMES)
    video, _ = drawn(20, 6400, number=20)
    np.testing.assert_array_equal(video, 0)


def test_in_a_clip_as_long_as_the_sound():
    video, sound = drawn(50, 16_000)
    np.testing.assert_array_equal(sound, 0)
    assert uniform(video, 0, 2 - FRAMES)


def test_unusable_rules_are_refused():
    with pytest.raises(UserError, match="Nearby.of = 'narrow': expected the name of another view"):
        Nearby("narrow", "narrow")
    with pytest.raises(UserError, match="Nearby.seconds = -1"):
        Nearby("narrow", "sound", -1.0)
    reverse = Nearby("sound", "narrow", 0.1)
    with pytest.raises(UserError, match="lasts 2 s, which do not fit .* Bind at least 0.36"):
        check_rules([reverse], VIEWS)
    check_rules([RULE], VIEWS)

import dataclasses

import gin
import numpy as np
import pytest
import record_fixtures
import reference
import tensorflow as tf

from brave_tf.data.augment.spec_augment import spec_augment
from brave_tf.data.records import fields as record_fields
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.errors import UserError

SMALL = LogMel(sample_rate=8000, frame_length=160, frame_step=80, mel_bins=20, upper_hz=3800.0)


def clip_of(pcm, frames=0, **kwargs):
    record = record_fixtures.record(images=[b"frame"] * frames, audio=pcm, **kwargs)
    return parse_clip(tf.constant(record), (record_fields.IMAGE, record_fields.AUDIO))


def test_released_defaults():
    view = AudioView()
    assert view.shape == (3072, 80)
    assert view.num_samples == 491_520
    assert view.augmentations == ()


def test_durations_give_the_samples_of_the_reference(golden_dir):
    _, cases = reference.values(golden_dir, "ops")
    for case in cases["num_audio_samples"]:
        duration = case["num_video_frames"] / case["video_sample_rate"]
        view = AudioView(duration=duration, log_mel=LogMel(sample_rate=case["audio_sample_rate"]))
        assert view.num_samples == case["result"]


def test_windows_are_those_of_the_released_sampler(golden_dir):
    _, cases = reference.values(golden_dir, "ops")
    for case in cases["view_sampler"]:
        if not case["audio_samples"]:
            continue
        clip = clip_of(np.arange(case["audio_samples"], dtype=np.float32), case["frames"])
        got = AudioView().window(clip, case["narrow"][0] / 25).numpy()
        assert len(got) == case["broad_audio_length"]
        # These clips have 37 samples more sound than frames: the reference stretches time by that and loops
        # the sound alone, while here sound loops with the frames.
        passes = 1 + len(case["broad_audio_wrap_positions"])
        assert abs(got[0] - case["broad_audio_first"]) <= 37
        period = case["frames"] * 1920
        difference = (got[-1] - case["broad_audio_last"] + period / 2) % period - period / 2
        assert abs(difference) <= 38 * passes
        wraps = np.flatnonzero(np.diff(got) < 0)
        assert len(wraps) == len(case["broad_audio_wrap_positions"])
        np.testing.assert_allclose(wraps, case["broad_audio_wrap_positions"], atol=38 * passes)


def test_frames_and_samples_correspond_as_in_the_reference(golden_dir):
    _, cases = reference.values(golden_dir, "ops")
    # Where sound and frames last equally long: else the reference stretches time, see above.
    same = [c for c in cases["synced_indices"] if c["new_length"] == c["old_length"] * 1920]
    assert len(same) == 4
    for case in same:
        first, end, _ = case["result"]
        clip = clip_of(np.arange(case["new_length"], dtype=np.float32), frames=case["old_length"])
        view = AudioView(duration=(min(case["end"], case["old_length"]) - case["start"]) / 25)
        got = view.window(clip, case["start"] / 25).numpy()
        assert (got[0], got[-1]) == (first, end - 1)


def test_sample_is_the_spectrogram_of_the_window():
    pcm = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    view = AudioView(duration=0.5, log_mel=SMALL)
    got = view.sample(clip_of(pcm), 0.25, (1, 2))
    assert got.shape == view.shape == (50, 20)
    np.testing.assert_allclose(got, SMALL(pcm[2000:6000]), atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_sound_that_is_no_sound_is_an_error_of_the_clip(value):
    view = AudioView(duration=0.1, log_mel=SMALL)
    pcm = np.zeros(1000, np.float32)
    pcm[300] = value
    clip = clip_of(pcm)
    with pytest.raises(tf.errors.InvalidArgumentError, match="sound holds samples"):
        view.sample(clip, tf.constant(0.0, tf.float64), tf.zeros((2,), tf.int32))
    with pytest.raises(tf.errors.InvalidArgumentError, match="sound holds samples"):
        view.crops(clip, 3)


def test_augmentations_see_the_spectrogram():
    pcm = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    view = AudioView(duration=0.5, log_mel=SMALL)
    hidden = dataclasses.replace(view, augmentations=(spec_augment,))
    changed = hidden.sample(clip_of(pcm), 0.0, (3, 4)) != view.sample(clip_of(pcm), 0.0, (3, 4))
    assert 0 < np.mean(changed) < 0.6


@pytest.mark.parametrize("loop, latest", [(True, 0.2), (False, 0.0)])
def test_starts_in_a_clip_that_is_too_short(loop, latest):
    clip = clip_of(np.zeros(1600, np.float32))
    view = AudioView(duration=0.5, log_mel=SMALL)
    starts = [float(view.random_start(clip, (i, 0), loop=loop)) for i in range(100)]
    assert min(starts) <= 0.05 * latest and 0.9 * latest <= max(starts) <= latest


def test_starts_where_the_window_fits():
    clip = clip_of(np.zeros(8000, np.float32))
    view = AudioView(duration=0.75, log_mel=SMALL)
    starts = [float(view.random_start(clip, (i, 0), loop=True)) for i in range(100)]
    assert min(starts) < 0.02 and 0.23 < max(starts) <= 0.25


def test_sound_that_is_longer_than_the_frames_is_used_before_looping():
    pcm = np.arange(10_000, dtype=np.float32)
    view = AudioView(duration=1.0, log_mel=SMALL)
    np.testing.assert_array_equal(view.window(clip_of(pcm, frames=25), 0.2), pcm[1600:9600])


def test_sound_that_is_shorter_than_the_frames_loops_with_them():
    pcm = 1 + np.arange(6000, dtype=np.float32)
    view = AudioView(duration=2.0, log_mel=SMALL)
    got = view.window(clip_of(pcm, frames=25), 0.5).numpy()
    times = (4000 + np.arange(16_000)) % 8000
    np.testing.assert_array_equal(got, np.where(times < 6000, 1 + times, 0))


def test_crops_are_evenly_spaced():
    pcm = np.random.default_rng(0).normal(size=16_000).astype(np.float32)
    view = AudioView(duration=0.5, log_mel=SMALL)
    got = view.crops(clip_of(pcm), temporal=4, spatial=3)
    assert got.shape == (4, *view.shape)
    for crop, first in zip(got, (0, 4000, 8000, 12_000)):
        np.testing.assert_allclose(crop, SMALL(pcm[first : first + 4000]), atol=1e-5)


def test_crops_of_a_clip_that_is_too_short_repeat_it():
    pcm = np.random.default_rng(0).normal(size=3000).astype(np.float32)
    view = AudioView(duration=0.5, log_mel=SMALL)
    first, last = view.crops(clip_of(pcm), temporal=2)
    twice = np.tile(pcm, 2)
    np.testing.assert_allclose(first, SMALL(twice[:4000]), atol=1e-5)
    np.testing.assert_allclose(last, SMALL(twice[2000:]), atol=1e-5)


@pytest.mark.parametrize("duration", [0.0, -1.0, 0.01])
def test_refuses_durations_below_a_frame(duration):
    with pytest.raises(UserError, match=r"AudioView\.duration"):
        AudioView(duration=duration, log_mel=SMALL)


def test_gin_scopes_reach_the_spectrogram():
    gin.parse_config("broad_audio/LogMel.mel_bins = 40\nAudioView.duration = 2.56")
    try:
        with gin.config_scope("broad_audio"):
            view = AudioView()
        assert view.shape == (768, 40)
        assert dataclasses.replace(view, duration=1.28).shape == (384, 40)
        assert AudioView().shape == (768, 80)
    finally:
        gin.clear_config()


def test_gin_chooses_a_preset_of_the_spectrogram():
    gin.parse_config(
        """
        import brave_tf.data.views.log_mel
        AudioView.log_mel = @broad_audio/log_mel_preset()
        broad_audio/log_mel_preset.name = '25ms'
        """
    )
    view = AudioView()
    assert view.shape == (1024, 80)
    assert view.log_mel.empty_bands() == []


def test_sound_is_augmented_before_its_spectrogram_in_training_alone():
    def shifted(sound, seed):
        return sound + tf.random.stateless_uniform((), seed)

    def doubled(sound, seed):
        return 2 * sound

    pcm = np.random.default_rng(0).normal(size=8000).astype(np.float32)
    plain = AudioView(duration=0.5, log_mel=SMALL)
    view = AudioView(duration=0.5, log_mel=SMALL, sound_augmentations=[shifted, doubled])
    clip, seed = clip_of(pcm), tf.constant([3, 4])
    got = [view.sample(clip, 0.0, tf.constant(s)) for s in ([3, 4], [3, 4], [3, 5])]
    np.testing.assert_array_equal(got[0], got[1])
    assert not np.allclose(got[0], got[2])
    drawn = []
    AudioView(
        duration=0.5,
        log_mel=SMALL,
        sound_augmentations=[lambda sound, s: drawn.append(shifted(sound, s)) or sound],
    ).sample(clip, 0.0, seed)
    np.testing.assert_allclose(got[0], SMALL(2 * drawn[0]), atol=1e-5)
    np.testing.assert_array_equal(view.crops(clip), plain.crops(clip))
    assert repr(plain) == repr(AudioView(duration=0.5, log_mel=SMALL, sound_augmentations=[]))
    with pytest.raises(UserError, match="AudioView.sound_augmentations"):
        AudioView(sound_augmentations=["louder"])

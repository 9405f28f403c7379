import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.augment.spec_augment import spec_augment
from brave_tf.errors import UserError

SPECTROGRAM = tf.random.stateless_normal((100, 40), (1, 2))


def hidden(seed, **kwargs):
    got = spec_augment(SPECTROGRAM, (seed, 0), **kwargs).numpy()
    changed = got != SPECTROGRAM.numpy()
    np.testing.assert_allclose(got[changed], np.mean(SPECTROGRAM), atol=1e-6)
    return changed


def test_hides_stretches_of_time_no_longer_than_asked():
    widths = []
    for seed in range(100):
        changed = hidden(seed, time_masks=1, max_time=0.1, frequency_masks=0)
        rows = np.flatnonzero(changed.any(axis=1))
        assert changed[rows].all() and len(rows) == (np.ptp(rows) + 1 if len(rows) else 0)
        widths.append(len(rows))
    assert min(widths) == 0 and max(widths) == 10


def test_hides_bands():
    widths = []
    for seed in range(100):
        changed = hidden(seed, time_masks=0, frequency_masks=1, max_frequency=0.25)
        columns = np.flatnonzero(changed.any(axis=0))
        assert changed[:, columns].all()
        widths.append(len(columns))
    assert min(widths) == 0 and max(widths) == 10


def test_defaults_hide_up_to_two_of_each():
    masks = [hidden(seed) for seed in range(50)]
    assert max(mask.all(axis=1).sum() for mask in masks) > 10
    assert max(mask.all(axis=0).sum() for mask in masks) > 8


def test_without_masks_nothing_changes():
    assert not hidden(0, time_masks=0, frequency_masks=0).any()


@pytest.mark.parametrize("field", ["max_time", "max_frequency"])
def test_refuses_what_is_no_fraction(field):
    with pytest.raises(UserError, match=rf"spec_augment\.{field}"):
        spec_augment(SPECTROGRAM, (0, 0), **{field: 10})


def test_what_is_hidden_can_be_one_value():
    got = spec_augment(SPECTROGRAM, (1, 0), value=0.0).numpy()
    changed = got != SPECTROGRAM.numpy()
    assert changed.any() and not got[changed].any()

import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.augment.random_volume import random_volume
from brave_tf.errors import UserError

SOUND = tf.random.stateless_normal((50,), (1, 2))


def test_one_factor_within_reach():
    factors = []
    for seed in range(100):
        ratio = (random_volume(SOUND, (seed, 0), reach=0.3) / SOUND).numpy()
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
        factors.append(ratio[0])
    assert 0.7 <= min(factors) < 0.75 and 1.25 < max(factors) <= 1.3


@pytest.mark.parametrize("reach", [-0.1, 1.0])
def test_refuses_what_is_no_reach(reach):
    with pytest.raises(UserError, match="random_volume.reach"):
        random_volume(SOUND, (0, 0), reach=reach)


def test_refuses_spectrograms():
    with pytest.raises(UserError, match="AudioView.sound_augmentations"):
        random_volume(tf.zeros((3, 4)), (0, 0))

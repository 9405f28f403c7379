import numpy as np
import tensorflow as tf

from brave_tf.objectives.similarity import NEGATIVE, POSITIVE, similarities


def test_the_own_key_and_the_mean_of_all_others():
    cosines = np.random.default_rng(0).uniform(-1, 1, (3, 5)).astype(np.float32)
    own = [1, 4, 0]
    found = similarities(tf.constant(cosines), tf.constant(own))
    for row, clip in enumerate(own):
        others = [cosines[row, other] for other in range(5) if other != clip]
        np.testing.assert_allclose(found[POSITIVE][row], cosines[row, clip], rtol=1e-6)
        np.testing.assert_allclose(found[NEGATIVE][row], np.mean(others), rtol=1e-5)


def test_a_clip_alone_has_no_negatives():
    found = similarities(tf.constant([[0.75]]), tf.constant([0]))
    assert found[POSITIVE].numpy() == [0.75]
    assert found[NEGATIVE].numpy() == [0.0]

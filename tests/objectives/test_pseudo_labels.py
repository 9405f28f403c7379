"""Labels that are replaced all at once."""

import numpy as np
import pytest
import tensorflow as tf
from replicas import two_replicas

from brave_tf import errors
from brave_tf.objectives.pseudo_labels import PseudoLabels


@pytest.mark.parametrize("shape", [(), (3,)])
def test_clips_have_the_labels_that_were_set(shape):
    labels = PseudoLabels(5, shape)
    ids = tf.constant([4, -1, 0], tf.int64)
    np.testing.assert_array_equal(labels.of(ids), np.full((3, *shape), -1))
    values = np.arange(5 * 3)[: 5 * int(np.prod(shape))].reshape(5, *shape)
    labels.replace(values)
    np.testing.assert_array_equal(labels.of(ids), [values[4], np.full(shape, -1), values[0]])


def test_all_replicas_get_them():
    strategy = two_replicas()
    with strategy.scope():
        labels = PseudoLabels(4)
    labels.replace(np.arange(4))
    for each in strategy.experimental_local_results(labels.values):
        np.testing.assert_array_equal(each, np.arange(4))


def test_what_does_not_fit_is_refused():
    labels = PseudoLabels(4)
    for values in (np.arange(3), np.ones(4)):
        with pytest.raises(errors.UserError, match="expected whole numbers of shape"):
            labels.replace(values)
    with pytest.raises(tf.errors.InvalidArgumentError, match="pseudo_labels has 4 rows"):
        labels.of(tf.constant([4]))

import numpy as np
import tensorflow as tf
from scipy import stats

from brave_tf.data.sources.epochs import thin_out


def kept(size, count, seed):
    items = tf.data.Dataset.range(size)
    return list(thin_out(items, size, count, tf.constant([seed, 0])).as_numpy_iterator())


def test_so_many_are_kept_in_their_order():
    found = kept(11, 8, 5)
    assert len(found) == 8 and found == sorted(set(found))
    assert kept(11, 8, 5) == found != kept(11, 8, 6)
    assert kept(8, 8, 5) == list(range(8))


def test_each_is_as_likely_to_be_left_out_as_any_other():
    left_out = np.concatenate([np.setdiff1d(np.arange(5), kept(5, 4, n)) for n in range(300)])
    assert stats.chisquare(np.bincount(left_out, minlength=5)).pvalue > 1e-3

"""A constant is what the first step says, for good."""

import numpy as np
import tensorflow as tf

from brave_tf.objectives.constants import Constant


def test_the_first_finite_value_stays():
    constant = Constant("z")
    seen = []
    for candidate in (np.nan, 3.0, 5.0):
        value = constant.or_first(tf.constant(candidate, tf.float32))
        seen.append(float(value))
        constant.settle(value)
    np.testing.assert_array_equal(seen, [np.nan, 3.0, 3.0])
    assert float(constant.value) == 3.0 and bool(constant.known)


def test_to_ask_is_not_to_settle():
    constant = Constant("z")
    assert float(constant.or_first(tf.constant(2.0))) == 2.0
    assert float(constant.or_first(tf.constant(4.0))) == 4.0
    assert not bool(constant.known)

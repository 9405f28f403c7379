"""Which windows of the training clips a protocol learns from."""

import pytest

from brave_tf.errors import UserError
from brave_tf.evaluation.protocols import train_windows


def test_windows_that_are_not_known_are_named():
    with pytest.raises(UserError, match=r"knn\.train_windows = 'crop'.*Did you mean crops"):
        train_windows.check_train_windows("knn", "crop")

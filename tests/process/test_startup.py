import subprocess
import sys

import pytest

PROGRAM = """
from brave_tf.process import startup

startup.import_tensorflow()
import tensorflow as tf

from brave_tf.data.augment.random_color import adjust_color

values = tf.random.stateless_uniform((2, 2, 8, 8, 3), (0, 0))
changed = tf.data.Dataset.from_tensor_slices(values).map(lambda v: adjust_color(v, 0.1, 1.2, 1.1, 0.1))
print(len([float(video[0, 0, 0, 0]) for video in changed]))
"""


@pytest.mark.long
def test_nothing_is_logged_at_the_start_of_tensorflow_and_xla():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "2\n"
    assert done.stderr == ""

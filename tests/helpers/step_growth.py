"""Prints how a process grows with the batch of a training step, and how much of it was estimated.

python step_growth.py tsm_resnet SIZE BATCH
"""

import json
import os
import pathlib
import re
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import tensorflow as tf

from brave_tf import config
from brave_tf.inspection.model_trace import trace_model
from brave_tf.training import recipe

backbone, size, batch_size = sys.argv[1], sys.argv[2], int(sys.argv[3])
bindings = [
    f"import brave_tf.models.{backbone}",
    f"Supervised.backbones = {{'narrow': @{backbone}()}}",
    f"narrow/RgbView.size = {size}",
]
config.load_config(["demo_supervised"], bindings)
run = recipe.bound(recipe.Recipe)
objective = run.build(0)
small, large = (trace_model(objective, run.views, n).peak for n in (1, batch_size))
objective.compile(tf.keras.optimizers.SGD(0.01))
signature = {name: tf.TensorSpec((None, *view.shape)) for name, view in run.views.items()}
signature["label"] = tf.TensorSpec((None,), tf.int64)
step = tf.function(objective.train_step, input_signature=[signature])


def grow_to(clips: int) -> int:
    """Takes two steps; returns the most memory that this program has had, in bytes."""
    batch = {name: tf.zeros((clips, *view.shape)) for name, view in run.views.items()}
    batch["label"] = tf.zeros((clips,), tf.int64)
    for _ in range(2):
        step(batch)
    # What getrusage tells includes the process that started this one.
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024


before = grow_to(1)
print(json.dumps({"estimated": large - small, "measured": grow_to(batch_size) - before}))

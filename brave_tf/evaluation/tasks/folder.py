"""Any clips that have labels and the splits `train` and `test`: records, or media files."""

import dataclasses

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.linear_layer import LINEAR_LAYER
from brave_tf.evaluation.protocols.mlp import MLP
from brave_tf.evaluation.protocols.retrieval import RETRIEVAL
from brave_tf.evaluation.protocols.svm import LINEAR
from brave_tf.evaluation.protocols.two_streams import TWO_STREAMS
from brave_tf.evaluation.tasks.families import register_tasks

_LINEAR_LAYER = dataclasses.replace(LINEAR_LAYER, name="linear_layer")

KINDS = (LINEAR, FINETUNE, KNN, RETRIEVAL, _LINEAR_LAYER, MLP)

register_tasks("folder", "the clips in --data", KINDS)
register_tasks("folder", "the clips in --data", (TWO_STREAMS,), modalities=("rgb",))

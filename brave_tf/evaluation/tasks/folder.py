"""Any clips that have labels and the splits `train` and `test`: records, or media files."""

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.linear_layer import LINEAR_LAYER_TOO
from brave_tf.evaluation.protocols.mlp import MLP
from brave_tf.evaluation.protocols.retrieval import RETRIEVAL
from brave_tf.evaluation.protocols.svm import LINEAR
from brave_tf.evaluation.protocols.two_streams import TWO_STREAMS
from brave_tf.evaluation.tasks.families import register_tasks

KINDS = (LINEAR, FINETUNE, KNN, RETRIEVAL, LINEAR_LAYER_TOO, MLP)

register_tasks("folder", "the clips in --data", KINDS)
register_tasks("folder", "the clips in --data", (TWO_STREAMS,), modalities=("rgb",))

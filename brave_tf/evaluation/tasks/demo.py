"""The rendered videos of the demo."""

from brave_tf.evaluation.families import register_tasks
from brave_tf.evaluation.finetune import FINETUNE
from brave_tf.evaluation.knn import KNN
from brave_tf.evaluation.linear import LINEAR
from brave_tf.evaluation.retrieval import RETRIEVAL

register_tasks(
    "demo",
    "the demo's rendered clips",
    (LINEAR, FINETUNE, KNN, RETRIEVAL),
    data_dir="runs/demo/records",
)

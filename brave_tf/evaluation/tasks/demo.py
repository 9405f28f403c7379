"""The rendered videos of the demo."""

from brave_tf.evaluation.protocols.finetune import FINETUNE
from brave_tf.evaluation.protocols.knn import KNN
from brave_tf.evaluation.protocols.retrieval import RETRIEVAL
from brave_tf.evaluation.protocols.svm import LINEAR
from brave_tf.evaluation.tasks.families import register_tasks

register_tasks(
    "demo",
    "the demo's rendered clips",
    (LINEAR, FINETUNE, KNN, RETRIEVAL),
    data_dir="runs/demo/records",
)

"""ESC-50 (records of datasets/esc50/prepare.py)."""

from brave_tf.evaluation.linear import linear_svm, register_linear_tasks
from brave_tf.evaluation.official import over_official_splits

register_linear_tasks(
    "esc50",
    "ESC-50, mean of the 5 official folds",
    data_dir="data/esc50",
    modalities=("audio",),
    protocol=over_official_splits(linear_svm),
)

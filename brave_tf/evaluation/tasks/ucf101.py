"""UCF101 (records of datasets/ucf101/prepare.py)."""

from brave_tf.evaluation.linear import linear_svm, register_linear_tasks
from brave_tf.evaluation.official import over_official_splits

register_linear_tasks(
    "ucf101",
    "UCF101, mean of the 3 official splits",
    data_dir="data/ucf101",
    modalities=("rgb", "flow"),
    protocol=over_official_splits(linear_svm),
)

"""HMDB51 (records of datasets/hmdb51/prepare.py)."""

from brave_tf.evaluation.linear import linear_svm, register_linear_tasks
from brave_tf.evaluation.official import over_official_splits

register_linear_tasks(
    "hmdb51",
    "HMDB51, mean of the 3 official splits",
    data_dir="data/hmdb51",
    modalities=("rgb", "flow"),
    protocol=over_official_splits(linear_svm),
)

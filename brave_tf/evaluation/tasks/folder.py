"""Any folder of prepared records that has labels and the splits `train` and `test`."""

from brave_tf.evaluation.linear import register_linear_tasks

register_linear_tasks("folder", "the records in --data")

"""The rendered videos of the demo."""

from brave_tf.evaluation.linear import register_linear_tasks

register_linear_tasks("demo", "the demo's rendered clips", data_dir="runs/demo/records")

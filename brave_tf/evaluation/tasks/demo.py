"""The rendered videos of the demo."""

from brave_tf.evaluation.linear import linear_svm
from brave_tf.evaluation.registry import Task, register_task

for name, modality in (("linear", "rgb"), ("linear_audio", "audio"), ("linear_flow", "flow")):
    register_task(
        Task(
            name=f"demo/{name}",
            modality=modality,
            protocol=linear_svm,
            description=f"linear SVM on {modality} features of the demo's rendered clips",
            data_dir="runs/demo/records",
        )
    )

"""Any folder of prepared records that has labels and the splits `train` and `test`."""

from brave_tf.evaluation.linear import linear_svm
from brave_tf.evaluation.registry import Task, register_task

for name, modality in (("linear", "rgb"), ("linear_audio", "audio"), ("linear_flow", "flow")):
    register_task(
        Task(
            name=f"folder/{name}",
            modality=modality,
            protocol=linear_svm,
            description=f"linear SVM on {modality} features of the records in --data",
        )
    )

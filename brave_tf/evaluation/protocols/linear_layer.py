"""The linear layer: logistic regression by SGD on frozen features, for data too large for an SVM."""

from __future__ import annotations

import dataclasses
from typing import Callable, ClassVar

import gin

from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.protocols.heads.training import HeadTraining, OneOrSeveral, momentum_sgd
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.evaluation.protocols.trained_heads import Head, evaluate_head
from brave_tf.training.optimizers import Optimizer


@gin.configurable("linear_layer_training")
@dataclasses.dataclass(frozen=True)
class LinearLayerTraining(HeadTraining):
    """See `HeadTraining`; bound in gin as `linear_layer_training.<name>`.

    The paper does not say how its linear layers on Kinetics were trained. The defaults follow the
    convention of linear evaluation on Kinetics: SGD with momentum, half a cosine, no weight decay,
    with the learning rate chosen on training clips.
    """

    epochs: int = 60
    batch_size: int = 512
    learning_rate: OneOrSeveral = (1.0, 0.1, 0.01, 0.001)
    weight_decay: OneOrSeveral = 0.0
    optimizer: Callable[..., Optimizer] = momentum_sgd

    binding: ClassVar[str] = "linear_layer_training"


@gin.configurable
def linear_layer(
    probe: Probe,
    data_dir: str,
    train_split: str = "train",
    test_split: str = "test",
    several_labels: bool = False,
    normalization: str = "standardize",
    average: str = "probabilities",
) -> Outcome:
    """Trains a linear layer on frozen features, and scores it on the test split.

    Test labels are used for the score alone. How it is trained is bound as `linear_layer_training`,
    the windows as `eval_windows`. The trained layer is not kept: interrupted, its training starts
    again, on cached features.

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      train_split: split that the layer is trained on; `a+b` for two.
      test_split: split that it is scored on.
      several_labels: whether clips can have several labels: sigmoid cross-entropy and mAP instead of
        softmax cross-entropy and top-1.
      normalization: of features: `standardize` (mean 0 and variance 1 over the training clips), `l2`
        (norm 1; wants learning rates about as many times higher as there are features), `l2_batch_norm`
        (a batch normalisation that is trained, after `l2`: CoCLR) or `none`.
      average: what is averaged over the crops of a test clip: `probabilities` or `logits`.

    Returns:
      See `heads.protocol.evaluate_head`.

    Raises:
      UserError: before any feature is computed, for settings and splits that cannot be used.
    """
    head = Head(
        "linear_layer",
        LinearLayerTraining(),
        normalization=normalization,
        average=average,
        several_labels=several_labels,
    )
    return evaluate_head(probe, data_dir, train_split, test_split, head)


LINEAR_LAYER = Kind("linear", linear_layer, "linear layer on frozen features", ("top1", "top5"))
# For data sets whose `linear` is the SVM.
LINEAR_LAYER_TOO = dataclasses.replace(LINEAR_LAYER, name="linear_layer")

"""The MLP protocol: one hidden layer on frozen features, for clips with several labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Callable, ClassVar

import gin

from brave_tf.errors import UserError
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import multi_label
from brave_tf.evaluation.protocols.heads.training import HeadTraining, OneOrSeveral, plain_adamw
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.evaluation.protocols.trained_heads import Head, evaluate_head
from brave_tf.training.optimizers import Optimizer


@gin.configurable("mlp_training")
@dataclasses.dataclass(frozen=True)
class MlpTraining(HeadTraining):
    """See `HeadTraining`; bound in gin as `mlp_training.<name>`.

    The paper gives the size of the hidden layer alone. The optimizer is the usual one of classifiers on
    features of sound; its learning rate is chosen on training clips.
    """

    epochs: int = 20
    batch_size: int = 512
    learning_rate: OneOrSeveral = (3e-3, 1e-3, 3e-4)
    weight_decay: OneOrSeveral = 1e-2
    optimizer: Callable[..., Optimizer] = plain_adamw

    binding: ClassVar[str] = "mlp_training"


@gin.configurable
def mlp(
    probe: Probe,
    data_dir: str,
    train_split: str = "train",
    test_split: str = "test",
    several_labels: bool = True,
    hidden: Sequence[int] = (512,),
    dropout: float = 0.1,
    normalization: str = "standardize",
    average: str = "probabilities",
) -> Outcome:
    """Trains an MLP on frozen features, and scores it on the test split.

    Test labels are used for the score alone. How it is trained is bound as `mlp_training`, the windows
    as `eval_windows`. The trained MLP is not kept: interrupted, its training starts again, on cached
    features.

    Args:
      probe: the frozen backbone.
      data_dir: folder of prepared records, or media files.
      train_split: split that the MLP is trained on; `a+b` for two.
      test_split: split that it is scored on.
      several_labels: whether clips can have several labels: sigmoid cross-entropy and mAP instead of
        softmax cross-entropy and top-1.
      hidden: sizes of the hidden layers, with relu and without batch normalisation.
      dropout: share of hidden units that is dropped in training.
      normalization: of features, see `linear_layer`.
      average: what is averaged over the crops of a test clip: `probabilities` or `logits`.

    Returns:
      See `heads.protocol.evaluate_head`.

    Raises:
      UserError: before any feature is computed, for settings and splits that cannot be used.
    """
    if not hidden or not all(isinstance(size, int) and size > 0 for size in hidden):
        raise UserError(f"mlp.hidden = {hidden!r}: expected sizes such as (512,).")
    head = Head("mlp", MlpTraining(), hidden, dropout, normalization, average, several_labels)
    return evaluate_head(probe, data_dir, train_split, test_split, head)


MLP = Kind("mlp", mlp, "MLP on frozen features", multi_label.REPORTS)

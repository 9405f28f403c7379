"""Weight decay as a part of the loss."""

from __future__ import annotations

import re
from collections.abc import Sequence

import tensorflow as tf

from brave_tf.errors import UserError


def weight_penalty(
    variables: Sequence[tf.Variable], weight_decay: float, pattern: str = "kernel"
) -> tf.Tensor:
    """Returns weight_decay / 2 times the sum of squares of some variables, as CVRL adds it to its loss.

    Its gradient is weight_decay * w, what `sgd.weight_decay` adds to that of the loss. Unlike that, it is
    part of the loss that is logged, and where gradients of replicas are summed, of each replica's: divide it
    as the loss is divided.

    Args:
      variables: among which the pattern chooses.
      weight_decay: 0 or more.
      pattern: regular expression, searched for in the names; the default is weights of convolutions and of
        linear layers, and neither biases nor normalisation.

    Returns:
      () float32.

    Raises:
      UserError: the decay is below 0, or no variable's name has the pattern.
    """
    chosen = [variable for variable in variables if re.search(pattern, variable.name)]
    if weight_decay < 0 or not chosen:
        names = ", ".join(variable.name for variable in variables[-3:])
        raise UserError(
            f"weight decay {weight_decay} of variables that match {pattern!r}: expected 0 or more, and a "
            f"pattern that is found in some variable's name. Names are like {names}."
        )
    return weight_decay * tf.add_n([tf.nn.l2_loss(variable) for variable in chosen])

"""Heads: the small networks between features and the loss.

Their layers are named `<name>/linear`, `<name>/batch_norm`, ..., so that the names of their
variables contain `projector/` or `predictor/` for the patterns of an optimizer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Callable

import gin
import tensorflow as tf

from brave_tf.errors import UserError
from brave_tf.models.norm import batch_norm
from brave_tf.models.precision import full_dtype

layers = tf.keras.layers

# Makes a normalisation layer: called with its name, and for the last layer with its dtype.
Norm = Callable[..., layers.Layer]

# The initialisation of PyTorch's linear layers: weights and biases uniform in +-1 / sqrt(inputs).
UNIFORM_BY_INPUTS = "uniform_by_inputs"


@gin.configurable
def projector(
    input_size: int, hidden: int = 4096, output: int = 128, name: str = "projector"
) -> tf.keras.Model:
    """Builds features (B, input_size) -> projections z (B, output) float32.

    Linear, batch normalisation, relu, linear, batch normalisation (sizes of DeepMind's BraVe).

    Args:
      input_size: size of the features.
      hidden: size of the hidden layer.
      output: size of the projection.
      name: name of the model and prefix of its layers.
    """
    features = tf.keras.Input((input_size,), dtype=full_dtype(), name="features")
    z = _layers(features, (hidden, output), name, batch_norm, last_norm=batch_norm)
    return tf.keras.Model(features, z, name=name)


@gin.configurable
def predictor(
    input_size: int, hidden: int = 4096, output: int | None = None, name: str = "predictor"
) -> tf.keras.Model:
    """Builds projections (B, input_size) -> predictions h (B, output) float32.

    Linear, batch normalisation, relu, linear (sizes of DeepMind's BraVe).

    Args:
      input_size: size of the projections.
      hidden: size of the hidden layer.
      output: size of the prediction; by default that of the projections, which it is compared with.
      name: name of the model and prefix of its layers.
    """
    projections = tf.keras.Input((input_size,), dtype=full_dtype(), name="projections")
    h = _layers(projections, (hidden, output or input_size), name, batch_norm)
    return tf.keras.Model(projections, h, name=name)


@gin.configurable
def mlp_head(
    input_size: int,
    widths: Sequence[int] = gin.REQUIRED,
    norm: Norm | None = batch_norm,
    last_norm: Norm | None = None,
    hidden_bias: bool = True,
    last_bias: bool = True,
    activation: str = "relu",
    activate_input: bool = False,
    dropout: float = 0.0,
    initializer: str = "lecun_normal",
    name: str = "head",
) -> tf.keras.Model:
    """Builds features (B, input_size) -> (B, widths[-1]) float32: as many linear layers as there are widths.

    Each layer but the last is dropout, linear, `norm`, `activation`; the last is dropout, linear and
    `last_norm`.
    docs/backbones.md has a table of published heads.

    Args:
      input_size: size of the features.
      widths: outputs of the layers, the last that of the head.
      norm: makes the normalisation of hidden layers, such as `@batch_norm`; None for none.
      last_norm: makes that of the last layer.
      hidden_bias: whether the hidden layers have biases; those before a batch normalisation have no effect.
      last_bias: whether the last layer has one.
      activation: of hidden layers, a name that Keras knows.
      activate_input: whether the features themselves go through the activation first.
      dropout: share of the inputs of each linear layer that it does not see in a training step, in [0, 1).
      initializer: of weights: a name that Keras knows, with biases 0; or `uniform_by_inputs`, which draws
        weights and biases uniformly in +-1 / sqrt(inputs), as PyTorch does.
      name: name of the model and prefix of its layers.

    Raises:
      UserError: a width, the dropout, the activation or the initializer cannot be used.
    """
    if not widths or any(not isinstance(width, int) or width < 1 for width in widths):
        raise UserError(
            f"mlp_head.widths = {widths!r}: expected the outputs of one layer or more, such as (512, 128)."
        )
    if not 0 <= dropout < 1:
        raise UserError(f"mlp_head.dropout = {dropout!r}: expected 0 <= dropout < 1.")
    _require_known("activation", activation, tf.keras.activations.get)
    if initializer != UNIFORM_BY_INPUTS:
        _require_known("initializer", initializer, tf.keras.initializers.get)
    features = tf.keras.Input((input_size,), dtype=full_dtype(), name="features")
    x = features
    if activate_input:
        x = layers.Activation(activation, name=f"{name}/activation_of_input")(x)
    outputs = _layers(
        x,
        widths,
        name,
        norm,
        last_norm=last_norm,
        biases=(hidden_bias, last_bias),
        activation=activation,
        dropout=dropout,
        initializer=initializer,
    )
    return tf.keras.Model(features, outputs, name=name)


def _require_known(argument: str, value: str, get: Callable[[str], object]) -> None:
    try:
        get(value)
    except ValueError as error:
        also = f", or {UNIFORM_BY_INPUTS!r}" if argument == "initializer" else ""
        raise UserError(
            f"mlp_head.{argument} = {value!r}: expected a name that Keras knows{also}."
        ) from error


def _layers(
    x: tf.Tensor,
    widths: Sequence[int],
    name: str,
    norm: Norm | None,
    *,
    last_norm: Norm | None = None,
    biases: tuple[bool, bool] = (True, True),
    activation: str = "relu",
    dropout: float = 0.0,
    initializer: str = "lecun_normal",
) -> tf.Tensor:
    """The layers of `mlp_head`, the result in full precision; `biases` of hidden layers and of the last."""

    def named(kind: str, index: int) -> str:
        return f"{name}/{kind}" + (f"_{index}" if index else "")

    def linear(x: tf.Tensor, index: int, bias: bool, dtype: str | None = None) -> tf.Tensor:
        if dropout:
            x = layers.Dropout(dropout, name=named("dropout", index))(x)
        drawn = _initializers(initializer, x.shape[-1])
        width, label = widths[index], named("linear", index)
        return layers.Dense(width, use_bias=bias, name=label, dtype=dtype, **drawn)(x)

    last = len(widths) - 1
    for index in range(last):
        x = linear(x, index, biases[0])
        if norm:
            x = norm(name=named("batch_norm", index))(x)
        kind = "relu" if activation == "relu" else "activation"
        x = layers.Activation(activation, name=named(kind, index))(x)
    if last_norm is None:
        return linear(x, last, biases[1], full_dtype())
    return last_norm(name=named("batch_norm", last), dtype=full_dtype())(linear(x, last, biases[1]))


def _initializers(name: str, inputs: int) -> dict[str, object]:
    """Those of a linear layer. BraVe's are Haiku's: truncated normal weights of variance 1 / inputs."""
    if name != UNIFORM_BY_INPUTS:
        return {"kernel_initializer": name}
    bound = 1 / math.sqrt(inputs)
    uniform = tf.keras.initializers.RandomUniform
    return {
        "kernel_initializer": uniform(-bound, bound),
        "bias_initializer": uniform(-bound, bound),
    }

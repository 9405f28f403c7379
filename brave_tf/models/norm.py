"""Batch normalisation: by default with the constants and the running averages of BYOL and BraVe."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import gin
import tensorflow as tf

from brave_tf.errors import UserError

# How running averages are taken, see `BatchNorm`.
AVERAGES = ("debiased", "plain", "unbiased")

_FUSED = {4: "NHWC", 5: "NDHWC"}
_FUSED_DTYPES = (tf.float16, tf.bfloat16, tf.float32)
# Replicas run in threads of their own.
_thread = threading.local()


@contextlib.contextmanager
def averages_kept() -> Iterator[None]:
    """Inside, layers in training mode do not count the batch in their averages."""
    _thread.kept = True
    try:
        yield
    finally:
        _thread.kept = False


@tf.keras.utils.register_keras_serializable(package="brave_tf")
class BatchNorm(tf.keras.layers.BatchNormalization):
    """Batch normalisation over the last axis, whose averages are right from the first step on.

    As in DeepMind's Haiku, and unlike Keras's own layer, the averages are zero-debiased (Adam,
    section 3) and of the biased variance, the one that training normalises with. After n updates
    with a decay d, which is `momentum`,

        hidden = d * hidden + (1 - d) * statistic,   average = hidden / (1 - d ** n).

    The averages are the weights `moving_mean` and `moving_variance`, 0 and 1 before the first
    update, and all that inference reads. `averaging` holds what further updates need besides:
    `hidden_mean`, `hidden_variance` and `updates`, the n. It is part of checkpoints and weight
    files, but not of `weights`, which are those of Keras's layer.

    Statistics are taken over all replicas when there is more than one; otherwise the fused kernel
    is used where it exists (for 4 or 5 axes, up to float32).

    Args:
      momentum: decay of the averages (PyTorch's `momentum` is 1 minus it).
      epsilon: added to the variance.
      averages: `debiased`, as above; `plain` as in Keras, from 0 and 1 on, of the biased variance; `unbiased`
        as in PyTorch, from 0 and 1 on, of the unbiased variance. It changes inference alone.
      over_replicas: False takes the statistics of each replica by itself; what is kept then are the
        averages of the first one.
      **kwargs: those of `tf.keras.layers.BatchNormalization`.

    Raises:
      UserError: there is no such kind of averages.
    """

    def __init__(
        self,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        averages: str = "debiased",
        over_replicas: bool = True,
        **kwargs,
    ):
        super().__init__(momentum=momentum, epsilon=epsilon, **kwargs)
        if averages not in AVERAGES:
            raise UserError(
                f"batch_norm.averages = {averages!r}: expected one of {', '.join(AVERAGES)}."
            )
        self.averages = averages
        # Not Keras' `synchronized`, which is False in the configurations of layers that do so.
        self.over_replicas = over_replicas

    def build(self, input_shape: tf.TensorShape) -> None:
        super().build(input_shape)
        first = tf.zeros_like if self.averages == "debiased" else tf.ones_like
        self.averaging = tf.train.Checkpoint(
            hidden_mean=_average("hidden_mean", tf.zeros_like(self.moving_mean)),
            hidden_variance=_average("hidden_variance", first(self.moving_variance)),
            updates=_average("updates", tf.zeros((), tf.int64)),
        )

    def add_weight(self, *args, **kwargs) -> tf.Variable:
        """Makes a weight. Averages are those of the first replica: to read them takes no communication."""
        if kwargs.get("synchronization") == tf.VariableSynchronization.ON_READ:
            kwargs["aggregation"] = tf.VariableAggregation.ONLY_FIRST_REPLICA
        return super().add_weight(*args, **kwargs)

    def call(self, inputs: tf.Tensor, training: bool | None = None) -> tf.Tensor:
        """Normalises (..., C), with the batch's statistics if `training` and the layer is trainable."""
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync if context and self.over_replicas else 1
        fused = inputs.shape.rank in _FUSED and inputs.dtype in _FUSED_DTYPES
        if not (training and self.trainable):
            mean, variance = self.moving_mean, self.moving_variance
            if fused:
                return self._fused(inputs, mean, variance)[0]
            return self._normalise(inputs, mean, variance)
        if fused and replicas == 1:
            outputs, mean, variance = self._fused(inputs)
        else:
            values = tf.cast(inputs, self.moving_mean.dtype)
            mean, variance = _moments(values, context if replicas > 1 else None)
            outputs = self._normalise(inputs, mean, variance)
        if not getattr(_thread, "kept", False):
            if self.averages == "unbiased":
                variance *= _unbiasing(inputs, context if replicas > 1 else None, variance.dtype)
            self._update(mean, variance)
        return outputs

    def get_config(self) -> dict:
        # What was added is left out where it is as before, so that what was kept before is the same.
        own = {} if self.averages == "debiased" else {"averages": self.averages}
        if not self.over_replicas:
            own["over_replicas"] = False
        return {**super().get_config(), **own}

    def save_own_variables(self, store: dict) -> None:
        super().save_own_variables(store)
        for name, variable in self._averaging_variables().items():
            store[name] = variable.numpy()

    def load_own_variables(self, store: dict) -> None:
        averaging = self._averaging_variables()
        super().load_own_variables({key: store[key] for key in store if key not in averaging})
        for name, variable in averaging.items():
            if name in store:
                variable.assign(store[name])

    def _averaging_variables(self) -> dict[str, tf.Variable]:
        names = ("hidden_mean", "hidden_variance", "updates")
        return {name: getattr(self.averaging, name) for name in names}

    def _fused(
        self, x: tf.Tensor, mean: tf.Tensor | None = None, variance: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Normalises by the given statistics, or by those of the batch; returns them as well."""
        training = mean is None
        nothing = tf.zeros((0,), self.moving_mean.dtype)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=tf.ones_like(self.moving_mean) if self.gamma is None else self.gamma,
            offset=tf.zeros_like(self.moving_mean) if self.beta is None else self.beta,
            mean=nothing if training else mean,
            variance=nothing if training else variance,
            epsilon=self.epsilon,
            data_format=_FUSED[x.shape.rank],
            is_training=training,
        )
        if training:
            # The kernel gives the unbiased variance, which is that of one value if there is only one.
            count = tf.cast(tf.size(x) // tf.size(mean), variance.dtype)
            variance *= (count - 1) / count
        return outputs, mean, variance

    def _normalise(self, x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor) -> tf.Tensor:
        values = tf.cast(x, self.moving_mean.dtype)
        values = tf.nn.batch_normalization(
            values, mean, variance, self.beta, self.gamma, self.epsilon
        )
        return tf.cast(values, x.dtype)

    def _update(self, mean: tf.Tensor, variance: tf.Tensor) -> None:
        averaging = self.averaging
        decay = tf.constant(self.momentum, self.moving_mean.dtype)
        updates = averaging.updates + 1
        averaging.updates.assign(updates)
        debias = tf.constant(1, decay.dtype)
        if self.averages == "debiased":
            debias -= decay ** tf.cast(updates, decay.dtype)
        for hidden, average, value in (
            (averaging.hidden_mean, self.moving_mean, mean),
            (averaging.hidden_variance, self.moving_variance, variance),
        ):
            new = hidden * decay + value * (1 - decay)
            hidden.assign(new)
            average.assign(new / debias)


@gin.configurable
def batch_norm(
    name: str = "batch_norm",
    momentum: float = 0.9,
    epsilon: float = 1e-5,
    dtype: str | None = None,
    scale: bool = True,
    center: bool = True,
    averages: str = "debiased",
    over_replicas: bool = True,
) -> BatchNorm:
    """Returns a batch normalisation layer over the last axis; see `BatchNorm`.

    Args:
      name: layer name.
      momentum: decay of the averages of mean and variance.
      epsilon: added to the variance.
      dtype: Keras dtype policy of the layer, the global one by default.
      scale: whether it learns a factor for each channel.
      center: whether it learns an offset for each channel.
      averages: `debiased`, `plain` (as Keras') or `unbiased` (as PyTorch's).
      over_replicas: whether statistics are taken over all replicas, or in each by itself.

    Raises:
      UserError: there is no such kind of averages.
    """
    return BatchNorm(
        momentum=momentum,
        epsilon=epsilon,
        averages=averages,
        over_replicas=over_replicas,
        scale=scale,
        center=center,
        name=name,
        dtype=dtype,
    )


def norm_relu(x: tf.Tensor, norm_name: str, relu_name: str) -> tf.Tensor:
    """Batch normalisation, then relu; two layers of these names."""
    return tf.keras.layers.ReLU(name=relu_name)(batch_norm(name=norm_name)(x))


def _moments(
    x: tf.Tensor, context: tf.distribute.ReplicaContext | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and biased variance of (..., C) over all other axes, and over the replicas of a context."""
    axes = list(range(x.shape.rank - 1))
    if context is None:
        return tf.nn.moments(x, axes)
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)
    sums = [tf.reduce_sum(x, axes), tf.reduce_sum(x * x, axes), count]
    total, squares, count = context.all_reduce(tf.distribute.ReduceOp.SUM, sums)
    mean = total / count
    return mean, tf.maximum(squares / count - mean * mean, 0)


def _unbiasing(
    x: tf.Tensor, context: tf.distribute.ReplicaContext | None, dtype: tf.DType
) -> tf.Tensor:
    """Factor from the biased to the unbiased variance of (..., C), 1 where there is one value alone."""
    count = tf.cast(tf.size(x) // tf.shape(x)[-1], dtype)
    if context is not None:
        count = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return tf.where(count > 1, count / tf.maximum(count - 1, 1), 1)


def _average(name: str, value: tf.Tensor) -> tf.Variable:
    """A variable for what is the same on all replicas."""
    return tf.Variable(
        value,
        trainable=False,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )

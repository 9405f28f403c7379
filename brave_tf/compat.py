"""What the libraries beneath have no public way to: their private names are used here, and only here.

Each function says why there is no other way. `tests/test_compat.py` tests what is assumed of the libraries,
and fails where a newer one differs. No library is imported before it is asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Callable

if TYPE_CHECKING:
    import tensorflow as tf

    # Called with a layer, its arguments, those with names, and the call; returns what the call returns.
    Around = Callable[[tf.keras.layers.Layer, tuple, dict[str, Any], Callable[[], Any]], Any]


def gin_bindings() -> dict[tuple[str, str], dict[str, Any]]:
    """Returns a copy of what is bound: (scope, whole name of the configurable) -> parameter -> value.

    gin shows all of it as text, which leaves out what has no text, or to hooks of `gin.finalize`, others of
    which may change it.
    """
    import gin

    return {key: dict(values) for key, values in gin.config._CONFIG.items()}


def gin_configurables() -> list[str]:
    """Returns the whole names of what is registered; gin finds each by its name, but lists none."""
    import gin

    return [name for name, _ in gin.config._REGISTRY.items()]


@contextlib.contextmanager
def around_calls(around: Around) -> Iterator[None]:
    """Has every call of every layer go through a function; Keras has no hooks on calls.

    A call is all of it: with the casts of its arguments, and with those of the layers inside it. Of the
    public ways, a model of all outputs exists for functional models alone, and TensorFlow's check of numerics
    knows operations, not layers.
    """
    import tensorflow as tf

    layer_type = tf.keras.layers.Layer
    original = layer_type.__call__

    def call(layer: tf.keras.layers.Layer, *args: Any, **kwargs: Any) -> Any:
        return around(layer, args, kwargs, lambda: original(layer, *args, **kwargs))

    layer_type.__call__ = call
    try:
        yield
    finally:
        layer_type.__call__ = original


@contextlib.contextmanager
def around_own_calls(layers: Sequence[tf.keras.layers.Layer], around: Around) -> Iterator[None]:
    """Has what some layers compute go through a function, without the casts of their arguments.

    Keras has no hooks on it. In each layer a `call` of its own stands before that of its class.
    """

    def recorded(layer: tf.keras.layers.Layer) -> Callable:
        call = layer.call

        def record(*args: Any, **kwargs: Any) -> Any:
            return around(layer, args, kwargs, lambda: call(*args, **kwargs))

        return record

    changed = []
    try:
        for layer in layers:
            layer.call = recorded(layer)
            changed.append(layer)
        yield
    finally:
        for layer in changed:
            del layer.call


def layer_generators(module: tf.Module) -> list[tf.random.Generator]:
    """Returns the generators of the layers in a module that draw numbers, such as dropout.

    Keras neither tracks nor shows them. Layers have them where
    `tf.keras.backend.experimental.enable_tf_random_generator` was called before.
    """
    owners = [getattr(layer, "_random_generator", None) for layer in module.submodules]
    generators = [getattr(owner, "_generator", None) for owner in owners]
    return [generator for generator in generators if generator is not None]


def slot_of(
    optimizer: tf.keras.optimizers.Optimizer, slots: Sequence[tf.Variable], variable: tf.Variable
) -> tf.Variable:
    """Returns the one of an optimizer's slots, such as its `momentums`, that belongs to a variable.

    Inside of `update_step` the variable may be the copy of one replica, which Keras alone leads back to the
    variable that the slot was made for.
    """
    return slots[optimizer._index_dict[optimizer._var_key(variable)]]


class LegacyStep:
    """Mixin, before an optimizer of Keras' older kind: `build`, as the newer kind has it, and `around_step`.

    The older kind makes its slots in the first step and has no public method for it. What it does with one
    variable is the method that Keras documents for subclasses, whose name begins with an underscore.
    """

    def build(self, var_list: Sequence[tf.Variable]) -> None:
        """Makes the slots."""
        self._create_all_weights(var_list)

    def around_step(self, variable: tf.Variable, step: Callable[[], tf.Operation]) -> tf.Operation:
        """Takes the step of a variable; to be replaced."""
        return step()

    def _resource_apply_dense(self, grad: tf.Tensor, var: tf.Variable, apply_state: Any = None):
        apply = super()._resource_apply_dense
        return self.around_step(var, lambda: apply(grad, var, apply_state))


def function_graph(op: tf.Operation, name: str) -> tf.Graph | None:
    """Returns the graph of a function that an operation calls, None where its graph knows no such function.

    The public text of a graph has its functions without the shapes of their tensors.
    """
    function = op.graph._get_function(name)
    return None if function is None else function.graph


def record_reader(path: str) -> Any:
    """Returns a reader of a TFRecord file that is not compressed, from whatever byte a record begins at.

    `read(offset)` returns its bytes and the offset of the next one. The public datasets begin at the first
    record and end at a damaged one; the raw operation with offsets cannot be iterated over.

    Raises:
      tf.errors.OpError: it cannot be opened; in `read`, DataLossError where bytes are damaged.
      IndexError: in `read`, at the end.
    """
    from tensorflow.python.lib.io import tf_record

    return tf_record.tf_record_random_reader(path)


def tfio_core_operations() -> Any:
    """Returns the operations of tensorflow-io: of `io_file_read`, a part of a file, it exports none."""
    from tensorflow_io.python.ops import core_ops

    return core_ops


def load_tfio_ffmpeg() -> None:
    """Loads tensorflow-io's decoders of FFmpeg, which it does in the first call otherwise, in a graph.

    Raises:
      ImportError, NotImplementedError: there is no FFmpeg that it can use.
    """
    from tensorflow_io.python.ops import ffmpeg_ops  # noqa: F401

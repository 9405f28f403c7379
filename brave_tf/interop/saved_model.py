"""Backbones out: a folder with a SavedModel, Keras models, their weights and the recipe's configuration.

The SavedModel needs nothing but TensorFlow; `signatures` lists what it answers.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from typing import Callable

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from brave_tf import modality_registry as modalities
from brave_tf.data.views.base import View
from brave_tf.errors import ArgumentError, UserError
from brave_tf.interop.graph_check import check_saved_model
from brave_tf.interop.signatures import Signatures, view_signatures
from brave_tf.objectives.base import ONLINE
from brave_tf.storage.locks import locked
from brave_tf.training import checkpoints, recipe

SAVED_MODEL = "saved_model"
WEIGHTS = "weights"
KERAS = "keras"
CONFIG = recipe.CONFIG_FILE
_UNKNOWN_STEP = -1

Embed = Callable[[tf.Tensor], tf.Tensor]


def check_output(output: str, overwrite: bool) -> None:
    """Makes sure, before any long work, that a model may be exported to `output`.

    Raises:
      UserError: when `output` is a file, or a folder that holds something and `overwrite` is False.
    """
    path = pathlib.Path(output)
    if path.exists() and not path.is_dir():
        raise ArgumentError(
            "output", output, "this is a file. Name a folder for the exported model."
        )
    if path.exists() and any(path.iterdir()) and not overwrite:
        raise ArgumentError(
            "overwrite",
            overwrite,
            f"{output} is not empty. Name another folder, or overwrite {SAVED_MODEL}, {KERAS}, {WEIGHTS} and "
            f"{CONFIG} in it.",
        )


def export_run(
    model_dir: str,
    output: str,
    end_points: Sequence[str] = (),
    overwrite: bool = False,
    checkpoint: str = checkpoints.LAST,
    network: str = ONLINE,
) -> dict[str, tf.TensorSpec]:
    """Exports the backbones of a run at one of its checkpoints, `last`, `best` or a step; see `export`.

    Args:
      model_dir: folder of the run.
      output: as for `export`, with `end_points` and `overwrite`.
      end_points: see `output`.
      overwrite: see `output`.
      checkpoint: which one.
      network: `online`, or another that the objective has, such as `target`.

    Raises:
      UserError: when `model_dir` holds no run with a checkpoint, its objective no such network, or `output`
        may not be written to.
    """
    check_output(output, overwrite)
    run = recipe.load_run(model_dir, checkpoint=checkpoint)
    return export(
        run.network(network),
        run.recipe.views,
        output,
        config=(pathlib.Path(model_dir) / CONFIG).read_text("utf-8", "surrogateescape"),
        step=run.step,
        end_points=end_points,
        overwrite=overwrite,
    )


def export(
    backbones: Mapping[str, tf.keras.Model],
    views: Mapping[str, View],
    output: str,
    *,
    config: str,
    step: int | None = None,
    end_points: Sequence[str] = (),
    overwrite: bool = False,
) -> dict[str, tf.TensorSpec]:
    """Writes `output/saved_model`, `output/keras/<view>.keras`, `output/weights/<view>.weights.h5` and
    `output/config.gin`.

    The SavedModel needs TensorFlow alone. `tf.keras.models.load_model` reads the Keras models where this
    package is installed; models of which they became a part, after `import brave_tf`.

    Everything is written to a folder beside `output` first, so that an interrupted export leaves
    `output` as it was.

    Args:
      backbones: view name -> float32 model, made outside of any distribution strategy.
      views: view name -> view, for every view in `backbones`.
      output: folder, made when there is none.
      config: text of the gin configuration from which backbones and views were built.
      step: training step of the weights, kept in the SavedModel; None when it is not known.
      end_points: names of the intermediate results that all signatures answer besides `embedding`.
      overwrite: replace what an earlier export left in `output`; other files there are kept.

    Returns:
      The input of each signature, by signature name.

    Raises:
      UserError: when `output` may not be written to, see `check_output`, or a backbone does not have
        one of the end points.
    """
    check_output(output, overwrite)
    signatures = {}
    for name, backbone in backbones.items():
        signatures.update(view_signatures(name, views[name], backbone, end_points))
    target = pathlib.Path(os.path.abspath(output))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
            aside = pathlib.Path(scratch) / target.name
            _write(aside, backbones, signatures, config, step)
            # Another export may have ended there in the meantime.
            with locked(str(target.with_name(f".{target.name}.lock"))):
                check_output(output, overwrite)
                _move(aside, target)
    except OSError as error:
        raise ArgumentError(
            "output",
            output,
            f"could not be written: {error}. Name a folder on a disk with space and permission.",
        ) from error
    return {name: function.input_signature[0] for name, function in signatures.items()}


class Embedder:
    """An exported model, read back through its signatures.

    Args:
      output: folder that `export` wrote.

    Raises:
      UserError: when there is no SavedModel in it, or one that cannot be read or does more than compute,
        see `check_saved_model`.
    """

    def __init__(self, output: str):
        path = pathlib.Path(output) / SAVED_MODEL
        check_saved_model(path)
        try:
            self._model = tf.saved_model.load(str(path))
            if not hasattr(self._model, "signatures"):
                raise ValueError("it has no signatures")
        except Exception as error:  # What TensorFlow makes of a damaged graph is of many kinds.
            raise UserError(
                f"{path} cannot be read as a SavedModel: {error}. Give a folder that brave_tf_export wrote."
            ) from error

    @property
    def step(self) -> int | None:
        """Training step of the weights; None when it is not known."""
        step = int(getattr(self._model, "step", _UNKNOWN_STEP))
        return None if step == _UNKNOWN_STEP else step

    def embed(self, view_name: str, view: View) -> Embed:
        """Returns the function from batches of a view, (B, *window), to (B, D) float32 features.

        Raises:
          UserError: when the model has no such view.
        """
        signature = self._signature(modalities.find(view.modality).window_signature(view_name))
        (argument,) = signature.structured_input_signature[1]
        return lambda batch: signature(**{argument: batch})["embedding"]

    def weights(self, view_name: str) -> list[np.ndarray]:
        """Returns the values of the weights of a view's backbone.

        Raises:
          UserError: when the model has no such view.
        """
        self._signature(view_name)
        # In the order of the backbone that was exported; a signature may have another.
        return [variable.numpy() for variable in self._model.backbones[view_name]]

    def _signature(self, name: str) -> tf.types.experimental.ConcreteFunction:
        if name not in self._model.signatures:
            raise UserError(
                f"the SavedModel has no signature {name!r}, only "
                f"{', '.join(sorted(self._model.signatures))}: its {CONFIG} is that of another model."
            )
        return self._model.signatures[name]


def stored_weights(output: str, view_name: str) -> list[np.ndarray]:
    """Returns what `Embedder.weights` does, without building the model; nothing where it cannot be found."""
    try:
        reader = tf.train.load_checkpoint(
            str(pathlib.Path(output) / SAVED_MODEL / "variables/variables")
        )
    except (ValueError, tf.errors.OpError):
        return []
    names = (f"backbones/{view_name}/{n}/.ATTRIBUTES/VARIABLE_VALUE" for n in itertools.count())
    return [reader.get_tensor(name) for name in itertools.takewhile(reader.has_tensor, names)]


class _Weights(tf.Module):
    """Carries the variables that the signatures read. The Keras models themselves stay outside, so
    that the SavedModel holds no class that a reader would have to import."""

    def __init__(self, backbones: Mapping[str, tf.keras.Model], step: int | None):
        super().__init__()
        self.backbones = {name: list(model.variables) for name, model in backbones.items()}
        self.step = tf.Variable(_UNKNOWN_STEP if step is None else step, False, dtype=tf.int64)


def _write(
    folder: pathlib.Path,
    backbones: Mapping[str, tf.keras.Model],
    signatures: Signatures,
    config: str,
    step: int | None,
) -> None:
    (folder / WEIGHTS).mkdir(parents=True)
    (folder / KERAS).mkdir()
    for name, backbone in backbones.items():
        backbone.save(folder / KERAS / f"{name}.keras")
        backbone.save_weights(str(folder / WEIGHTS / f"{name}.weights.h5"))
    (folder / CONFIG).write_text(config, "utf-8", "surrogateescape")
    tf.saved_model.save(
        _Weights(backbones, step),
        str(folder / SAVED_MODEL),
        signatures=signatures,
        options=tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
    _drop_custom_gradients(folder / SAVED_MODEL / "saved_model.pb")


def _drop_custom_gradients(path: pathlib.Path) -> None:
    """Leaves gradients to automatic differentiation: the names of custom ones mean nothing to a reader,
    who would be warned of each."""
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in model.meta_graphs:
        functions = meta_graph.graph_def.library.function
        nodes = [node for function in functions for node in function.node_def]
        for node in [*meta_graph.graph_def.node, *nodes]:
            node.attr.pop("_gradient_op_type", None)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _move(aside: pathlib.Path, target: pathlib.Path) -> None:
    if not target.exists():
        os.replace(aside, target)
        return
    old = aside.with_name("old")
    old.mkdir()
    for entry in (SAVED_MODEL, KERAS, WEIGHTS, CONFIG):
        if (target / entry).exists():
            os.replace(target / entry, old / entry)
        os.replace(aside / entry, target / entry)
    shutil.rmtree(old)

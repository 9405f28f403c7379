"""SavedModels from elsewhere: what their graphs would do is looked at before any of it runs."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator, Mapping

from google.protobuf.message import DecodeError
from tensorflow.core.framework import function_pb2, node_def_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from brave_tf.errors import UserError
from brave_tf.interop.safe_operations import SAFE_OPERATIONS
from brave_tf.storage import files

FILE_NAME = "saved_model.pb"
# Weights are files of their own, so that a graph is small.
_MOST_BYTES = 2**30
# What saving and restoring consist of besides, in the functions of `saver_def`: loading does not run them.
_SAVER_OPERATIONS = {"MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"}
# Constants of these types hold more than numbers and texts.
_OPAQUE = (types_pb2.DT_RESOURCE, types_pb2.DT_VARIANT)
_OBJECTS = {
    "user_object",
    "variable",
    "function",
    "bare_concrete_function",
    "constant",
    "captured_tensor",
}

_Functions = Mapping[str, function_pb2.FunctionDef]


def check_links(folder: str | os.PathLike[str]) -> None:
    """Makes sure that what is in the folder of a model is in it, and has an end.

    Raises:
      UserError: a link in it leads out of it, or something is a pipe, a socket or a device.
    """
    top = os.path.realpath(folder)
    for path, folders, names in os.walk(top):
        for each in (os.path.join(path, name) for name in [*folders, *names]):
            files.check_ends(each)
            if os.path.islink(each) and not os.path.realpath(each).startswith(top + os.sep):
                raise UserError(
                    f"{each} is a link that leads out of the model's folder {folder}: it is neither read nor "
                    "written. Put a copy of what you trust in its place."
                )


def check_saved_model(folder: str | os.PathLike[str]) -> None:
    """Makes sure that a SavedModel does nothing but compute, see `SAFE_OPERATIONS`.

    Args:
      folder: of the SavedModel.

    Raises:
      UserError: it reads or writes files, talks to others, runs Python, or may do so; or it cannot be read.
    """
    path = pathlib.Path(folder) / FILE_NAME
    model = _read(path)
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise _refused(
            path, "is not of the kind that brave_tf_export writes, with one graph and its objects"
        )
    graph = model.meta_graphs[0]
    for each in graph.object_graph_def.nodes:
        kind = each.WhichOneof("kind")
        if kind not in _OBJECTS:
            raise _refused(
                path, f"holds an object of the kind {kind}, which loading would open or start"
            )
    functions = {each.signature.name: each for each in graph.graph_def.library.function}
    saving = _saver_functions(graph, functions)
    savers = {graph.saver_def.restore_op_name, graph.saver_def.save_tensor_name.partition(":")[0]}
    for name in graph.object_graph_def.concrete_functions:
        if name in saving:
            raise _refused(path, f"offers the function {name}, which reads and writes checkpoints")
    for node in graph.graph_def.node:
        _check_node(node, functions, path, set() if node.name in savers else saving)
    for name, function in functions.items():
        for node in function.node_def:
            if name in saving and node.op in _SAVER_OPERATIONS:
                continue
            _check_node(node, functions, path, set() if name in saving else saving)


def _read(path: pathlib.Path) -> saved_model_pb2.SavedModel:
    try:
        if not path.is_file():
            raise OSError("there is no such file")
        if path.stat().st_size > _MOST_BYTES:
            raise OSError(f"it has more than {_MOST_BYTES:,} bytes")
        return saved_model_pb2.SavedModel.FromString(path.read_bytes())
    except (OSError, DecodeError) as error:
        raise UserError(
            f"{path} cannot be read as a SavedModel: {error}. Give a folder that brave_tf_export wrote."
        ) from error


def _saver_functions(graph: meta_graph_pb2.MetaGraphDef, functions: _Functions) -> set[str]:
    """Returns the functions by which the graph saves and restores, and those that they call."""
    savers = {graph.saver_def.restore_op_name, graph.saver_def.save_tensor_name.partition(":")[0]}
    nodes = [node for node in graph.graph_def.node if node.name in savers]
    waiting = [name for node in nodes for name in _called(node, functions)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [
                each for node in functions[name].node_def for each in _called(node, functions)
            ]
    return found


def _called(node: node_def_pb2.NodeDef, functions: _Functions) -> Iterator[str]:
    if node.op in functions:
        yield node.op
    for value in node.attr.values():
        for function in (value.func, *value.list.func):
            if function.name in functions:
                yield function.name


def _check_node(
    node: node_def_pb2.NodeDef, functions: _Functions, path: pathlib.Path, forbidden: set[str]
) -> None:
    """Refuses an operation that is not known to be safe, or one that calls a function it may not call."""
    if node.op not in SAFE_OPERATIONS and node.op not in functions:
        raise _refused(
            path,
            f"has the operation {node.op} ({node.name}), which is none of those that do nothing but compute",
        )
    called = forbidden.intersection(_called(node, functions))
    if called:
        raise _refused(
            path, f"calls {min(called)}, which reads and writes checkpoints, in {node.name}"
        )
    if node.op == "Const" and node.attr["value"].tensor.dtype in _OPAQUE:
        raise _refused(path, f"has the constant {node.name}, of a type that may hold anything")


def _refused(path: pathlib.Path, why: str) -> UserError:
    return UserError(
        f"{path} is refused, nothing of it was run: it {why}. A model that maps clips to features needs no "
        "such thing; build it anew from a run that you trust, with brave_tf_export."
    )

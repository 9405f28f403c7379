"""SavedModels that would do more than compute are refused before anything of them runs."""

import os
import pathlib

import pytest
import tensorflow as tf
import waiting_pipes
from tensorflow.core.protobuf import saved_model_pb2

from brave_tf.errors import UserError
from brave_tf.interop import graph_check, saved_model

SPEC = [tf.TensorSpec((None, 2), tf.float32, "video")]


def write(folder, function, module=None):
    """Saves a model with one signature beside its configuration; returns the folder."""
    module = module or tf.Module()
    module.backbones = {"narrow": [tf.Variable([1.0, 2.0])]}
    module.function = tf.function(function, SPEC)
    tf.saved_model.save(
        module, str(folder / saved_model.SAVED_MODEL), signatures={"narrow": module.function}
    )
    return folder


def attacks(marker):
    """Name of an operation -> what a signature would do by it."""

    def python(x):
        pathlib.Path(marker).touch()
        return x

    return {
        "WriteFile": lambda x: tf.io.write_file(marker, "x"),
        "ReadFile": lambda x: tf.io.read_file(marker),
        "MatchingFiles": lambda x: tf.io.matching_files(marker),
        "EagerPyFunc": lambda x: tf.py_function(python, [x], tf.float32),
        "PyFunc": lambda x: tf.numpy_function(python, [x], tf.float32),
        "PrintV2": lambda x: tf.print("x", output_stream=f"file://{marker}"),
        "ImmutableConst": lambda x: tf.raw_ops.ImmutableConst(
            dtype=tf.float32, shape=[1], memory_region_name=marker
        ),
        "SaveV2": lambda x: tf.raw_ops.SaveV2(
            prefix=marker, tensor_names=["x"], shape_and_slices=[""], tensors=[x]
        ),
        "RestoreV2": lambda x: tf.raw_ops.RestoreV2(
            prefix=marker, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32]
        ),
        "TextLineDataset": lambda x: tf.data.TextLineDataset(marker).reduce(
            0, lambda count, _: count + 1
        ),
        "DataServiceDataset": lambda x: tf.raw_ops.DataServiceDatasetV4(
            dataset_id="1", processing_mode="", address="stranger:1", protocol="grpc", job_name="",
            consumer_index=0, num_consumers=1, max_outstanding_requests=1,
            iteration_counter=tf.raw_ops.DummyIterationCounter(), output_types=[tf.float32],
            output_shapes=[None], uncompress_fn=tf.function(lambda v: v).get_concrete_function(
                tf.TensorSpec((), tf.variant)
            ),
        ),
        "WriteScalarSummary": lambda x: tf.raw_ops.WriteScalarSummary(
            writer=tf.raw_ops.SummaryWriter(), step=0, tag="x", value=1.0
        ),
        "DebugIdentityV2": lambda x: tf.raw_ops.DebugIdentityV2(
            input=x, debug_urls=[f"file://{marker}"], tfdbg_run_id="", tfdbg_context_id="",
        ),
        "CollectiveReduce": lambda x: tf.raw_ops.CollectiveReduce(
            input=x, group_size=2, group_key=1, instance_key=1, merge_op="Add", final_op="Id",
            subdiv_offsets=[0],
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", attacks(""))
def test_an_operation_on_files_network_or_python_is_refused_before_it_runs(tmp_path, name):
    marker = tmp_path / "marker"
    attack = attacks(str(marker))[name]

    def function(x):
        done = [each for each in tf.nest.flatten(attack(x)) if each is not None]
        with tf.control_dependencies(done):
            x = tf.identity(x)
        return {"embedding": x}

    write(tmp_path, function)
    with pytest.raises(UserError, match="is refused, nothing of it was run"):
        saved_model.Embedder(str(tmp_path))
    assert not marker.exists()


def test_it_is_found_in_functions_of_functions_and_branches(tmp_path):
    marker = str(tmp_path / "marker")

    @tf.function
    def inner(x):
        with tf.control_dependencies([tf.io.write_file(marker, "x")]):
            return tf.identity(x)

    def function(x):
        branch = tf.cond(tf.reduce_sum(x) > 0, lambda: inner(x), lambda: x)
        return {"embedding": tf.while_loop(lambda i: tf.reduce_sum(i) < 0, inner, [branch])[0]}

    write(tmp_path, function)
    with pytest.raises(UserError, match="WriteFile"):
        saved_model.Embedder(str(tmp_path))


def test_files_that_loading_would_open_are_refused(tmp_path):
    (tmp_path / "words").write_text("a\nb\n")
    module = tf.Module()
    words = tf.lookup.TextFileInitializer(
        str(tmp_path / "words"), tf.string, 0, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    module.table = tf.lookup.StaticHashTable(words, -1)
    write(tmp_path, lambda x: {"embedding": x}, module)
    with pytest.raises(UserError, match="an object of the kind (resource|asset)"):
        saved_model.Embedder(str(tmp_path))


def edited(folder, change):
    """Changes the protocol buffer of a harmless model."""
    write(folder, lambda x: {"embedding": x * 2.0})
    path = folder / saved_model.SAVED_MODEL / graph_check.FILE_NAME
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(model.meta_graphs[0], model)
    path.write_bytes(model.SerializeToString())
    return folder


def _call_saver(graph, model):
    saver = next(n for n in graph.graph_def.node if n.name == graph.saver_def.restore_op_name)
    graph.graph_def.node.add().CopyFrom(saver)
    graph.graph_def.node[-1].name = "another"


def _call_saver_from_a_function(graph, model):
    saver = next(n for n in graph.graph_def.node if n.name == graph.saver_def.restore_op_name)
    name = saver.attr["f"].func.name
    other = next(f for f in graph.graph_def.library.function if f.signature.name != name and "save" not in
                 f.signature.name and "restore" not in f.signature.name)  # fmt: skip
    node = other.node_def.add(name="call", op="PartitionedCall")
    node.attr["f"].func.name = name


def _offer_saver(graph, model):
    saver = next(n for n in graph.graph_def.node if n.name == graph.saver_def.restore_op_name)
    graph.object_graph_def.concrete_functions[saver.attr["f"].func.name].SetInParent()


def _opaque_constant(graph, model):
    node = graph.graph_def.node.add(name="opaque", op="Const")
    node.attr["dtype"].type = 21
    node.attr["value"].tensor.dtype = 21
    node.attr["value"].tensor.variant_val.add().type_name = "tensorflow::WrappedDatasetVariant"


CHANGES = {
    "calls": _call_saver,
    "calls ": _call_saver_from_a_function,
    "offers the function": _offer_saver,
    "the constant opaque": _opaque_constant,
    "the operation StrangersOp": lambda graph, model: graph.graph_def.node.add(
        name="x", op="StrangersOp"
    ),
    "one graph and its objects": lambda graph, model: graph.ClearField("object_graph_def"),
    "with one graph": lambda graph, model: model.meta_graphs.add(),
}


@pytest.mark.parametrize("why", CHANGES)
def test_what_no_export_looks_like_is_refused(tmp_path, why):
    edited(tmp_path, CHANGES[why])
    with pytest.raises(UserError, match=f"is refused, nothing of it was run.*{why}"):
        saved_model.Embedder(str(tmp_path))


def test_a_graph_that_computes_is_loaded(tmp_path):
    def function(x):
        tf.debugging.assert_all_finite(x, "x")
        sound = tf.abs(tf.signal.stft(tf.reshape(x, [-1]), 4, 2))
        x = tf.cond(tf.reduce_sum(sound) > 0, lambda: x, lambda: -x)
        return {"embedding": tf.map_fn(lambda row: row * 2 + tf.random.normal([2]) * 0, x)}

    write(tmp_path, function)
    embedder = saved_model.Embedder(str(tmp_path))
    answer = embedder._model.signatures["narrow"](video=tf.ones((3, 2)))["embedding"]
    assert answer.numpy().tolist() == [[2.0, 2.0]] * 3


def test_what_is_no_saved_model_is_a_message(tmp_path):
    folder = tmp_path / saved_model.SAVED_MODEL
    folder.mkdir()
    with pytest.raises(UserError, match="cannot be read as a SavedModel"):
        saved_model.Embedder(str(tmp_path))
    # TensorFlow would take a text in its place.
    (folder / "saved_model.pbtxt").write_text("saved_model_schema_version: 1")
    with pytest.raises(UserError, match="cannot be read as a SavedModel"):
        saved_model.Embedder(str(tmp_path))
    (folder / graph_check.FILE_NAME).write_bytes(b"\xff" * 99)
    with pytest.raises(UserError, match="cannot be read as a SavedModel"):
        saved_model.Embedder(str(tmp_path))


@pytest.mark.parametrize("name", ["features", "saved_model/variables", "results.json"])
def test_links_out_of_a_models_folder_are_refused(tmp_path, name):
    (tmp_path / "model" / "saved_model").mkdir(parents=True)
    (tmp_path / "model" / "inside").symlink_to("saved_model")
    graph_check.check_links(tmp_path / "model")
    (tmp_path / "model" / name).symlink_to("/" if "." not in name else "../../secret")
    with pytest.raises(UserError, match=f"{name} is a link that leads out"):
        graph_check.check_links(tmp_path / "model")


@pytest.mark.parametrize("name", ["variables.data-00000-of-00001", "variables.index"])
def test_weights_that_are_a_pipe_are_not_waited_for(tmp_path, name):
    folder = write(tmp_path, lambda x: x * 2.0)
    graph_check.check_links(folder)
    path = folder / saved_model.SAVED_MODEL / "variables" / name
    with waiting_pipes.unwritten(path), pytest.raises(UserError, match=f"{name} is a pipe"):
        graph_check.check_links(folder)


def test_a_pipe_in_a_models_folder_is_not_waited_for(tmp_path):
    (tmp_path / "model" / "variables").mkdir(parents=True)
    graph_check.check_links(tmp_path / "model")
    os.mkfifo(tmp_path / "model" / "variables" / "variables.index")
    with pytest.raises(UserError, match=r"variables\.index is a pipe"):
        graph_check.check_links(tmp_path / "model")


def test_a_graph_whose_objects_are_not_there_is_a_message(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "saved_model"))
    assert _without_signatures(tmp_path)
    with pytest.raises(UserError, match="cannot be read as a SavedModel: it has no signatures"):
        saved_model.Embedder(str(tmp_path))
    path = tmp_path / "saved_model" / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    model.meta_graphs[0].object_graph_def.nodes[0].children.add(node_id=10**6, local_name="a")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="cannot be read as a SavedModel"):
        saved_model.Embedder(str(tmp_path))


def _without_signatures(folder):
    """Takes the signatures out of a SavedModel; returns whether it had some."""
    path = folder / "saved_model" / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    children = model.meta_graphs[0].object_graph_def.nodes[0].children
    found = [child for child in children if child.local_name == "signatures"]
    for child in found:
        children.remove(child)
    path.write_bytes(model.SerializeToString())
    return bool(found)

"""What is assumed of the private parts of libraries; it fails where a newer one is made in another way."""

import importlib.util

import gin
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_addons as tfa
from replicas import two_replicas

from brave_tf import compat

Layer = tf.keras.layers.Layer


@gin.configurable
def compat_sample(first=1, second=2):
    return first, second


WHOLE = f"{__name__}.compat_sample"


def test_all_that_is_bound_is_listed_whether_it_has_a_text_or_not():
    thing = object()
    gin.parse_config("compat_sample.first = %THREE\na/b/compat_sample.second = [1]\nTHREE = 3")
    gin.bind_parameter("compat_sample.second", thing)
    found = compat.gin_bindings()
    assert set(found) == {("", WHOLE), ("a/b", WHOLE), ("THREE", "gin.macro")}
    assert found["", WHOLE]["second"] is thing
    assert repr(found["", WHOLE]["first"]) == "%THREE"
    assert found["a/b", WHOLE] == {"second": [1]}
    assert found["THREE", "gin.macro"] == {"value": 3}


def test_the_list_of_bindings_is_a_copy():
    gin.bind_parameter("compat_sample.first", 5)
    found = compat.gin_bindings()
    found["", WHOLE]["first"] = 6
    found.clear()
    assert gin.query_parameter("compat_sample.first") == 5


def test_registered_names_are_listed_whole():
    assert {WHOLE, "gin.macro", "gin.singleton"} <= set(compat.gin_configurables())


def nested(name="outer"):
    x = tf.keras.Input((2,))
    inner = tf.keras.Sequential([tf.keras.layers.Dense(3, name="first")], name="inner")
    return tf.keras.Model(x, tf.keras.layers.Dense(1, name="last")(inner(x)), name=name)


def noted(calls):
    def around(layer, args, kwargs, call):
        calls.append((layer.name, args, kwargs))
        return call()

    return around


def test_every_call_of_every_layer_is_seen_with_what_it_was_given():
    model, value = nested(), np.ones((4, 2), np.float32)
    expected, calls = model(value), []
    before = Layer.__call__
    with compat.around_calls(noted(calls)):
        found = model(value, training=False)
    np.testing.assert_array_equal(found, expected)
    names = [name for name, _, _ in calls if name != "input_1"]
    assert names == ["outer", "inner", "first", "last"]
    assert calls[0][1][0] is value and calls[0][2] == {"training": False}
    assert Layer.__call__ is before


def test_what_a_call_gives_can_be_replaced_and_an_error_leaves_nothing_behind():
    model, before = nested(), Layer.__call__
    with compat.around_calls(lambda layer, args, kwargs, call: 2 * call()):
        found = tf.keras.layers.Dense(1, kernel_initializer="ones")(tf.ones((1, 3)))
    assert found.numpy() == 6
    with pytest.raises(ZeroDivisionError), compat.around_calls(lambda *_: 1 / 0):
        model(tf.ones((1, 2)))
    assert Layer.__call__ is before


def test_own_calls_are_those_of_some_layers_after_the_casts():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model, calls = nested(), []
    last = model.get_layer("last")
    whole = []
    with compat.around_own_calls([last], noted(calls)), compat.around_calls(noted(whole)):
        model(tf.ones((4, 2)))
        last(tf.ones((4, 3), tf.float32))
    assert [name for name, _, _ in calls] == ["last", "last"]
    assert calls[1][1][0].dtype == tf.bfloat16
    assert whole[-1][1][0].dtype == tf.float32
    assert "call" not in vars(last)
    model(tf.ones((4, 2)))
    assert len(calls) == 2


def test_the_generators_of_dropout_decide_what_it_drops():
    was = tf.keras.backend.experimental.is_tf_random_generator_enabled()
    tf.keras.backend.experimental.enable_tf_random_generator()
    try:
        model = tf.keras.Sequential([tf.keras.layers.Dropout(0.5), tf.keras.layers.Dense(1)])
        model(tf.ones((1, 8)))
    finally:
        if not was:
            tf.keras.backend.experimental.disable_tf_random_generator()
    (generator,) = compat.layer_generators(model)
    assert isinstance(generator, tf.random.Generator)
    dropout, value = model.layers[0], tf.ones((1, 1000))
    state = generator.state.numpy()
    first = dropout(value, training=True).numpy()
    assert (dropout(value, training=True).numpy() != first).any()
    generator.state.assign(state)
    np.testing.assert_array_equal(dropout(value, training=True), first)


class Noting(tf.keras.optimizers.SGD):
    """SGD with momentum that adds 1 to the slot of each variable before its step."""

    def update_step(self, gradient, variable):
        compat.slot_of(self, self.momentums, variable).assign_add(tf.ones_like(variable))
        super().update_step(gradient, variable)


@pytest.mark.parametrize("strategy", [tf.distribute.get_strategy, two_replicas])
def test_the_slot_is_that_of_the_variable_on_each_replica(strategy):
    used = strategy()
    with used.scope():
        variables = [tf.Variable([0.0, 0.0], name="same"), tf.Variable([0.0], name="same")]
        optimizer = Noting(1.0, momentum=0.5, jit_compile=False)
        optimizer.build(variables)

    def step():
        optimizer.apply_gradients(zip([tf.zeros(2), tf.zeros(1)], variables))

    for _ in range(2):
        tf.function(lambda: used.run(step))()
    # The slot: (0 + 1) / 2, then (1/2 + 1) / 2; each is what the variable changes by.
    for variable in variables:
        np.testing.assert_allclose(variable.numpy(), 0.5 + 0.75)


class Halved(compat.LegacyStep, tfa.optimizers.LAMB):
    """Takes no step of what is called `still`."""

    def around_step(self, variable, step):
        return tf.no_op() if "still" in variable.name else step()


def test_an_optimizer_of_the_older_kind_is_built_and_its_steps_are_seen():
    variables = [tf.Variable([1.0, 2.0], name="still"), tf.Variable([1.0, 2.0], name="moving")]
    optimizer, plain = Halved(0.1), tfa.optimizers.LAMB(0.1)
    optimizer.build(variables)
    names = [variable.name for variable in optimizer.variables()]
    assert len(names) == 5 and sum("still" in name for name in names) == 2  # iterations, 2 m, 2 v
    gradients = [tf.constant([0.5, -1.0])] * 2
    optimizer.apply_gradients(zip(gradients, variables))
    other = tf.Variable([1.0, 2.0])
    plain.apply_gradients([(gradients[0], other)])
    np.testing.assert_array_equal(variables[0], [1.0, 2.0])
    np.testing.assert_array_equal(variables[1], other)
    assert len(optimizer.variables()) == 5


def test_the_graph_of_a_called_function_has_the_shapes():
    inner = tf.function(lambda x: tf.matmul(x, tf.ones((3, 5))))
    graph = tf.function(lambda x: inner(x) + 1).get_concrete_function(tf.TensorSpec((2, 3))).graph
    (op,) = [op for op in graph.get_operations() if "f" in op.node_def.attr]
    found = compat.function_graph(op, op.node_def.attr["f"].func.name)
    (product,) = [each for each in found.get_operations() if each.type == "MatMul"]
    assert product.outputs[0].shape == (2, 5)
    assert [tensor.shape for tensor in found.inputs] == [(2, 3)]
    assert found.outputs[0].shape == (2, 5)
    assert compat.function_graph(op, "no such function") is None


def test_records_are_read_from_any_offset_and_damage_is_told_apart(tmp_path):
    path, contents = str(tmp_path / "a.tfrecord"), [b"abc", b"", b"defgh"]
    with tf.io.TFRecordWriter(path) as writer:
        for content in contents:
            writer.write(content)
    # 12 bytes before each and 4 after it.
    offsets = [0, 19, 35, 56]
    reader = compat.record_reader(path)
    for number in (2, 0, 1):
        assert reader.read(offsets[number]) == (contents[number], offsets[number + 1])
    with pytest.raises(IndexError):
        reader.read(56)
    whole = (tmp_path / "a.tfrecord").read_bytes()
    (tmp_path / "a.tfrecord").write_bytes(whole[:47] + b"x" + whole[48:])
    with pytest.raises(tf.errors.DataLossError, match="corrupted record at 47"):
        compat.record_reader(path).read(35)
    with pytest.raises(tf.errors.NotFoundError):
        compat.record_reader(str(tmp_path / "none"))


def test_a_part_of_a_file_is_read_in_a_graph(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    read = tf.function(
        lambda offset: compat.tfio_core_operations().io_file_read(
            str(tmp_path / "a"), offset, 4, compression=""
        )
    )
    assert read(tf.constant(3, tf.int64)).numpy() == b"3456"


def test_the_decoders_of_ffmpeg_are_where_they_are_looked_for():
    assert importlib.util.find_spec("tensorflow_io.python.ops.ffmpeg_ops")

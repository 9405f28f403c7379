"""Reading files that come from elsewhere, and from people who mean harm."""

import collections
import os
import pickle
import subprocess

import numpy as np
import pytest
import waiting_pipes
from pickled_checkpoints import content, write

from brave_tf.errors import UserError
from brave_tf.interop.deepmind import haiku_file


class Calls:
    """Pickled as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Sets:
    """Pickled as an array whose state is `state`."""

    def __init__(self, state, shape=(0,)):
        self.state, self.shape = state, shape

    def __reduce__(self):
        return np.core.multiarray._reconstruct, (np.ndarray, self.shape, b"b"), self.state


def test_what_numpy_saves_is_read(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, content(), allow_pickle=True)
    checkpoint = haiku_file.read(str(path))
    np.testing.assert_array_equal(checkpoint.params["a/b"]["w"], [[0, 1, 2], [3, 4, 5]])
    assert checkpoint.params["a/b"]["w"].dtype == np.float32
    assert checkpoint.state["a/~/ema"]["counter"] == 7
    assert checkpoint.config == {"n": 2}


def test_what_we_write_is_read_by_numpy_and_by_us(tmp_path):
    path = tmp_path / "new" / "a.npy"
    arrays = {"m": {"x": np.float32([[1, 2]]), "n": np.zeros((), np.int32)}}
    haiku_file.write(str(path), haiku_file.Checkpoint(arrays, {}, {"k": 1}))
    plain = np.load(path, allow_pickle=True).item()
    np.testing.assert_array_equal(plain["params"]["m"]["x"], [[1, 2]])
    again = haiku_file.read(str(path))
    assert again.params["m"]["n"].shape == ()
    assert again.params["m"]["n"].dtype == np.int32
    assert [file.name for file in path.parent.iterdir()] == ["a.npy"]


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(4, dtype=">f4"),
        np.arange(4, dtype=np.float16),
        np.array([True, False]),
        np.zeros((0, 3), np.float32),
        np.array(3, np.int64),
        np.float64(2.5),
    ],
)
def test_all_arrays_of_numbers_are_read(tmp_path, array, protocol):
    value = content(params=collections.OrderedDict({"m": {"x": array}}))
    got = haiku_file.read(write(tmp_path / "a.npy", value, protocol)).params["m"]["x"]
    np.testing.assert_array_equal(got, array)
    assert got.shape == np.shape(array)
    assert got.dtype == np.asarray(array).dtype.newbyteorder("=")


def test_names_of_newer_numpy_are_known(tmp_path):
    path = tmp_path / "a.npy"
    write(path, content(), protocol=2)
    data = path.read_bytes().replace(b"cnumpy.core.", b"cnumpy._core.")
    path.write_bytes(data)
    # Protocol 2 writes bytes as a call of a codec, which is none of the names admitted.
    with pytest.raises(UserError, match="_codecs.encode"):
        haiku_file.read(str(path))
    write(path, content())
    path.write_bytes(path.read_bytes().replace(b"cnumpy.core.", b"cnumpy._core."))
    assert haiku_file.read(str(path)).state["a/~/ema"]["counter"] == 7


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, ("touch {marker}",), f"{os.system.__module__}.system"),
        (eval, ("open('{marker}', 'w')",), "builtins.eval"),
        (exec, ("open('{marker}', 'w')",), "builtins.exec"),
        (getattr, (np.ndarray, "dump"), "builtins.getattr"),
        (subprocess.Popen, (("touch", "{marker}"),), "subprocess.Popen"),
        (np.load, ("{marker}",), "numpy.load"),
        (np.fromfile, ("{marker}",), "numpy.fromfile"),
        (pickle.loads, (b"",), "_pickle.loads"),
        (collections.deque, (), "collections.deque"),
    ],
)
@pytest.mark.parametrize("place", ["outside", "params", "config", "array"])
def test_no_function_is_called(tmp_path, function, arguments, name, place):
    marker = tmp_path / "marker"
    arguments = [a.format(marker=marker) if isinstance(a, str) else a for a in arguments]
    call = Calls(function, *arguments)
    objects = np.empty(1, object)
    objects[0] = call
    value = {
        "outside": call,
        "params": content(params={"m": {"x": call}}),
        "config": content(config={"n": [({"deep": call},)]}),
        "array": content(params={"m": {"x": objects}}),
    }[place]
    path = write(tmp_path / "a.npy", value)
    with pytest.raises(UserError, match=f"asks for {name}, and .* can run code"):
        haiku_file.read(path)
    assert not marker.exists()


def float32():
    return np.dtype(np.float32)


def structured(flags):
    """A type of pointers that is said to be one of plain numbers, with a state set by hand."""

    class Lying:
        def __reduce__(self):
            fields = {"p": (np.dtype(object), 0)}
            return np.dtype, ("V8", False, True), (3, "|", None, ("p",), fields, 8, 1, flags)

    return Lying()


@pytest.mark.parametrize(
    "array",
    [
        Sets((1, (1 << 40,), float32(), False, b"1234")),
        Sets((1, (2, 3), float32(), False, b"1234")),
        Sets((1, (-1,), float32(), False, b"")),
        Sets((1, (True,), float32(), False, b"1234")),
        Sets((1, (1.0,), float32(), False, b"1234")),
        Sets((1, (1,), np.dtype(object), False, b"\x41" * 8)),
        Sets((1, (1,), structured(0), False, b"\x41" * 8)),
        Sets((1, (1,), "f4", False, b"1234")),
        Sets((1, (1,), float32(), False, "1234")),
        Sets((1, (1,), float32())),
        Sets("nonsense"),
        Sets((1, (0,) * 100, float32(), False, b"")),
        np.zeros(2, [("a", "f4")]),
        np.array(["text"]),
        np.array([1j]),
        np.array([None]),
        Calls(np.core.multiarray._reconstruct, np.dtype, (0,), b"b"),
        Calls(np.core.multiarray._reconstruct, np.ndarray, (1 << 50,), b"b"),
        Calls(np.core.multiarray.scalar, np.dtype(object), b"\x41" * 8),
        Calls(np.core.multiarray.scalar, np.dtype("f8"), b"1"),
        Calls(np.core.multiarray.scalar, 1, b"1"),
        Calls(np.ndarray, (1 << 50,)),
        Calls(np.dtype, ["f4", "O"]),
        np.ndarray,
        np.dtype("f4"),
        "text",
        [1.0],
        1.0,
        None,
    ],
)
def test_arrays_that_lie_are_refused(tmp_path, array):
    path = write(tmp_path / "a.npy", content(params={"m": {"x": array}}))
    with pytest.raises(UserError, match="a.npy"):
        haiku_file.read(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "checkpoint.npy"
    with waiting_pipes.unwritten(path), pytest.raises(UserError, match="checkpoint.npy is a pipe"):
        haiku_file.read(str(path))

"""Reading files that come from elsewhere, and from people who mean harm."""

import collections
import io
import os
import pickle
import struct
import subprocess
import zipfile

import numpy as np
import pytest

from brave_tf.errors import UserError
from brave_tf.interop import haiku_file

HEADER = np.lib.format.magic(1, 0) + struct.pack("<H", 118)
HEADER += b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"


def content(**changes):
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(3, np.float32)}
    state = {"average": np.ones((1, 3), np.float32), "counter": np.int32(7)}
    return {"params": {"a/b": arrays}, "state": {"a/~/ema": state}, "config": {"n": 2}, **changes}


def write(path, value, protocol=3):
    """Writes what is pickled in place of a checkpoint."""
    array = np.empty((), object)
    array[()] = value
    path.write_bytes(HEADER + pickle.dumps(array, protocol))
    return str(path)


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


def raw(tmp_path, pickled):
    path = tmp_path / "a.npy"
    path.write_bytes(HEADER + pickled)
    return str(path)


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


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b".",
        b"\x80\x03",
        b"\x80\xff.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 36) + b"x.",
        b"\x80\x03B" + struct.pack("<I", 0xFFFFFFF0) + b"x.",
        b"\x80\x03\x8a\xff" + b"\xff" * 10 + b".",
        b"(" * 100_000 + b"l" * 100_000 + b".",
        b"\x80\x03" + b"]" * 100_000 + b"a" * 99_999 + b".",
        b"\x80\x03}\x8c\x06paramsP1\ns.",
        b"Pname\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"(S'true'\nios\nsystem\n.",
        b"cnumpy\nndarray\n}S'objects'\nI1\nsb.",
        b"cnumpy.core.multiarray\n_reconstruct\n(N}S'__code__'\nNstb.",
        b"cnumpy\ndtype\n(S'f4'\nt\x81(NNNNNNNNtb.",
        pickle.dumps({"params": {}, "state": {}}, 3)[:-6],
    ],
    ids=range(19),
)
def test_broken_pickles_are_refused(tmp_path, pickled):
    with pytest.raises(UserError, match="a.npy"):
        haiku_file.read(raw(tmp_path, pickled))


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, content(), allow_pickle=True)
    data = path.read_bytes()
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(UserError, match="a.npy"):
            haiku_file.read(str(path))


def test_random_damage_ends_in_a_message(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, content(), allow_pickle=True)
    data = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = data.copy()
        damaged[rng.integers(6, len(data), 3)] = rng.integers(0, 256, 3)
        path.write_bytes(damaged.tobytes())
        try:
            haiku_file.read(str(path))
        except UserError:
            refused += 1
    assert refused > 250


def test_a_small_file_cannot_grow(tmp_path):
    """Lists of references to lists are small in a file and endless when walked."""
    nested = [0]
    for _ in range(60):
        nested = [nested] * 60
    path = write(tmp_path / "a.npy", content(params=nested))
    with pytest.raises(UserError, match="params is a list, expected a dict"):
        haiku_file.read(path)
    path = write(tmp_path / "a.npy", content(config={"n": nested}))
    assert len(haiku_file.read(path).config["n"]) == 60


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"weights": 1}, "expected a dict with params, state and config, found a dict.*weights"),
        ([1, 2], "found a list"),
        (content(params={"m": [1]}), "params m is a list, expected a dict"),
        (content(params={1: {}}), "params is a dict.*expected a dict with names as keys"),
        (content(config=[1]), "config is a list"),
        (content(params={"m": {"x": "text"}}), "params m/x is a str, expected a numpy array"),
    ],
)
def test_other_contents_are_named(tmp_path, value, message):
    with pytest.raises(UserError, match=message):
        haiku_file.read(write(tmp_path / "a.npy", value))


def test_other_files_are_named(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((2, 3), np.float32))
    with pytest.raises(UserError, match=r"holds an array of float32 of shape \(2, 3\)"):
        haiku_file.read(str(path))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("params.npy", b"\0" * 10_000_000)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="does not begin as a .npy file does"):
        haiku_file.read(str(path))
    with pytest.raises(UserError, match="nowhere.npy cannot be read: No such file"):
        haiku_file.read("nowhere.npy")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        haiku_file.read(str(tmp_path))


def test_containers_of_other_libraries_are_named(tmp_path):
    pickled = b"\x80\x03chaiku._src.data_structures\nFlatMapping\n}\x85R."
    with pytest.raises(UserError, match="FlatMapping.*save it again as a dict of dicts"):
        haiku_file.read(raw(tmp_path, pickled))

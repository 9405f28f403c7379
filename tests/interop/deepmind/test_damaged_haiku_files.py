"""Files that are damaged, or hold something else, end in a message."""

import io
import pickle
import struct
import zipfile

import numpy as np
import pytest
from pickled_checkpoints import content, raw, write

from brave_tf.errors import UserError
from brave_tf.interop.deepmind import haiku_file


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
    with pytest.raises(UserError, match="nowhere.npy: cannot be read: No such file"):
        haiku_file.read("nowhere.npy")
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        haiku_file.read(str(tmp_path))


def test_containers_of_other_libraries_are_named(tmp_path):
    pickled = b"\x80\x03chaiku._src.data_structures\nFlatMapping\n}\x85R."
    with pytest.raises(UserError, match="FlatMapping.*save it again as a dict of dicts"):
        haiku_file.read(raw(tmp_path, pickled))

import pathlib
import shutil

import pytest
import tensorflow as tf

from brave_tf.data.kernels import carried, compiling, library

# Of processors: Westmere, Haswell, Skylake-X, and one that has nothing.
WESTMERE = "fpu cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
HASWELL = f"{WESTMERE} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
SKYLAKE = f"{HASWELL} avx512f avx512dq avx512cd avx512bw avx512vl"


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def processor(monkeypatch):
    """Returns a function that sets what /proc/cpuinfo says."""
    read = pathlib.Path.read_text

    def set_to(flags):
        text = f"processor\t: 0\nflags\t\t: {flags}\nvmx flags\t: ept\n"
        monkeypatch.setattr(
            pathlib.Path,
            "read_text",
            lambda self, *args: text if str(self) == "/proc/cpuinfo" else read(self, *args),
        )
        monkeypatch.setattr("platform.system", lambda: "Linux")
        monkeypatch.setattr("platform.machine", lambda: "x86_64")

    return set_to


@pytest.fixture
def package(tmp_path, monkeypatch, processor):
    """Kernels with libraries of all levels, each of which is the flags that it was compiled with."""
    processor(SKYLAKE)
    kernels = shutil.copytree(compiling.SOURCES, tmp_path / "kernels")
    monkeypatch.setattr(compiling, "SOURCES", kernels)
    writing = 'all=$*; while [ "$1" != -o ]; do shift; done; echo "$all" > "$2"'
    carried.build(kernels, script(tmp_path / "compiler", writing))
    return kernels


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        (WESTMERE, "x86-64-v2"),
        (HASWELL, "x86-64-v3"),
        (HASWELL.replace("fma", ""), "x86-64-v2"),
        (SKYLAKE, "x86-64-v4"),
        (SKYLAKE.replace("avx512vl", ""), "x86-64-v3"),
    ],
)
def test_the_widest_that_the_processor_has_is_found(package, processor, flags, level):
    processor(flags)
    words = carried.find().read_text().split()
    assert f"-march={level}" in words and "-ffp-contract=off" in words


def test_an_old_processor_has_none(package, processor):
    processor("fpu sse sse2 pni")
    assert carried.find() is None


@pytest.mark.parametrize(("system", "machine"), [("Linux", "aarch64"), ("Darwin", "x86_64")])
def test_other_machines_have_none(package, monkeypatch, system, machine):
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    assert carried.find() is None


def test_a_checkout_has_none(package):
    shutil.rmtree(package / "prebuilt")
    assert carried.find() is None


def test_one_for_another_tensorflow_is_not_found(package, monkeypatch):
    assert f"-tf{tf.__version__}-" in carried.find().name
    with monkeypatch.context() as patched:
        patched.setattr(tf, "__version__", "2.15.0")
        assert carried.find() is None
    assert carried.find()
    flags = [flag.replace("ABI=1", "ABI=0") for flag in tf.sysconfig.get_compile_flags()]
    monkeypatch.setattr(tf.sysconfig, "get_compile_flags", lambda: flags)
    assert carried.find() is None


def test_where_tensorflow_lies_does_not_matter(package, monkeypatch):
    before = carried.find()
    flags = [flag for flag in tf.sysconfig.get_compile_flags() if not flag.startswith("-I")]
    monkeypatch.setattr(tf.sysconfig, "get_compile_flags", lambda: ["-I/elsewhere", *flags])
    assert carried.find() == before


@pytest.mark.parametrize("changed", ["blur.cc", "frames.h", "new.cc"])
def test_one_of_other_sources_is_not_found(package, changed):
    assert carried.find()
    with (package / changed).open("a") as file:
        file.write("// Another.\n")
    assert carried.find() is None


def test_a_damaged_one_is_not_found(package, caplog):
    path = carried.find()
    path.write_bytes(path.read_bytes()[:-5])
    assert carried.find() is None
    assert f"{path} is damaged" in caplog.text


def test_a_build_leaves_nothing_of_the_one_before(package, tmp_path):
    before = {path.name for path in (package / "prebuilt").iterdir()}
    with (package / "blur.cc").open("a") as file:
        file.write("// Another.\n")
    carried.build(package, str(tmp_path / "compiler"))
    after = {path.name for path in (package / "prebuilt").iterdir()}
    assert len(after) == len(before) == 3 and not after & before


def test_a_compiler_that_fails_is_told_of_with_what_to_do(tmp_path):
    failing = script(tmp_path / "failing", 'echo "error: bad value (x86-64-v4)" >&2; exit 1')
    with pytest.raises(RuntimeError, match=r"bad value.*GCC 11.*BRAVE_TF_PURE=1"):
        carried.build(tmp_path, failing)


def test_one_that_cannot_be_loaded_leaves_it_to_the_compiler(package, tmp_path, monkeypatch):
    """As where the C library is older than that of the machine that made the wheel."""
    opened = []

    def load(path):
        opened.append(pathlib.Path(path))
        return real(path)

    real = tf.load_op_library
    monkeypatch.setattr(tf, "load_op_library", load)
    monkeypatch.setattr(library, "_library", lambda compiler: tmp_path / "compiled.so")
    monkeypatch.setenv("CXX", str(tmp_path / "compiler"))
    assert library._load.__wrapped__() is None
    assert opened == [carried.find(), tmp_path / "compiled.so"]

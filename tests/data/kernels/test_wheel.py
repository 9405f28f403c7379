import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import distributions
import numpy as np
import pytest
import tensorflow as tf

from brave_tf.data.kernels import carried

# Runs an operation of each kind; the processor is of a level that may be below its own.
OPERATIONS = """
import sys

import numpy as np

from brave_tf.process import startup
startup.import_tensorflow()
from brave_tf.data.kernels import carried, library

if len(sys.argv) > 2:
    carried._level = lambda: sys.argv[2]
with library.compiled_kernels():
    operations = library.operations()
random = np.random.default_rng(0)
pixels = random.integers(0, 256, (3, 41, 53, 3)).astype(np.uint8)
video = random.random((3, 41, 53, 3), np.float32)
matrix, bias = random.random((3, 3), np.float32), random.random((3, 3), np.float32)
taps = [0.1, 0.2, 0.4, 0.2, 0.1]
np.savez(
    sys.argv[1],
    pixels=pixels,
    video=video,
    resized=operations.brave_tf_resize_frames([pixels], [32, 40], highest=1.0),
    blurred=operations.brave_tf_blur_frames(video, taps),
    flipped=operations.brave_tf_flip_frames(video),
    colored=operations.brave_tf_change_color(video, [0.1, 1.2, 0.9, 0.1]),
    mixed=operations.brave_tf_mix_colors(video, matrix, bias),
)
print(operations.__file__)
"""
WITHOUT_TENSORFLOW = "import sys; sys.modules['tensorflow'] = None"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return distributions.copied(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    """The wheel that pip makes with the TensorFlow of this environment."""
    if carried._level() is None or not shutil.which("c++"):
        pytest.skip(
            "this machine is not of those that kernels are compiled for, or has no compiler"
        )
    folder = tmp_path_factory.mktemp("dist")
    pip("wheel", str(checkout), "--no-build-isolation", "--wheel-dir", str(folder), PURE="0")
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    pip("install", str(wheel), "--target", str(folder))
    return folder


def pip(command, *args, PURE=""):  # noqa: N803
    run = [sys.executable, "-m", "pip", command, "--no-deps", "--no-index", *args]
    environment = {**os.environ, "BRAVE_TF_PURE": PURE}
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def run(package, folder, program, *args, **environment):
    """Runs a program with the package of a folder and an empty cache; returns what it prints."""
    whole = {**os.environ, "PYTHONPATH": str(package), "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, *program, *args],
        env={**whole, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.long
def test_the_wheel_is_for_all_pythons_of_this_platform(wheel):
    assert wheel.name.endswith("-py3-none-linux_x86_64.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [pathlib.PurePath(name) for name in archive.namelist()]
        (information,) = [name for name in names if name.name == "WHEEL"]
        assert "Root-Is-Purelib: false" in archive.read(str(information)).decode()
    libraries = [name for name in names if name.suffix == ".so"]
    assert {str(name.parent) for name in libraries} == {"brave_tf/data/kernels/prebuilt"}
    assert len(libraries) == len(carried.LEVELS)


@pytest.mark.long
def test_its_libraries_name_no_folder_of_the_machine_that_built_it(site, checkout):
    for path in (site / "brave_tf/data/kernels/prebuilt").iterdir():
        content = path.read_bytes()
        assert b"kernels/blur.cc" in content
        assert os.fsencode(checkout) not in content
        assert os.fsencode(tf.sysconfig.get_include()) not in content


@pytest.mark.long
def test_it_needs_neither_compiler_nor_cache(site, tmp_path):
    said = run(site, tmp_path, ["-m", "brave_tf.data.kernels"], PATH="/nowhere", CXX="")
    path = run(site, tmp_path, ["-c", OPERATIONS], "made.npz", PATH="/nowhere", CXX="")
    assert pathlib.Path(path).is_relative_to(site) and said == f"of the wheel: {path}"
    assert not (tmp_path / "cache").exists()
    made = np.load(tmp_path / "made.npz")
    resized = tf.image.resize(made["pixels"], [32, 40]) / 255
    np.testing.assert_allclose(made["resized"], resized, atol=1e-6)
    np.testing.assert_array_equal(made["flipped"], made["video"][:, :, ::-1])
    padded = np.pad(made["video"].astype(np.float64), [(0, 0), (2, 2), (2, 2), (0, 0)])
    taps = [0.1, 0.2, 0.4, 0.2, 0.1]
    rows = sum(tap * padded[:, i : i + 41] for i, tap in enumerate(taps))
    blurred = sum(tap * rows[:, :, i : i + 53] for i, tap in enumerate(taps))
    np.testing.assert_allclose(made["blurred"], blurred, atol=1e-6)


@pytest.mark.series
def test_all_levels_make_the_same_and_a_library_of_this_machine_rounds_otherwise(site, tmp_path):
    levels = list(carried.LEVELS)
    made = {}
    for level in levels[levels.index(carried._level()) :]:
        path = run(site, tmp_path, ["-c", OPERATIONS], f"{level}.npz", level)
        assert f"-{level}-" in path
        made[level] = dict(np.load(tmp_path / f"{level}.npz"))
    path = run(distributions.CHECKOUT, tmp_path, ["-c", OPERATIONS], "own.npz")
    assert pathlib.Path(path).is_relative_to(tmp_path / "cache")
    own = dict(np.load(tmp_path / "own.npz"))
    lowest = next(iter(made.values()))
    assert len(lowest) == len(own) == 7
    for name, values in lowest.items():
        for level, others in made.items():
            np.testing.assert_array_equal(others[name], values, err_msg=f"{level} {name}")
        np.testing.assert_allclose(own[name], values, rtol=0, atol=1e-6, err_msg=name)


@pytest.mark.series
def test_of_another_tensorflow_or_other_sources_it_is_compiled_here(site, tmp_path):
    changed = shutil.copytree(site, tmp_path / "changed")
    with (changed / "brave_tf/data/kernels/flip.cc").open("a") as file:
        file.write("// Another.\n")
    said = run(changed, tmp_path, ["-m", "brave_tf.data.kernels"])
    assert said.startswith(f"compiled on this machine: {tmp_path / 'cache'}")
    # The version is what the loader asks for; the operations are still those of the TensorFlow that is there.
    other = "import tensorflow as tf; tf.__version__ = '2.15.0'\n" + OPERATIONS
    path = run(site, tmp_path, ["-c", other], "made.npz")
    assert pathlib.Path(path).is_relative_to(tmp_path / "cache")


@pytest.mark.series
def test_the_pure_wheel_is_compiled_where_it_is_used(checkout, tmp_path):
    site = tmp_path / "site"
    pip("install", str(pure(checkout, tmp_path, BRAVE_TF_PURE="1")), "--target", str(site))
    asked = ["-m", "brave_tf.data.kernels"]
    assert run(site, tmp_path, asked).startswith(f"compiled on this machine: {tmp_path / 'cache'}")
    assert run(site, tmp_path, asked, PATH="/nowhere", CXX="").startswith("none: ")


@pytest.mark.parametrize(
    ("before", "environment"),
    [(WITHOUT_TENSORFLOW, {}), ("", {"PATH": "/nowhere", "CXX": ""})],
    ids=["tensorflow", "compiler"],
)
def test_the_wheel_is_pure_where_nothing_can_be_compiled(checkout, tmp_path, before, environment):
    pure(checkout, tmp_path, before, **environment)


def pure(checkout, folder, before="", **environment):
    """Builds a wheel, which has to be pure, from a copy in which nothing was built; returns its path."""
    copy = shutil.copytree(checkout, folder / "checkout", ignore=shutil.ignore_patterns("build"))
    done = distributions.built(copy, folder, "wheel", before, **environment)
    path = distributions.path_of(done, folder)
    assert path.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so")]
    return path


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("0", "cannot be compiled (BRAVE_TF_PURE=0): TensorFlow is not installed"),
        ("yes", "BRAVE_TF_PURE is 'yes', expected 0 or 1"),
    ],
)
def test_what_cannot_be_done_is_refused(checkout, tmp_path, wanted, message):
    done = distributions.built(
        checkout, tmp_path, "wheel", WITHOUT_TENSORFLOW, BRAVE_TF_PURE=wanted
    )
    assert done.returncode != 0 and message in done.stderr
    assert list(tmp_path.iterdir()) == []

import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata

import distributions
import pytest
from distributions import CHECKOUT

from brave_tf import config


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Returns a function that builds a distribution from a copy of the checkout."""
    folder = tmp_path_factory.mktemp("build")
    copy = distributions.copied(folder)

    def build(kind):
        done = distributions.built(copy, folder, kind, BRAVE_TF_PURE="1")
        return distributions.path_of(done, folder)

    return build


def recipes(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.gin"))


def kernel_sources(package):
    """Returns the files that a user's compiler is given, of which there are some."""
    sources = {path.name for path in (package / "data" / "kernels").glob("*.[ch]*")}
    assert {"frames.h", "resize.cc"} <= sources
    return sources


def templates(package):
    """Returns the templates of pages, of which there are some."""
    found = {path.name for path in (package / "pages" / "templates").iterdir()}
    assert {"page.html", "report.html", "style.css"} <= found
    return found


def test_wheel_finds_its_recipes_by_name_outside_the_checkout(build, tmp_path):
    site = tmp_path / "site"
    with zipfile.ZipFile(build("wheel")) as wheel:
        wheel.extractall(site)
    assert recipes(site / "brave_tf" / "gin") == recipes(config.RECIPE_DIR)
    assert kernel_sources(site / "brave_tf") == kernel_sources(CHECKOUT / "brave_tf")
    assert templates(site / "brave_tf") == templates(CHECKOUT / "brave_tf")
    tops = {path.name for path in site.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"brave_tf"}
    (information,) = site.glob("*.dist-info")
    extras = metadata.Distribution.at(information).metadata.get_all("Provides-Extra")
    assert set(extras) == {"beam", "dev", "ffmpeg4", "torch"}
    start = (
        "from brave_tf.cli import train; print(train.__file__, flush=True); train.console_main()"
    )
    flags = [
        "--gin_file=as_v_fa.gin",
        "--model_dir=run",
        "--gin_bindings=train.data_dir = 'absent'",
    ]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [sys.executable, "-c", start, *flags]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert pathlib.Path(done.stdout.strip()).is_relative_to(site)
    # The recipe was found and read: what is wrong is the data that it is told to read.
    assert done.returncode == 2
    assert "error: absent" in done.stderr


def test_source_distribution_holds_what_a_checkout_holds(build):
    with tarfile.open(build("sdist")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ["gin/as_v_fa.gin", "gin/overlays/tiny.gin", "datasets/hmdb51/prepare.py", "LICENSE"]
    wanted += [
        "requirements.lock",
        "tests/test_packaging.py",
        "docs/pictures/views.svg",
        "Makefile",
    ]
    wanted += [
        "tools/make_venv.sh",
        "bench/__main__.py",
        "setup.py",
        "examples/plugin/contrast.gin",
        "brave_tf/data/kernels/frames.h",
        "brave_tf/data/kernels/resize.cc",
        "brave_tf/pages/templates/report.html",
        "brave_tf/pages/templates/style.css",
    ]
    assert set(wanted) <= names

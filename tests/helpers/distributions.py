"""Distributions that are built from a copy of the checkout."""

import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys

from brave_tf import config

CHECKOUT = config.RECIPE_DIR.parent
BUILD = "import setuptools.build_meta as b, sys; print(getattr(b, sys.argv[1])(sys.argv[2]))"


def copied(folder):
    """Copies the checkout into a folder, without what users make; returns the copy."""
    return shutil.copytree(CHECKOUT, pathlib.Path(folder) / "checkout", ignore=_made_by_users)


def built(copy, folder, kind, before="", **environment):
    """Builds a distribution as pip does in an environment that is not isolated.

    Args:
      copy: of the checkout.
      folder: that gets the file.
      kind: `wheel` or `sdist`.
      before: Python that the building process runs first.
      **environment: variables that it has besides those of this process.

    Returns:
      The finished process, whose last line of output names the file.
    """
    command = [sys.executable, "-c", f"{before}\n{BUILD}", f"build_{kind}", str(folder)]
    whole = {**os.environ, **environment}
    return subprocess.run(command, cwd=copy, env=whole, capture_output=True, text=True)


def path_of(done, folder):
    """Returns the path of the distribution that a process of `built` has made."""
    assert done.returncode == 0, done.stderr
    return pathlib.Path(folder) / done.stdout.splitlines()[-1]


def _made_by_users(folder, names):
    """Returns what of a folder is no source: `data` is one in the package, but not beside it."""
    patterns = [".*", "*.egg-info", "__pycache__"]
    if pathlib.Path(folder) == CHECKOUT:
        patterns += ["runs", "data", "media", "build", "dist"]
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}

"""Fixtures shared by all tests."""

import os
import pathlib

import pytest


@pytest.fixture(scope="session")
def shared_dir() -> pathlib.Path:
    """The folder with `golden/` and `data/` named by BRAVE_TF_SHARED."""
    folder = os.environ.get("BRAVE_TF_SHARED")
    if not folder:
        pytest.skip("BRAVE_TF_SHARED names no folder with reference values and real clips")
    return pathlib.Path(folder).resolve()


@pytest.fixture(scope="session")
def golden_dir(shared_dir: pathlib.Path) -> pathlib.Path:
    return shared_dir / "golden"

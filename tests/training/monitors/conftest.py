"""A run that TensorBoard can show everything of, and one that breaks."""

import contextlib
import io
import pathlib

import pytest
import tiny_run

from brave_tf import config
from brave_tf.training import run

WATCHED = """
import brave_tf.evaluation.protocols.online_knn
train.held_out_split = 'test'
train.probe = @OnlineKnn
ClipPictures.times = 2
"""


@pytest.fixture(scope="session")
def records(tmp_path_factory) -> pathlib.Path:
    return tiny_run.write_records(tmp_path_factory.mktemp("records"))


@pytest.fixture(scope="session")
def watched_run(tmp_path_factory, records) -> tuple[pathlib.Path, str]:
    """The folder of a run, and what it printed."""
    folder = tmp_path_factory.mktemp("watched")
    config.load_config([str(tiny_run.write_recipe(folder, records, WATCHED))])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert run.train(str(folder / "run"), profile=(3, 4))
    return folder / "run", printed.getvalue()

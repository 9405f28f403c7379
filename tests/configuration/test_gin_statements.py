"""Which files are read, from wherever they are named."""

import pathlib

import gin
import pytest

from brave_tf import config, errors
from brave_tf.configuration import gin_statements, recipe_header


@gin.configurable("sample_of_files")
def sample(width=1, height=2):
    return width, height


@pytest.fixture
def project(tmp_path):
    """A recipe with an include beside it, and one that includes from a folder above."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.gin").write_text("# A base.\nsample_of_files.width = 3\n")
    (tmp_path / "mine.gin").write_text("include 'base.gin'\nsample_of_files.height = 5\n")
    (tmp_path / "deep" / "own.gin").write_text("include '../mine.gin'\n")
    return tmp_path


def test_an_include_beside_the_file_is_found_from_any_folder(
    project, tmp_path_factory, monkeypatch
):
    for folder in (project, project / "deep", tmp_path_factory.mktemp("elsewhere")):
        monkeypatch.chdir(folder)
        for name in ("mine.gin", "deep/own.gin"):
            config.load_config([str(project / name)])
            assert sample() == (3, 5)
    monkeypatch.chdir(project / "deep")
    config.load_config(["own.gin"])
    assert sample() == (3, 5)


def test_what_lies_beside_wins_over_the_working_directory(project, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "base.gin").write_text("sample_of_files.width = 99\n")
    monkeypatch.chdir(elsewhere)
    config.load_config([str(project / "mine.gin")])
    assert sample() == (3, 5)
    # What is nowhere else is still taken from there, as a binding's include is.
    (elsewhere / "here.gin").write_text("sample_of_files.width = 7\n")
    (project / "mine.gin").write_text("include 'here.gin'\n")
    config.load_config([str(project / "mine.gin")])
    assert sample() == (7, 2)
    config.load_config([], ["include 'base.gin'"])
    assert sample() == (99, 2)


def test_the_files_of_the_package_include_each_other_alone(tmp_path, monkeypatch):
    (tmp_path / "fragments").mkdir()
    for path in (config.RECIPE_DIR / "fragments").iterdir():
        (tmp_path / "fragments" / path.name).write_text("no_such_thing.width = 1\n")
    monkeypatch.chdir(tmp_path)
    config.load_config(["as_v_fa"])
    assert gin.query_parameter("train.batch_size") == 512


def test_a_file_with_the_name_of_a_recipe_may_include_that(tmp_path, monkeypatch):
    (tmp_path / "as_v_fa.gin").write_text("include 'as_v_fa.gin'\ntrain.batch_size = 64\n")
    monkeypatch.chdir(tmp_path)
    config.load_config(["as_v_fa.gin"])
    assert gin.query_parameter("train.batch_size") == 64
    assert gin.query_parameter("train.data_dir") == "data/audioset"
    assert recipe_header.recipe_of(gin.config_str()) == "as_v_fa"


def test_files_that_include_each_other_are_an_error(tmp_path):
    (tmp_path / "one.gin").write_text("include 'two.gin'\n")
    (tmp_path / "two.gin").write_text("include 'one.gin'\n")
    with pytest.raises(errors.UserError, match=r"'one.gin': the file includes itself"):
        config.load_config([str(tmp_path / "one.gin")])


def test_an_include_of_a_package_is_found(tmp_path, monkeypatch):
    package = tmp_path / "site" / "plug_in_of_files"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "shared.gin").write_text("sample_of_files.width = 11\n")
    monkeypatch.syspath_prepend(package.parent)
    config.load_config([], ["include 'plug_in_of_files/shared.gin'"])
    assert sample() == (11, 2)


def test_an_include_that_is_nowhere_is_named_with_its_file(project):
    (project / "mine.gin").write_text("include 'as_v_af.gin'\n")
    with pytest.raises(
        errors.UserError, match=r"'as_v_af.gin' included by .*mine.gin.*as_v_fa.gin"
    ):
        config.load_config([str(project / "mine.gin")])


def test_bindings_are_given_in_order_with_their_places(project):
    (project / "more.gin").write_text(
        "import json\n\ninclude 'base.gin'  # First.\n\nSIZE = 4\nsample_of_files:\n"
        "  width = %SIZE\nnarrow/sample_of_files.height = {'a': @narrow/thing()}\n"
    )
    found = gin_statements.bindings_of([gin_statements.source_of(str(project / "more.gin"))])
    assert [(each.key, each.line, pathlib.Path(each.source.name).name) for each in found] == [
        ("sample_of_files.width", 2, "base.gin"),
        ("SIZE", 5, "more.gin"),
        ("sample_of_files.width", 7, "more.gin"),
        ("narrow/sample_of_files.height", 8, "more.gin"),
    ]
    assert found[2].value == gin_statements.Reference(("SIZE",), gin_statements.MACRO)
    assert found[3].value == {"a": gin_statements.Reference(("narrow",), "thing", True)}
    assert repr(found[3].value) == "{'a': @narrow/thing()}"


def test_files_may_register_what_they_configure_themselves(project, monkeypatch):
    (project / "plug_in_of_statements.py").write_text(
        "def part(width: int = 1):\n    return width\n\n\ndef whole(parts=()):\n    return parts\n"
    )
    monkeypatch.syspath_prepend(project)
    (project / "dynamic.gin").write_text(
        "from __gin__ import dynamic_registration\nimport plug_in_of_statements as own\n"
        "include 'base.gin'\nown.whole.parts = [@own.part()]\nown.part.width = 5\n"
    )
    config.load_config([str(project / "dynamic.gin")])
    assert sample() == (3, 2)
    assert gin.get_configurable("own.whole")() == [5]

"""Reading recipes: every mistake is named, with the nearest right names."""

import os
import subprocess
import sys

import gin
import pytest

from brave_tf import config, errors
from brave_tf.configuration import recipe_header

IN_FORKS = """
import os, sys
from brave_tf.process import startup
startup.import_tensorflow()
import logging
from brave_tf import config
from brave_tf.configuration import gin_statements
assert not any(name.startswith("brave_tf.") for name, _ in __import__("gin").config._REGISTRY.items())
logging.disable(logging.ERROR)
for path in sorted(config.RECIPE_DIR.rglob("*.gin")):
    # Each in an interpreter in which nothing else was imported.
    child = os.fork()
    if not child:
        try:
            gin_statements.parse(gin_statements.source_of(str(path)))
        except BaseException as error:
            print(path.name, error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print("read", path.name, flush=True)
"""


@gin.configurable
def sample_part(width=1, height=2):
    return width * height


@gin.configurable
class SampleWhole:
    def __init__(self, parts=()):
        self.parts = parts


def test_bindings_win_over_files_and_later_over_earlier(tmp_path):
    first, second = tmp_path / "first.gin", tmp_path / "second.gin"
    first.write_text("sample_part.width = 3\nsample_part.height = 5\n")
    second.write_text("sample_part.width = 7\n")
    config.load_config([str(first), str(second)], ["sample_part.height = 11"])
    assert sample_part() == 77


def test_a_recipe_is_found_by_name():
    for name in ("gin/as_v_fa.gin", "as_v_fa.gin", "as_v_fa"):
        assert config.find_recipe(name).name == "as_v_fa.gin"


def test_a_written_configuration_says_its_recipe(tmp_path):
    own = tmp_path / "own.gin"
    own.write_text("include 'k600_v_v_tau_1.3_10.gin'\nNARROW_SIZE = 64\n")
    config.load_config([str(own), "gin/overlays/laptop.gin"])
    written = gin.config_str()
    assert recipe_header.recipe_of(written) == "k600_v_v_tau_1.3_10"
    (tmp_path / "config.gin").write_text(written)
    config.load_config([str(tmp_path / "config.gin")], ["BROAD_SIZE = 32"])
    assert recipe_header.recipe_of(gin.config_str()) == "k600_v_v_tau_1.3_10"
    config.load_config(["demo_supervised"])  # Which includes another.
    assert recipe_header.recipe_of(gin.config_str()) == "demo_supervised"
    config.load_config([], ["sample_part.width = 3"])
    assert recipe_header.recipe_of(gin.config_str()) is None


def test_a_name_may_have_dots():
    assert config.find_recipe("k600_v_v_tau_1.3_10").stem == "k600_v_v_tau_1.3_10"


def test_recipes_are_listed_with_their_titles():
    titles = recipe_header.titles()
    assert titles["k600_v_f"] == "V<->F on Kinetics-600: broad optical flow."
    assert "brave" not in titles and "tiny" not in titles


def test_loading_forgets_what_was_loaded_before(tmp_path):
    config.load_config([], ["sample_part.width = 3"])
    config.load_config([], [])
    assert sample_part() == 2


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        (["sample_prt.width = 1"], ["sample_prt", "sample_part"]),
        (["sample_part.widht = 1"], ["widht", "width"]),
        (["SampleWhole.part = 1"], ["part", "parts"]),
        (["SampleWhole.parts = [@sample_prt()]"], ["sample_prt", "sample_part"]),
        (["sample_part.width = "], ["sample_part.width"]),
        (["import no_such_module"], ["no_such_module"]),
        (["include 'no_such.gin'"], ["no_such.gin"]),
        (["sample_part.width = %no_such_macro"], ["no_such_macro"]),
    ],
)
def test_a_mistake_is_named(bindings, expected):
    with pytest.raises(errors.UserError) as caught:
        config.load_config([], bindings)
    for part in expected:
        assert part in str(caught.value)


def test_a_misspelt_scope_is_an_error():
    right = ["SampleWhole.parts = [@narrow/sample_part()]", "narrow/sample_part.width = 4"]
    config.load_config([], right)
    assert SampleWhole().parts == [8]
    with pytest.raises(errors.UserError, match=r"narow.*narrow"):
        config.load_config([], [right[0], "narow/sample_part.width = 4"])


def test_macros_are_not_taken_for_scopes():
    config.load_config([], ["SIZE = 6", "sample_part.width = %SIZE"])
    assert sample_part() == 12


def test_an_unknown_file_names_the_nearest_recipe():
    with pytest.raises(errors.UserError, match=r"as_v_af.gin.*as_v_fa.gin"):
        config.load_config(["gin/as_v_af.gin"])


def test_what_is_bound():
    config.load_config([], ["sample_part.width = 4"])
    assert config.is_bound("sample_part.width")
    assert not config.is_bound("SampleWhole.parts")


def test_bindings_are_compared_by_value():
    def text(bindings, **but):
        config.load_config([], ["import brave_tf.evaluation.protocols.knn", *bindings])
        return config.bindings_text(**but)

    first = text(["knn.k = 3", "knn.temperature = 0.1"])
    assert first == text(["knn.temperature = 0.1", "knn.k = 3"])
    assert first != text(["knn.temperature = 0.1", "knn.k = 4"])
    text(["knn.k = 3", "knn.temperature = 0.1"])
    with gin.unlock_config():
        gin.parse_config("UNUSED = 5")
    assert config.bindings_text() == first
    assert text(["K = 3", "knn.k = %K"]) != text(["K = 4", "knn.k = %K"])
    assert text(["A = 3", "B = %A", "knn.k = %B"]) != text(["A = 4", "B = %A", "knn.k = %B"])
    without = {"parameters": ["knn.k"]}
    assert text(["knn.k = 3"], **without) == text(["knn.k = 4"], **without)
    packages = {"packages": ["brave_tf.evaluation"]}
    assert text(["knn.k = 3"], **packages) == text([], **packages) != text(["knn.k = 3"])


def python(code, **more):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_recipe_loads_where_nothing_else_was_imported():
    code = "from brave_tf import config; config.load_config(['as_v_fa'], ['train.batch_size = 2'])"
    assert python(code) == []


@pytest.mark.long
def test_every_file_imports_what_it_binds():
    paths = sorted(config.RECIPE_DIR.rglob("*.gin"))
    assert len(paths) > 40
    assert python(IN_FORKS) == [f"read {path.name}" for path in paths]


def test_a_configuration_that_cannot_be_used_leaves_none_behind():
    with pytest.raises(errors.UserError):
        config.load_config([], ["sample_part.width = 3", "sample_part.hieght = 3"])
    assert sample_part() == 2


@pytest.mark.parametrize("binding", ["", " \n", "# sample_part.width = 3"])
def test_a_binding_of_nothing_is_an_error(binding):
    with pytest.raises(errors.UserError, match="binds nothing"):
        config.load_config([], ["sample_part.width = 3", binding])


def test_what_one_binding_leaves_open_is_not_closed_by_the_next():
    with pytest.raises(errors.UserError, match=r"sample_part.width = \[1,"):
        config.load_config([], ["sample_part.width = [1,", "2]"])


def test_a_mistake_in_a_file_is_named_with_its_line(tmp_path):
    own = tmp_path / "own.gin"
    own.write_text("include 'fragments/broad_frames.gin'\n\nsample_part.widht = 3\n")
    with pytest.raises(errors.UserError, match=r"widht(?s:.*)own.gin(?s:.*)line 3"):
        config.load_config([str(own)])


def test_own_macros_that_later_bindings_make_needless_are_not_written(tmp_path):
    own = tmp_path / "own.gin"
    own.write_text("WIDTH = 3\nsample_part.width = %WIDTH\n")
    config.load_config([str(own)], ["sample_part.width = 5"])
    assert sample_part() == 10
    assert "WIDTH" not in gin.config_str()


def test_a_written_configuration_is_read_again_with_all_that_is_in_it(tmp_path):
    config.load_config(["as_v_a"])
    written = gin.config_str()
    # Of fragments that are for other views too.
    assert "BROAD_FLOW_BACKBONE" in written
    (tmp_path / "config.gin").write_text(written)
    config.load_config([str(tmp_path / "config.gin")])
    assert gin.config_str() == written


def test_files_are_utf_8_whatever_the_locale(tmp_path):
    own = tmp_path / "own.gin"
    # With the mark that editors of Windows put first, and their line ends.
    own.write_bytes("\ufefftrain.data_dir = 'Vidéos/日本'\r\n".encode())
    code = (
        "import brave_tf.training.settings, gin; from brave_tf import config;"
        f"config.load_config([{str(own)!r}]);"
        "print(ascii(gin.query_parameter('train.data_dir')))"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert python(code, env=environment) == [ascii("Vidéos/日本")]


def test_what_is_kept_comes_back_with_its_imports_and_what_has_no_text():
    thing = object()
    gin.parse_config("import brave_tf.evaluation.protocols.knn\nK = 3\na/knn.k = %K")
    gin.bind_parameter("knn.temperature", thing)
    before = gin.config_str()
    assert before.startswith("import brave_tf.evaluation.protocols.knn\n")
    with pytest.raises(ZeroDivisionError), config.kept():
        config.load_config(["as_v_fa"])
        raise ZeroDivisionError
    assert gin.config_str() == before
    assert gin.query_parameter("knn.temperature") is thing
    assert gin.query_parameter("a/knn.k").scopes == ["K"]


def test_a_configuration_without_a_module_has_the_rest():
    config.load_config([], ["import brave_tf.evaluation.protocols.knn", "knn.k = 3"])
    with gin.unlock_config():
        gin.parse_config("import brave_tf.training.settings\ntrain.seed = 4")
    configuration = config.loaded()
    configuration.without("brave_tf.evaluation").load()
    assert not config.is_bound("knn.k") and gin.query_parameter("train.seed") == 4
    configuration.without("brave_tf.eval").load()
    assert gin.query_parameter("knn.k") == 3

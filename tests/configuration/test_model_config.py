"""Configurations of models from elsewhere: what is data is loaded, all else is refused before it runs."""

import os
import sys

import gin
import hostile_configs
import pytest

from brave_tf import config
from brave_tf.configuration import model_config, trust
from brave_tf.errors import UserError
from brave_tf.training import recipe

MODULE = hostile_configs.MODULE
VIEWS = """import brave_tf.data.views.rgb
import brave_tf.training.recipe
Recipe.views = {'narrow': @narrow/RgbView()}
narrow/RgbView.size = 32
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch, tmp_path):
    """Nothing is named, what is imported is forgotten, and the folder of the test is where Python looks."""
    monkeypatch.setattr(trust, "_named", set())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield
    sys.modules.pop(MODULE, None)
    gin.clear_config()


def load(folder, text):
    path = hostile_configs.write(folder, text) / "config.gin"
    config.load_config([], model=str(path))


@pytest.mark.parametrize("name", hostile_configs.CONFIGS)
def test_what_would_run_something_is_refused_or_is_only_text(tmp_path, name):
    text = hostile_configs.CONFIGS[name]
    separators = {"a line that only some count", "a line behind a form feed", "a line in a text"}
    if name in {*separators, "a line behind an old separator"}:
        load(tmp_path, text)
    else:
        with pytest.raises(UserError, match="refused as the configuration of a model"):
            load(tmp_path, text)
    assert not (tmp_path / hostile_configs.MARKER).exists()
    assert MODULE not in sys.modules


@pytest.mark.parametrize(
    "reference",
    ["@train()", "@OnlineKnn()", "@OnlineKnn", "@linear_svm()", "@x/gin.singleton()"]
    + ["[1, (2, {'a': @RawMedia()})]", "{@knn: 1}", "@gin.macro", "@SkippedClips()"],
)
def test_a_reference_is_to_a_part_of_a_model(tmp_path, reference):
    imports = (
        "evaluation.online_knn",
        "evaluation.linear",
        "data.sources.raw_media",
        "training.settings",
    )
    imports += "evaluation.knn", "data.attempts"
    lines = "".join(f"import brave_tf.{each}\n" for each in imports)
    with pytest.raises(UserError, match="is none of the views, augmentations, backbones"):
        load(tmp_path, f"{lines}{VIEWS}Recipe.objective = {reference}\n")


def test_what_is_measured_while_training_is_taken_where_training_makes_it(tmp_path):
    lines = f"import brave_tf.evaluation.protocols.online_knn\nimport brave_tf.training.settings\n{VIEWS}"
    load(tmp_path, f"{lines}train.probe = @OnlineKnn\n")
    with pytest.raises(UserError, match="@OnlineKnn"):
        load(tmp_path, f"{lines}P = @OnlineKnn\ntrain.probe = %P\n")


def test_monitors_of_the_package_are_taken_where_training_makes_them(tmp_path):
    lines = (
        "import brave_tf.training.monitors.collapse\nimport brave_tf.training.monitors.standstill\n"
    )
    lines += f"import brave_tf.training.settings\n{VIEWS}"
    load(tmp_path, f"{lines}train.monitors = [@StandstillWatch]\n")
    for elsewhere in (
        "Recipe.objective = @StandstillWatch",
        "train.monitors = [@StandstillWatch()]",
        "train.monitors = [[@StandstillWatch]]",
        "train.probe = @StandstillWatch",
        "train.monitors = [@train]",
    ):
        with pytest.raises(UserError, match="is none of the views, augmentations, backbones"):
            load(tmp_path, f"{lines}{elsewhere}\n")


def test_the_message_names_the_module_and_the_user_may_name_it_too(tmp_path):
    text = f"import {MODULE}\n{VIEWS}"
    with pytest.raises(UserError, match=f"--trust={MODULE}.*--gin_file"):
        load(tmp_path, text)
    trust.allow([MODULE])
    load(tmp_path, text)
    assert MODULE in sys.modules
    assert recipe.bound(lambda: gin.query_parameter("narrow/RgbView.size")) == 32


def test_a_module_that_the_users_gin_file_imports_is_named(tmp_path):
    model = hostile_configs.write(tmp_path, f"import {MODULE}\n{VIEWS}") / "config.gin"
    (tmp_path / "mine.gin").write_text(f"import {MODULE}\n")
    config.load_config(["mine.gin"], model=str(model))
    assert (tmp_path / hostile_configs.MARKER).exists()


def test_dynamic_registration_is_for_the_user_to_allow(tmp_path):
    text = (
        f"from __gin__ import dynamic_registration\nfrom brave_tf.training import recipe\n{VIEWS}"
    )
    text = text.replace("Recipe.", "recipe.Recipe.").replace(
        "RgbView", "brave_tf.data.views.rgb.RgbView"
    )
    with pytest.raises(UserError, match="--trust=__gin__"):
        load(tmp_path, text)
    trust.allow(["__gin__"])
    load(tmp_path, text)
    assert gin.query_parameter("narrow/brave_tf.data.views.rgb.RgbView.size") == 32


def test_naming_a_module_names_what_is_in_it_and_nothing_beside_it():
    trust.allow(["one.two"])
    assert [trust.covers(each) for each in ("one.two", "one.two.three")] == [True, True]
    assert not any(map(trust.covers, ("one", "one.twofold", "two", "")))


def test_a_configuration_that_includes_recipes_of_the_package_is_loaded(tmp_path):
    load(tmp_path, "include 'as_v_a.gin'\ninclude 'gin/overlays/laptop.gin'\nNARROW_SIZE = 32\n")
    assert set(recipe.bound(recipe.Recipe).views) == {"narrow", "broad_audio"}


def test_a_written_configuration_says_the_same_once_it_is_read(tmp_path):
    config.load_config(["as_v_fa"])
    before = gin.config_str()
    load(tmp_path, before)
    assert gin.config_str() == before


def test_blocks_texts_and_numbers_mean_what_gin_takes_them_for(tmp_path):
    text = (
        "import brave_tf.data.views.log_mel\nimport brave_tf.data.views.audio\nRATE = 16_000\n"
        "a/b/LogMel:\n    sample_rate = %RATE  # comment\n    lower_hz = -1.5e1\n"
        "AudioView.log_mel = @a/b/LogMel()\nX/macro.value = ('one' 'two', b'\\x00', None, 'ü\\n')\n"
        "AudioView.augmentations = [%X, (1,), (2), [], {}]\n"
    )
    path = tmp_path / "as_gin.gin"
    path.write_text(text)
    gin.parse_config(text)
    expected = gin.config_str()
    gin.clear_config()
    read = model_config.source_of(hostile_configs.write(tmp_path, text) / "config.gin")
    gin.parse_config(read.text)
    assert gin.config_str() == expected


@pytest.mark.parametrize(
    "name", ["train", "settings.train", "brave_tf.training.settings.train", "x/train"]
)
def test_addresses_of_the_run_are_left_out(tmp_path, name):
    text = "import brave_tf.training.settings\ntrain.seed = 3\n"
    load(tmp_path, f"{text}{name}.data_service = 'grpc://stranger:1'\n{name}:\n  tpu = 'x'\n")
    assert gin.query_parameter("train.seed") == 3
    assert "stranger" not in gin.config_str() and "tpu" not in gin.config_str()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (VIEWS + "RECIPE = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        (VIEWS + "RECIPE = " + "-" * 5, "refused as the configuration"),
        (VIEWS + "A = %B\nB = [%A]\nRecipe.objective = %A", "refers to itself"),
        (VIEWS + "narrow/RgbView.frame_step = @narrow/RgbView()", "refers to itself"),
        (
            VIEWS
            + "".join(f"M{n} = [%M{n + 1}, %M{n + 1}]\n" for n in range(60))
            + "M60 = 1\nRecipe.objective = %M0",
            "too many values",
        ),
        (
            VIEWS
            + "".join(
                f"s{n}/RgbView.augmentations = [@s{n + 1}/RgbView(), @s{n + 1}/RgbView()]\n"
                for n in range(60)
            ),
            "too many values",
        ),
        (VIEWS + "narrow/RgbView.frame_step = 0x" + "f" * 5000, "a number in it"),
        (VIEWS + "narrow/RgbView.frame_rate = 1e999", "a number in it"),
        (VIEWS + "RECIPE = '\0'", "null byte"),
        (VIEWS + "RECIPE = 'a", "refused as the configuration"),
        (VIEWS + "RECIPE = f'{1}'", "refused as the configuration"),
        (VIEWS + "RECIPE = __import__('os')", "refused as the configuration"),
        (VIEWS + "RECIPE = [x for x in (1,)]", "refused as the configuration"),
        (VIEWS + "{[]: 1}", "refused as the configuration"),
        (VIEWS + "# long\n" * 50_000, "more than 262,144 bytes"),
        (VIEWS + "RECIPE = (" + "'a' " * 600 + ")", "more than 500 parts"),
        (VIEWS + "narrow/RgbView.size = 32\n" * 2500, "more than 2000 statements"),
        (VIEWS + "unheard_of.thing = 1", "No configurable matching 'unheard_of'"),
    ],
)
def test_what_is_no_configuration_is_a_message(tmp_path, text, why):
    with pytest.raises(UserError, match=why):
        load(tmp_path, text)


def test_what_is_no_text_or_no_file_is_a_message(tmp_path):
    path = hostile_configs.write(tmp_path, VIEWS) / "config.gin"
    path.write_bytes(b"RECIPE = '\xff\xfe'")
    with pytest.raises(UserError, match="cannot be read as text"):
        config.load_config([], model=str(path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="no plain file"):
        config.load_config([], model=str(path))


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path):
    path = hostile_configs.write(tmp_path, VIEWS) / "config.gin"
    (tmp_path / "secret").write_text(VIEWS)
    path.unlink()
    path.symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match="a link that leads out"):
        config.load_config([], model=str(path))


def test_what_the_user_gives_is_read_as_before(tmp_path):
    path = tmp_path / "mine.gin"
    hostile_configs.write(tmp_path, "")
    path.write_text("include 'beside.gin'\n")
    config.load_config([str(path)])
    assert (tmp_path / hostile_configs.MARKER).exists()

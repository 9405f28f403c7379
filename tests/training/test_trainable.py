"""Which recipes clips can train: told from gin files alone, and true of runs."""

import re
import shlex

import command
import media
import numpy as np
import pytest
import record_fixtures
import tiny_run

from brave_tf import config
from brave_tf.cli import train
from brave_tf.configuration import recipe_header
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.modalities import Held
from brave_tf.training import trainable
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

PEERS = recipe_header.peers()
ALL = [*recipe_header.general(), *recipe_header.rows(), *PEERS]


def held(*together, rate=None):
    return Held(frozenset(frozenset(each.split()) for each in together), rate)


def words(line):
    program, *flags = shlex.split(line)
    assert program == "brave_tf_train"
    return flags


@pytest.mark.parametrize("name", recipe_header.names())
def test_modalities_are_those_of_the_views(name):
    config.load_config([name])
    views = bound(Recipe).views.values()
    assert trainable.modalities(name) == {view.modality for view in views}


@pytest.mark.parametrize(
    ("together", "letters"),
    [
        (["rgb flow audio"], "vfa"),
        (["rgb flow"], "vf"),
        (["rgb audio"], "va"),
        (["rgb"], "v"),
        (["audio"], ""),
        ([""], ""),
        # Videos without sound beside sounds: no clip has both.
        (["rgb", "audio"], "v"),
    ],
)
def test_recipes_for_clips(together, letters):
    def views(name):
        if name in PEERS:
            if "coclr" in name:
                return "vf"
            return "va" if re.search("avid|cma|gdt", name) else "v"
        words = name.split("_")
        return words[words.index("v") + 1]

    fitting = [name for name in ALL if letters and set(views(name)) <= set(letters)]
    assert trainable.recipes(held(*together)) == fitting


def test_without_a_recipe_that_fits_the_advice_says_so():
    text = trainable.advice(held("audio"), "data/sounds")
    assert text.startswith(
        "No recipe of the package can be trained on split 'train' of data/sounds"
    )
    assert "brave_tf_train" not in text


def test_what_would_make_more_recipes_fit():
    assert "--flow=dis" in trainable.advice(held("rgb"), "data/mine")
    assert "--flow=dis" not in trainable.advice(held("rgb flow"), "data/mine")


@pytest.mark.parametrize("folder", ["data/mine", "it's $HOME", 'a "b"\\c', "día/映像"])
@pytest.mark.parametrize("rate", [None, 48_000.0, 16_000.0, 8000.0])
def test_the_command_loads_as_a_shell_reads_it(folder, rate):
    flags = words(trainable.command("v_fa", held("rgb flow audio", rate=rate), folder, "a+b"))
    given = [flag.partition("=")[::2] for flag in flags]
    files = [value for name, value in given if name == "--gin_file"]
    bindings = [value for name, value in given if name == "--gin_bindings"]
    config.load_config(files, bindings, for_training=True)
    settings = bound(Settings)
    assert (settings.data_dir, settings.split) == (folder, "a+b")
    assert bound(Recipe).views["broad_audio"].sample_rate == (rate or 48_000)


def test_the_plain_command():
    assert trainable.command("v_v", held("rgb"), "data/mine") == (
        "brave_tf_train --gin_file=v_v --gin_file=overlays/laptop.gin "
        "--gin_bindings=\"train.data_dir = 'data/mine'\""
    )
    of_folds = trainable.command("v_v", held("rgb"), "data/mine", "*")
    assert of_folds.endswith("--gin_bindings=\"train.split = '*'\"")


def record(number, *kinds):
    """Serializes a clip of noise with these modalities, whose sound has 8 kHz."""
    rng = np.random.default_rng(number)
    pixels = rng.integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    frames = [record_fixtures.jpeg(frame) for frame in pixels]
    return record_fixtures.record(
        images=frames if "rgb" in kinds else None,
        flow=frames if "flow" in kinds else None,
        audio=rng.normal(0, 0.1, 8000).astype(np.float32) if "audio" in kinds else None,
        sample_rate=8000.0,
    )


@pytest.mark.parametrize("described", [True, False], ids=["counted", "not counted"])
@pytest.mark.parametrize(
    "kinds",
    [
        ["rgb"] * 4,
        ["rgb flow"] * 4,
        ["rgb", "rgb audio"],
        ["rgb flow", "rgb audio", "rgb"],
        ["rgb"] * 3 + ["audio"] * 3,
    ],
    ids=",".join,
)
def test_what_records_hold(tmp_path, kinds, described):
    records = [record(number, *each.split()) for number, each in enumerate(kinds)]
    settings = {"audio": "float", "sample_rate": 8000}
    record_fixtures.write_shards(tmp_path, records, 2, described=described, settings=settings)
    found = DatasetInfo.load(tmp_path).held("train")
    exact = held(*kinds)
    assert trainable.recipes(found) == trainable.recipes(exact)
    assert found.sample_rate == 8000


@pytest.fixture
def films(tmp_path):
    """A folder with a silent film and two sounds."""
    folder = tmp_path / "films"
    folder.mkdir()
    media.write_video(folder / "silent.mp4", media.moving_texture(10, seed=0), 10)
    for name in ("a", "b"):
        media.write_audio(folder / f"{name}.wav", media.tone(1.0, 300))
    return folder


def refused(capsys, recipe, data, *bindings):
    bindings = [f"train.data_dir = '{data}'", *bindings]
    flags = [f"--gin_file={recipe}", *(f"--gin_bindings={binding}" for binding in bindings)]
    assert command.run(train, *flags, f"--model_dir={data}/run") == 2
    first, *advice = capsys.readouterr().err.strip().splitlines()[-4:]
    return "\n".join([first, *advice])


def test_the_error_of_a_run_on_files(films, capsys):
    for recipe in ("v_a", "v_fa"):
        text = refused(capsys, recipe, films)
        assert "Recipes that split 'train' of" in text
        assert "can train: v_v, v_vvv, k400_v_vvv_r3d50, " in text
        assert trainable.command("v_v", held("rgb"), str(films)) in text
        assert "--flow=dis" in text


def test_the_error_of_a_run_on_records_that_have_no_clip_with_all(tmp_path, capsys):
    records = [record(0, "rgb"), record(1, "audio"), record(2, "rgb"), record(3, "audio")]
    settings = {"audio": "float", "fps": 25.0, "sample_rate": 8000}
    record_fixtures.write_shards(tmp_path, records, 1, settings=settings)
    path = tiny_run.write_recipe(tmp_path, tmp_path, "narrow/RgbView.frame_rate = 25.0")
    assert command.run(train, f"--gin_file={path}", f"--model_dir={tmp_path / 'run'}") == 2
    text = capsys.readouterr().err
    assert f"no clip of split 'train' in {tmp_path} that can be read has all of audio, rgb" in text
    assert "can train: v_v, v_vvv, k400_v_vvv_r3d50, " in text


@pytest.mark.long
def test_the_command_of_the_error_trains(films, tmp_path, capsys):
    text = refused(capsys, "v_fa", films)
    (line,) = [line for line in text.splitlines() if line.startswith("  brave_tf_train")]
    small = ["--gin_file=overlays/tiny.gin", "--gin_bindings=STEPS = 2"]
    flags = [flag for flag in words(line) if "laptop" not in flag]
    assert command.run(train, *flags, *small, f"--model_dir={tmp_path / 'run'}") == 0

"""The page of recipes says what their headers say."""

import re

import command
import pytest
import tiny_run
import walkthrough

from brave_tf import config
from brave_tf.cli import train
from brave_tf.configuration import recipe_header
from brave_tf.training import trainable
from brave_tf.training.recipe import Recipe, bound

ROOT = config.RECIPE_DIR.parent
PATH = ROOT / "docs" / "recipes.md"
PAGE = PATH.read_text()


def _tables():
    """Recipe -> its row and figures, from the tables of the page."""
    found, columns = {}, []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| recipe |"):
            columns = cells[2:]
        elif line.startswith("| [`"):
            name, path = re.fullmatch(r"\[`(\S+)`\]\(\.\./(\S+)\)", cells[0]).groups()
            assert (ROOT / path).stem == name and (ROOT / path).is_file()
            assert name not in found, f"{name} stands in the page twice"
            found[name] = cells[1], {c: n for c, n in zip(columns, cells[2:]) if n}
    return found


WITH_ROW = sorted([*recipe_header.rows(), *recipe_header.peers()])


def test_the_tables_list_every_row():
    assert sorted(_tables()) == WITH_ROW


@pytest.mark.parametrize("name", WITH_ROW)
def test_the_page_says_what_the_header_says(name):
    header = recipe_header.read(name)
    row, figures = _tables()[name]
    assert figures == header.paper
    assert header.row.endswith(f": {row}")


def test_the_table_of_general_recipes():
    written = re.findall(r"\| `(\w+)` \| (\S+) \| ([\w, ]+) \| `(\S+)` \|", PAGE)
    assert [name for name, *_ in written] == recipe_header.general()
    words = {"frames": "rgb", "flow": "flow", "sound": "audio"}
    for name, views, needs, row in written:
        assert recipe_header.read(name).title.startswith(f"{views} ")
        needed = {words[need] for need in needs.split(", ")}
        assert needed == trainable.modalities(name) == trainable.modalities(row)


def test_every_file_and_fragment_that_is_named_exists():
    for path in re.findall(r"gin/[\w./]+\.gin", PAGE):
        assert (ROOT / path).is_file(), path
    table = PAGE[PAGE.index("| fragment |") : PAGE.index("## Overlays")]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`(\w+)`", " ".join(first_cells)))
    assert named == {path.stem for path in (config.RECIPE_DIR / "fragments").glob("*.gin")}


def test_every_macro_that_is_named_exists():
    texts = [path.read_text() for path in config.RECIPE_DIR.rglob("*.gin")]
    macros = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b|\bSTEPS\b", PAGE)) - {"XLA_FLAGS"}
    assert len(macros) > 10
    for macro in macros:
        assert any(f"\n{macro} = " in text for text in texts), macro
    defined = {
        macro for text in texts for macro in re.findall(r"^([A-Z_]+) = ", text, re.MULTILINE)
    }
    assert macros == defined


@pytest.mark.long
def test_its_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gin").symlink_to(config.RECIPE_DIR)
    records = tiny_run.write_records(tmp_path / "data" / "mine")
    tiny_run.write_recipe(tmp_path, records, tiny_run.SOUND_ALONE)
    (text,) = [text for language, text in walkthrough.blocks(PATH) if language == "sh"]
    for _, *flags in walkthrough.commands(text):
        small = [] if "--list" in flags else ["--gin_file=tiny.gin"]
        assert command.run(train, *flags, *small) == 0
    output = capsys.readouterr().out
    assert all(f"{name} " in output for name in [*WITH_ROW, *recipe_header.general()])
    done = [line for line in output.splitlines() if line.startswith("done: ")]
    assert ["mine" in line for line in done] == [False, False, True]


def test_the_anatomy_of_a_recipe_is_one(tmp_path):
    text = re.search(r"```\n(include .*?)```", PAGE, re.DOTALL)[1]
    path = tmp_path / "anatomy.gin"
    path.write_text(text)
    config.load_config([str(path)])
    assert list(bound(Recipe).views) == ["narrow", "broad_video"]
    assert bound(Recipe).views["broad_video"].sync


def test_the_example_recipe_loads(tmp_path):
    example = re.search(r"```\n(# V<->FA on our videos.*?)```", PAGE, re.DOTALL)[1]
    path = tmp_path / "ours.gin"
    path.write_text(example)
    config.load_config([str(path)])
    recipe = bound(Recipe)
    assert recipe.views["narrow"].size == 160
    assert list(recipe.views) == ["narrow", "broad_audio", "broad_flow"]

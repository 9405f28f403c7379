"""Every page: its links, the flags, files, tasks and bindings of its commands, and the README's tables."""

import importlib
import pkgutil
import re

import gin
import page_commands
import pytest
from page_commands import ROOT

from bench import discovery
from brave_tf import config, objectives
from brave_tf.configuration import recipe_header
from brave_tf.evaluation.tasks import registry
from brave_tf.training import optimizers, recipe
from brave_tf.training.settings import Settings

PAGES = sorted(
    str(path.relative_to(ROOT))
    for folder, pattern in (
        (".", "*.md"),
        ("docs", "*.md"),
        ("datasets", "*/*.md"),
        ("examples", "*/*.md"),
    )
    for path in (ROOT / folder).glob(pattern)
)
SUFFIXES = ("", "_rgb", "_flow", "_audio")
BINDING = re.compile(r"(?:[\w/]+/)?[a-zA-Z]\w*\.\w+ = [^`]+")
README = (ROOT / "README.md").read_text()


def table(text, header):
    """First cells -> other cells, of the table whose head begins with `header`."""
    rows = text[text.index(f"| {header} |") :].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {first: rest for first, *rest in cells}


def prose(page):
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(autouse=True)
def cleared():
    yield
    gin.clear_config()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", prose(page)):
        assert target.startswith("https://") or (ROOT / page).parent.joinpath(target).exists(), (
            target
        )


@pytest.mark.parametrize("page", PAGES)
def test_what_commands_name_exists(page, monkeypatch):
    text = (ROOT / page).read_text()
    written = set(re.findall(r"^```\w*\n# ([\w.]+)\n", text, re.MULTILINE))
    written |= set(re.findall(r"> ([\w.]+)$", text, re.MULTILINE))
    if page.startswith("examples"):
        monkeypatch.syspath_prepend((ROOT / page).parent)
    for words in page_commands.shell(text):
        page_commands.check(words, written)


def test_commands_of_all_kinds_are_seen():
    found = [words for page in PAGES for words in page_commands.shell((ROOT / page).read_text())]
    assert len(found) > 60
    kinds = {words[0] if words[0] != "python" else " ".join(words[:2]) for words in found}
    assert {
        "brave_tf_train",
        "brave_tf_import",
        "python -m",
        "python datasets/demo/render.py",
    } <= kinds


@pytest.fixture(scope="module")
def known_flags():
    programs = [(f"brave_tf_{name}",) for name in page_commands.COMMANDS]
    programs += [("python", "-m", "bench", name) for name in discovery.benchmarks()]
    programs += [("python", str(path)) for path in ROOT.glob("datasets/*/prepare.py")]
    programs += [("python", f"datasets/demo/{name}.py") for name in ("render", "picture")]
    return set().union(*(page_commands.flags(*program) for program in programs))


@pytest.mark.parametrize("page", PAGES)
def test_bindings_and_flags_in_the_text_exist(page, known_flags):
    quoted = re.findall(r"`([^`\n]+)`", prose(page))
    quoted += re.findall(r'--gin_bindings="(.+?)"', "\n".join(quoted))
    # A recipe imports those that it has alone.
    for package in (objectives, optimizers):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    config.load_config(["as_v_fa"])
    for binding in filter(BINDING.fullmatch, quoted):
        gin.parse_config(binding)
    for flag in re.findall(r"(?<!\S)--(\w+)", "\n".join(quoted)):
        assert flag in known_flags or flag.removeprefix("no") in known_flags, flag


def test_the_probe_that_is_shown_can_be_bound():
    (snippet,) = re.findall(
        r"```\n(import .*?)```", (ROOT / "docs/tensorboard.md").read_text(), re.DOTALL
    )
    config.load_config(["as_v_fa"], [snippet])
    assert callable(recipe.bound(Settings).probe)


def test_the_readme_has_the_recipes_of_the_main_results():
    rows = table(README, "recipe")
    named = {re.match(r"\[`(\S+)`\]", cell)[1]: cells for cell, cells in rows.items()}
    columns = README[README.index("| recipe |") :].splitlines()[0].strip("|").split("|")[2:]
    headers = {name: recipe_header.read(name) for name in recipe_header.rows()}
    main = {name for name, header in headers.items() if header.row.startswith("main results: ")}
    assert set(named) == main
    for name, (row, *figures) in named.items():
        assert headers[name].row == f"main results: {row}"
        assert headers[name].paper == {c.strip(): n for c, n in zip(columns, figures) if n}
    assert f"has all {len(headers)}" in README


def test_the_readme_has_the_evaluation_tasks():
    written = set()
    for data_sets, (protocols, _) in table(README, "data set").items():
        for data_set in re.findall(r"`(\w+)`", data_sets):
            written |= {f"{data_set}/{name}" for name in re.findall(r"`(\w+)`", protocols)}
    modules = {path.stem for path in (ROOT / "brave_tf" / "evaluation" / "tasks").glob("[a-z]*.py")}
    # Plug-ins that other tests import have tasks too.
    known = {task for task in registry.list_tasks() if task.split("/")[0] in modules}
    assert written <= known <= {f"{name}{suffix}" for name in written for suffix in SUFFIXES}

"""Reading gin recipes so that a mistake in one is an error with the nearest right names."""

from __future__ import annotations

import contextlib
import inspect
import logging
import pathlib
import re
from collections.abc import Iterator, Sequence

import gin

from brave_tf import errors

_PACKAGE = pathlib.Path(__file__).resolve().parent
# Installed, the recipes are in the package; beside it is then the library called gin.
RECIPE_DIR = next(d for d in (_PACKAGE / "gin", _PACKAGE.parent / "gin") if d.is_dir())
# The macro that holds the name of the recipe, so that a written configuration says it.
RECIPE = "RECIPE"
# gin keeps macros as parameters of a configurable of its own, scoped by the macro's name.
_MACRO = "gin.macro"


def load_config(gin_files: Sequence[str], bindings: Sequence[str] = ()) -> None:
    """Replaces gin's configuration by that of `gin_files`, then `bindings`; later ones win.

    A file is looked for as given, then among the project's recipes; so are the files it includes. The
    first of them that is a recipe gives the macro `RECIPE` its name.

    Args:
      gin_files: paths or recipe names (`gin/as_v_fa.gin`, `as_v_fa.gin`, `as_v_fa`).
      bindings: gin statements such as `train.batch_size = 2`.

    Raises:
      UserError: for an unknown file, configurable, parameter or scope, or a syntax error.
    """
    gin.clear_config()
    gin.add_config_file_search_path(str(RECIPE_DIR))
    paths = [str(find_recipe(name)) for name in gin_files]
    # gin logs every folder in which it does not find an included file, until it does.
    logging.disable(logging.ERROR)
    try:
        parsed = gin.parse_config_files_and_bindings(paths, list(bindings))
        if recipe := next(_recipes(parsed), None):
            with gin.unlock_config():
                gin.parse_config(f"{RECIPE} = {recipe!r}")
        # gin writes mappings sorted by key. What runs is what would be written, so that a run that is
        # loaded from its written configuration makes its parts in the same order.
        load_text(gin.config_str())
    except (ValueError, TypeError, SyntaxError, ImportError, OSError) as error:
        raise errors.UserError(_explain(error, gin_files, bindings)) from error
    finally:
        logging.disable(logging.NOTSET)
    _check_scopes()


def load_text(text: str) -> None:
    """Replaces gin's configuration by one that `gin.config_str` wrote."""
    gin.clear_config()
    gin.parse_config(text)


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Brings the configuration back at the end that was there at the start."""
    before = gin.config_str()
    try:
        yield
    finally:
        load_text(before)


def written_without(module: str) -> str:
    """Returns the configuration as text, without what is bound to the configurables of a module."""
    with kept():
        # gin offers no way to take a binding away.
        for key in [key for key in gin.config._CONFIG if f"{key[1]}.".startswith(f"{module}.")]:
            del gin.config._CONFIG[key]
        return gin.config_str()


def find_recipe(name: str) -> pathlib.Path:
    """Returns the path of a gin file given as a path or as the name of one of the recipes."""
    candidates = [pathlib.Path(name), RECIPE_DIR.parent / name, RECIPE_DIR / name]
    if not name.endswith(".gin"):
        candidates.append(RECIPE_DIR / f"{name}.gin")
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    known = sorted(path.name for path in RECIPE_DIR.glob("*.gin"))
    raise errors.UserError(
        f"gin file {name!r} was not found (looked for {', '.join(map(str, candidates))})."
        f"{errors.nearest(pathlib.Path(name).name, known)}"
    )


def bindings_of_others(package: str) -> str:
    """Returns a text that differs when bindings differ, but for those of what `package` defines."""
    bindings = {
        f"{scope}/{selector}": sorted(values.items())
        for (scope, selector), values in gin.config._CONFIG.items()
        if not selector.startswith(f"{package}.")
    }
    return repr(sorted(bindings.items()))


def bindings_text(packages: Sequence[str] = (), parameters: Sequence[str] = ()) -> str:
    """Returns a text that differs when bindings differ, whatever their order.

    Args:
      packages: what their configurables are bound to is left out.
      parameters: these are left out too, such as `train.data_dir`. A macro counts where a binding that is
        not left out uses it.
    """
    kept: dict[tuple[str, str], dict] = {}
    for (scope, selector), values in gin.config._CONFIG.items():
        name = selector.rpartition(".")[2]
        if selector != _MACRO and not any(f"{selector}.".startswith(f"{p}.") for p in packages):
            own = {k: v for k, v in values.items() if scope or f"{name}.{k}" not in parameters}
            kept[scope, selector] = own
    waiting = [kept]
    while waiting:
        for reference in list(gin.config.iterate_references(waiting.pop())):
            key = ("/".join(reference.scopes), _MACRO)
            if reference.selector == _MACRO and key in gin.config._CONFIG and key not in kept:
                kept[key] = gin.config._CONFIG[key]
                waiting.append({key: kept[key]})
    return repr(sorted((key, sorted(values.items())) for key, values in kept.items() if values))


def is_bound(parameter: str) -> bool:
    """Whether a parameter, such as `linear_svm.C`, has a binding."""
    try:
        gin.query_parameter(parameter)
    except ValueError:
        return False
    return True


def recipe_titles() -> dict[str, str]:
    """Returns the first line of each recipe's header, by the recipe's name."""
    paths = sorted(RECIPE_DIR.glob("*.gin"))
    return {path.stem: path.read_text().splitlines()[0].strip("# ") for path in paths}


def recipe_of(text: str) -> str | None:
    """Returns the name of the recipe that a written configuration was loaded from, None for another."""
    found = re.search(rf"^{RECIPE} = '(.+)'$", text, re.MULTILINE)
    return found and found[1]


def _recipes(parsed: Sequence[gin.config.ParsedConfigFileIncludesAndImports]) -> Iterator[str]:
    """Names the recipes among files and what they include, a file before its includes."""
    for file in parsed:
        path = find_recipe(file.filename)
        if path.resolve().parent == RECIPE_DIR:
            yield path.stem
        yield from _recipes(file.includes)


def _explain(error: Exception, gin_files: Sequence[str], bindings: Sequence[str]) -> str:
    text = errors.message(error)
    hint = ""
    configurable = re.search(r"No configurable matching (?:reference )?'@?([^'(]+)", text)
    parameter = re.search(r"onfigurable '([^']+)' .*parameter named '([^']+)'", text)
    if parameter:
        hint = errors.nearest(parameter[2], _parameters(parameter[1]))
    elif configurable:
        hint = errors.nearest(configurable[1], _configurables())
        hint += " A part that lives in its own file needs an `import` line for it in the gin file."
    sources = ", ".join([*gin_files, *(f"--gin_bindings={b!r}" for b in bindings)])
    return f"cannot use the configuration {sources}: {text}.{hint}"


def _configurables() -> list[str]:
    # gin offers no public listing of what is registered.
    return [selector.rsplit(".", 1)[-1] for selector, _ in gin.config._REGISTRY.items()]


def _parameters(configurable: str) -> list[str]:
    wrapped = gin.config._REGISTRY.get_match(configurable).wrapped
    return [name for name in inspect.signature(wrapped).parameters if name != "self"]


def _check_scopes() -> None:
    """Refuses a binding in a scope that nothing uses: gin would ignore `narow/RgbView.size`."""
    references = gin.config.iterate_references(gin.config._CONFIG)
    used = {scope for reference in references for scope in reference.scopes}
    for scope, selector in gin.config._CONFIG:
        if selector == _MACRO or not scope:
            continue
        for part in scope.split("/"):
            if part not in used:
                name = selector.rsplit(".", 1)[-1]
                raise errors.UserError(
                    f"binding {scope}/{name}: no reference uses the scope {part!r}, so it would have "
                    f"no effect.{errors.nearest(part, used)}"
                )

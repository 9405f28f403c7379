"""Reading gin recipes so that a mistake in one is an error with the nearest right names."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import pathlib
import re
import tokenize
from collections.abc import Container, Iterator, Sequence
from typing import Any

import gin

from brave_tf import compat, errors, moved
from brave_tf.configuration import (
    binding_checks,
    explanations,
    gin_statements,
    model_config,
    trust,
    written_values,
)
from brave_tf.configuration.gin_statements import MACRO, RECIPE

RECIPE_DIR = gin_statements.RECIPE_DIR
# What gin raises for a text that it cannot use.
_UNUSABLE = (
    ValueError,
    TypeError,
    SyntaxError,
    ImportError,
    OSError,
    RecursionError,
    tokenize.TokenError,
)


def load_config(
    gin_files: Sequence[str],
    bindings: Sequence[str] = (),
    for_training: bool = False,
    model: str | None = None,
    elsewhere: Container[str] = (),
) -> None:
    """Replaces gin's configuration by that of `gin_files`, then `bindings`; later ones win.

    A file is looked for as given, then among the project's recipes; one that it includes, beside it first.
    The first of them that is a recipe gives the macro `RECIPE` its name.

    Args:
      gin_files: paths or recipe names (`gin/as_v_fa.gin`, `as_v_fa.gin`, `as_v_fa`).
      bindings: gin statements such as `train.batch_size = 2`.
      for_training: also refuse bindings for parts that the recipe does not use, see
        `binding_checks.check_chosen`.
      model: path of the configuration in a model's folder, which the others win over. It is data, whoever
        made it, see `model_config`; modules that `gin_files` and `bindings` import are for it too.
      elsewhere: bindings that may have no effect here, see `binding_checks.check`.

    Raises:
      UserError: for an unknown file, configurable, parameter or scope, a syntax error, a value of a wrong
        type, a binding of the user that would have no effect, see `binding_checks.check`, a macro or a call
        that refers to itself, or a model's configuration that is more than data.
    """
    gin.clear_config()
    try:
        with _explained([*filter(None, [model]), *gin_files], bindings):
            sources = _sources(gin_files, bindings)
            _trust_imports(sources)
            if model is not None:
                sources.insert(0, model_config.source_of(model))
            bound = gin_statements.bindings_of(sources)
            _parse(sources)
            gin.finalize()
            binding_checks.check(bound, elsewhere)
            if for_training:
                binding_checks.check_chosen(bound, elsewhere)
            _settle(sources, binding_checks.unused_macros(bound))
            written_values.size_of(written_values.bindings_in(gin.config_str()))
    except BaseException:
        gin.clear_config()
        raise


def binds(configurable: str, gin_files: Sequence[str], bindings: Sequence[str]) -> bool:
    """Whether a configurable is bound by `gin_files` or `bindings`, neither of which is loaded.

    Raises:
      UserError: a file is not found or cannot be read.
    """
    with _explained(gin_files, bindings):
        found = gin_statements.bindings_of(_sources(gin_files, bindings))
    return any(each.configurable.rpartition(".")[2] == configurable for each in found)


def load_known(gin_files: Sequence[str], bindings: Sequence[str]) -> None:
    """Does what `load_config` does, but leaves out what is bound to parts that nothing has imported.

    It is for what the files say of further files, which import the rest. Nothing is checked.

    Raises:
      UserError: a file is not found or cannot be read.
    """
    gin.clear_config()
    try:
        with _explained(gin_files, bindings):
            _parse(_sources(gin_files, bindings), skip_unknown=True)
    except BaseException:
        gin.clear_config()
        raise


def load_text(text: str) -> None:
    """Replaces gin's configuration by one that `gin.config_str` wrote."""
    gin.clear_config()
    gin.parse_config(text)


@dataclasses.dataclass(frozen=True)
class Configuration:
    """What gin holds, to be loaded again.

    Attributes:
      imports: statements that import what is bound, such as `import brave_tf.training.run`.
      bindings: (scope, whole name of the configurable) -> parameter -> value.
    """

    imports: list[str]
    bindings: dict[tuple[str, str], dict[str, Any]]

    def load(self) -> None:
        """Replaces gin's configuration by this one."""
        gin.clear_config()
        gin.parse_config(self.imports)
        for key, values in self.bindings.items():
            for parameter, value in values.items():
                gin.bind_parameter((*key, parameter), value)

    def without(self, *names: str) -> Configuration:
        """Returns the same but for what is bound to some configurables or to all those of some modules."""
        others = {
            key: values
            for key, values in self.bindings.items()
            if not any(_is_in(key[1], name) for name in names)
        }
        return Configuration(self.imports, others)


def loaded() -> Configuration:
    """Returns the configuration that is loaded."""
    # Imports come first, above the heading of what is bound.
    text = gin.config_str().partition("\n# ")[0]
    imports = gin_statements.imports_of(gin_statements.GinText("imports", text))
    return Configuration([each.format() for each in imports], compat.gin_bindings())


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Brings the configuration back at the end that was there at the start."""
    before = loaded()
    try:
        yield
    finally:
        before.load()


def find_recipe(name: str) -> pathlib.Path:
    """Returns the path of a gin file given as a path or as the name of one of the recipes.

    Raises:
      UserError: there is no such file; the message has the nearest names.
    """
    return gin_statements.find(name)


def bindings_of_others(package: str) -> str:
    """Returns a text that differs when bindings differ, but for those of what `package` defines."""
    bindings = {
        f"{scope}/{moved.former_name(selector)}": sorted(values.items())
        for (scope, selector), values in compat.gin_bindings().items()
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
    bindings = compat.gin_bindings()
    counted: dict[tuple[str, str], dict] = {}
    for (scope, selector), values in bindings.items():
        name = selector.rpartition(".")[2]
        if selector != MACRO and not any(_is_in(selector, package) for package in packages):
            own = {k: v for k, v in values.items() if scope or f"{name}.{k}" not in parameters}
            counted[scope, selector] = own
    waiting = [counted]
    while waiting:
        for reference in list(gin.config.iterate_references(waiting.pop())):
            key = ("/".join(reference.scopes), MACRO)
            if reference.selector == MACRO and key in bindings and key not in counted:
                counted[key] = bindings[key]
                waiting.append({key: counted[key]})
    return repr(
        sorted(
            ((scope, moved.former_name(selector)), sorted(values.items()))
            for (scope, selector), values in counted.items()
            if values
        )
    )


def is_bound(parameter: str) -> bool:
    """Whether a parameter, such as `linear_svm.C`, has a binding."""
    try:
        gin.query_parameter(parameter)
    except ValueError:
        return False
    return True


def referenced(parameter: str) -> list[str]:
    """Returns the whole names of the configurables that the value of a bound parameter refers to."""
    value = gin.query_parameter(parameter)
    return [each.configurable.selector for each in gin.config.iterate_references({"": {"": value}})]


@contextlib.contextmanager
def _explained(gin_files: Sequence[str], bindings: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except _UNUSABLE as error:
        if isinstance(error, errors.UserError):
            raise
        raise errors.UserError(explanations.explain(error, gin_files, bindings)) from error


def _sources(gin_files: Sequence[str], bindings: Sequence[str]) -> list[gin_statements.GinText]:
    return [gin_statements.source_of(name) for name in gin_files] + _given(bindings)


def _parse(sources: Sequence[gin_statements.GinText], skip_unknown: bool = False) -> None:
    # gin logs each way in which it does not find an included file, until it does.
    logging.disable(logging.ERROR)
    try:
        for source in sources:
            gin_statements.parse(source, skip_unknown)
    finally:
        logging.disable(logging.NOTSET)


def _given(bindings: Sequence[str]) -> list[gin_statements.GinText]:
    """Returns a source for each binding: text that is not closed in one is not closed by the next."""
    for text in bindings:
        if not re.sub(r"#.*", "", text).strip():
            raise errors.UserError(
                f"--gin_bindings={text!r} binds nothing: expected a statement such as 'train.batch_size = 2'."
            )
    return [
        gin_statements.GinText(
            f"--gin_bindings={text!r}", moved.present_text(text, "--gin_bindings")
        )
        for text in bindings
    ]


def _trust_imports(sources: Sequence[gin_statements.GinText]) -> None:
    """Has models use the modules that the user's files import; for those of the package there are rules."""
    modules = {each.module for source in sources for each in gin_statements.imports_of(source)}
    trust.allow(
        module for module in modules if module.partition(".")[0] not in ("brave_tf", "__gin__")
    )


def _settle(sources: Sequence[gin_statements.GinText], unused: Sequence[str]) -> None:
    """Leaves what would be written, with the name of the recipe and without macros that have no use.

    gin writes mappings sorted by key. What runs is what would be written, so that a run that is loaded from
    its written configuration makes its parts in the same order.
    """
    named = [
        file for source in sources for file in gin_statements.files_of(source) if file.is_recipe
    ]
    found = loaded()
    for name in unused:
        found.bindings.pop((name, MACRO), None)
    if named:
        found.bindings[RECIPE, MACRO] = {"value": named[0].path.stem}
    found.load()
    load_text(gin.config_str())


def _is_in(selector: str, module: str) -> bool:
    return f"{selector}.".startswith(f"{module}.")

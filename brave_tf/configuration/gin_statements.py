"""Gin files as they are written: statements, where each comes from, and the files that they include."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gin
from gin import config_parser, resource_reader

from brave_tf import errors, moved

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]
# Installed, the recipes are in the package; beside it is then the library called gin.
RECIPE_DIR = next(d for d in (_PACKAGE / "gin", _PACKAGE.parent / "gin") if d.is_dir())
# gin keeps macros as the parameter `value` of a configurable of its own, scoped by the macro's name.
MACRO = "gin.macro"
# The macro that holds the name of the recipe, so that a written configuration says it.
RECIPE = "RECIPE"
# Before the path of a file that gin is given: it is read by `_open`, whatever is in the working directory.
_RESOLVED = "brave_tf file "
# What `gin.config_str` writes above the bindings of one thing.
WRITTEN = re.compile(r"^# (?:Macros|Parameters for .+):\n# ={70,}$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Reference:
    """A value `@scopes/configurable`, with `()` behind it if it is `evaluated`; it looks as it is written.

    `%macro` is a reference to `MACRO` in the scopes of its name, and not `evaluated`.
    """

    scopes: tuple[str, ...]
    configurable: str
    evaluated: bool = False

    def __repr__(self) -> str:
        if self.configurable == MACRO:
            return "%" + "/".join(self.scopes)
        return "@" + "/".join([*self.scopes, self.configurable]) + "()" * self.evaluated


@dataclasses.dataclass(frozen=True)
class GinText:
    """A text with gin statements.

    Attributes:
      name: as messages call it.
      text: its content.
      path: of the file; None for a binding of the command line.
      included_by: the source with the `include`, None for one that was asked for by name.
    """

    name: str
    text: str
    path: pathlib.Path | None = None
    included_by: GinText | None = None

    @property
    def of_package(self) -> bool:
        """Whether it is a file of the package, recipe, fragment or overlay."""
        return self.path is not None and RECIPE_DIR in self.path.parents

    @property
    def is_recipe(self) -> bool:
        """Whether it is one of the package's recipes, or what a stage of one binds."""
        return self.path is not None and self.path.parent in (RECIPE_DIR, RECIPE_DIR / "stages")

    @property
    def is_written(self) -> bool:
        """Whether `gin.config_str` wrote it, with macros that may have no use."""
        return bool(WRITTEN.search(self.text))

    def chain(self) -> list[GinText]:
        """The source, that which includes it, and so on, up to the one that was asked for."""
        return [self, *(self.included_by.chain() if self.included_by else [])]


@dataclasses.dataclass(frozen=True)
class Binding:
    """A statement that binds a parameter, or a macro.

    Attributes:
      scope: scopes with `/` between them; the name of a macro.
      configurable: its name as written; `MACRO` for a macro.
      parameter: name of the parameter.
      value: the literal, in which references are `Reference`s.
      source: where it stands.
      line: number of its line there, from 1.
    """

    scope: str
    configurable: str
    parameter: str
    value: Any
    source: GinText
    line: int

    @property
    def key(self) -> str:
        """What is bound, as it is written in gin."""
        if self.configurable == MACRO:
            return self.scope
        return "/".join(filter(None, [self.scope, f"{self.configurable}.{self.parameter}"]))

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return self.source.name + (f", line {self.line}" if self.source.path else "")


def values_in(value: Any) -> Iterator[Any]:
    """Yields the literals, references and macros in a value, of whatever parser."""
    if isinstance(value, Mapping):
        for pair in value.items():
            yield from values_in(pair)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from values_in(each)
    else:
        yield value


def find(name: str) -> pathlib.Path:
    """Returns the path of a gin file given as a path or as the name of one of the recipes.

    Raises:
      UserError: there is no such file; the message has the nearest names.
    """
    candidates = [pathlib.Path(name), *_of_package(name)]
    path = _first(candidates)
    if path is None:
        raise _unknown(name, candidates)
    return path


def source_of(name: str) -> GinText:
    """Returns the source of a file given as for `find`.

    Raises:
      UserError: there is none.
      OSError, UnicodeDecodeError: it cannot be read.
    """
    path = find(name)
    return GinText(name, _text(path), path.resolve())


def bindings_of(sources: Sequence[GinText]) -> list[Binding]:
    """Returns the bindings of sources and of what they include, in gin's order.

    Raises:
      UserError: a file includes itself, or one that is not found.
      OSError, SyntaxError, UnicodeDecodeError: one cannot be read.
    """
    return [binding for source in sources for binding in _bindings(source)]


def files_of(source: GinText) -> list[GinText]:
    """Returns a source and all that it includes, a file before its includes."""
    included = [s.included for s in _statements(source) if isinstance(s, _Include)]
    return [source, *(file for each in included for file in files_of(each))]


def imports_of(source: GinText) -> list[config_parser.ImportStatement]:
    """Returns the imports of a source and of what it includes."""
    found = [statement for file in files_of(source) for statement in _statements(file)]
    return [each for each in found if isinstance(each, config_parser.ImportStatement)]


def parse(source: GinText, skip_unknown: bool = False) -> None:
    """Has gin read a source; a file that it includes is looked for beside it first.

    With `skip_unknown`, what is bound to configurables that gin does not know is left out.

    Raises:
      ValueError, TypeError, SyntaxError, ImportError, OSError: see `gin.parse_config`.
    """
    with _numbered(source) as file:
        gin.parse_config(file, skip_unknown=skip_unknown)


@dataclasses.dataclass(frozen=True)
class _Include:
    included: GinText
    line: int
    end: int


class _Names(config_parser.ParserDelegate):
    """Keeps references as names: nothing is looked up, nothing is imported."""

    def configurable_reference(self, scoped_configurable_name: str, evaluate: bool) -> Reference:
        *scopes, name = scoped_configurable_name.split("/")
        macro = name == "macro"
        return Reference(tuple(scopes), MACRO if macro else name, evaluate and not macro)

    def macro(self, macro_name: str) -> Reference:
        return Reference(tuple(macro_name.split("/")), MACRO)


def _statements(source: GinText) -> Iterator[Any]:
    """Gives gin's statements of a source; includes are `_Include`s."""
    file = io.StringIO(source.text)
    file.name = source.name
    parsed = list(config_parser.ConfigParser(file, _Names()))
    starts = [statement.location.line_num for statement in parsed[1:]]
    for statement, following in zip(parsed, [*starts, source.text.count("\n") + 2]):
        if isinstance(statement, config_parser.IncludeStatement):
            included = _included(statement.filename, source)
            yield _Include(included, statement.location.line_num, following)
        else:
            yield statement


def _bindings(source: GinText) -> Iterator[Binding]:
    for statement in _statements(source):
        if isinstance(statement, _Include):
            yield from _bindings(statement.included)
        elif isinstance(statement, config_parser.BindingStatement):
            scope, name, parameter, value, location = statement
            if not parameter:
                scope, name, parameter = "/".join(filter(None, [scope, name])), MACRO, "value"
            elif name == "macro":
                name = MACRO
            yield Binding(scope, name, parameter, value, source, location.line_num)


def _included(name: str, by: GinText) -> GinText:
    """Finds an included file: beside the including one, then as given, then in packages.

    What the package's own files include is not looked for in the working directory.
    """
    above = {source.path for source in by.chain()}
    beside = [] if by.path is None else [by.path.parent / name]
    given = [] if by.of_package else [pathlib.Path(name)]
    candidates = [*beside, *given, *_of_package(name)]
    path = _first([each for each in candidates if each.resolve() not in above])
    if path is None and resource_reader.system_path_file_exists(name):
        with resource_reader.system_path_reader(name) as file:
            path = pathlib.Path(file.name)
    if path is None:
        if _first(candidates):
            chain = " by ".join(source.name for source in by.chain())
            raise errors.UserError(
                f"include {name!r}: the file includes itself, {chain}. Take the line out."
            )
        raise _unknown(name, candidates, f" included by {by.name}")
    return GinText(name, _text(path), path.resolve(), by)


def _of_package(name: str) -> list[pathlib.Path]:
    candidates = [RECIPE_DIR.parent / name, RECIPE_DIR / name]
    return candidates + ([] if name.endswith(".gin") else [RECIPE_DIR / f"{name}.gin"])


def _first(candidates: Sequence[pathlib.Path]) -> pathlib.Path | None:
    return next((path for path in candidates if path.is_file()), None)


def _unknown(name: str, candidates: Sequence[pathlib.Path], role: str = "") -> errors.UserError:
    known = sorted(path.name for path in RECIPE_DIR.glob("*.gin"))
    return errors.UserError(
        f"gin file {name!r}{role} was not found (looked for {', '.join(map(str, candidates))})."
        f"{errors.did_you_mean(pathlib.Path(name).name, known)}"
    )


def _text(path: pathlib.Path) -> str:
    # Editors of Windows put a mark before UTF-8.
    return moved.present_text(path.read_text(encoding="utf-8-sig"), str(path))


@contextlib.contextmanager
def _numbered(source: GinText) -> Iterator[io.StringIO]:
    """Gives the text as gin reads it: includes name the files that were found, lines keep their numbers."""
    # As the parser counts them: other separators may stand in comments and in text.
    lines, keys = source.text.split("\n"), []
    for include in _statements(source):
        if isinstance(include, _Include):
            keys.append(f"{_RESOLVED}{len(_FOUND)}")
            _FOUND[keys[-1]] = include.included
            blank = [""] * (include.end - include.line - 1)
            lines[include.line - 1 : include.end - 1] = [f"include {keys[-1]!r}", *blank]
    file = io.StringIO("\n".join(lines) + "\n")
    file.name = source.name
    try:
        yield file
    finally:
        for key in keys:
            del _FOUND[key]


# What is being read: name that gin is given -> source.
_FOUND: dict[str, GinText] = {}
gin.config.register_file_reader(lambda key: _numbered(_FOUND[key]), lambda key: key in _FOUND)

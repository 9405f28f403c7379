"""The configuration that a model's folder brings is data: what it may say, and what is refused.

It is read by a parser of its own, which knows bindings of the package's configurables, literals, macros,
references to the parts that models are made of, imports of the package's modules and includes of its
recipes. gin is then given what that parser has understood, written anew, and never the file itself. Modules
of others have to be named by the user, see `trust`.
"""

from __future__ import annotations

import importlib
import io
import pathlib
import re
import tokenize
from collections.abc import Iterator
from typing import Any

from gin import config_parser

from brave_tf import errors, moved
from brave_tf.configuration import gin_statements, trust, value_types, written_values
from brave_tf.configuration.gin_statements import RECIPE_DIR, GinText, values_in
from brave_tf.configuration.written_values import AsWritten, Reference, macro_of
from brave_tf.storage import files

# A recipe of the package makes 4 kB.
_MOST_BYTES = 256 * 1024
# gin reads a text of several parts, such as 'a' 'b', once for each part.
_MOST_PARTS = 500
_MOST_STATEMENTS = 2000
_LONGEST_MESSAGE = 500
_IMPORTED = re.compile(r"brave_tf\.(?:data|evaluation|models|objectives|training)(?:\.\w+)+")
# Making one of these reads no file, writes none and starts nothing.
_PARTS = re.compile(
    r"brave_tf\.(?:data\.(?:augment|views|pipeline\.clip_fields)|models|objectives"
    r"|training\.(?:labelled_recipe|optimizers))(?:\.|$)"
)
_SETTINGS = "brave_tf.training.settings.train"
# They are called by training alone, which hands them the rest.
_CALLED_BY_TRAINING = {
    (_SETTINGS, "probe"): re.compile(r"brave_tf\.evaluation\.protocols\.online_knn"),
    (_SETTINGS, "monitors"): re.compile(r"brave_tf\.training\.monitors\.\w+"),
}
# Addresses that processes of the run listened at: a model is used without them.
_ADDRESSES = {(_SETTINGS, "data_service"), (_SETTINGS, "tpu")}
_DYNAMIC = "__gin__"
_WITHIN_TEXT = (tokenize.STRING, tokenize.NL, tokenize.COMMENT)


def read_text(path: str | pathlib.Path) -> str:
    """Returns the text of a configuration that a model's folder brings.

    Raises:
      UserError: it is no file in that folder, longer than a configuration is, or no text.
    """
    path = pathlib.Path(path)
    try:
        if path.resolve().parent != path.parent.resolve():
            raise _refused(path, "it is a link that leads out of the folder")
        text = files.read_small(path, _MOST_BYTES).decode("utf-8-sig")
        return moved.present_text(text.replace("\r\n", "\n").replace("\r", "\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(path, f"it cannot be read as text: {error}") from error


def source_of(path: str | pathlib.Path) -> GinText:
    """Reads a configuration that a model's folder brings, once it is found to be data.

    Modules of the package, and those that the user has named, are imported.

    Returns:
      What it says, written anew, each statement on its line.

    Raises:
      UserError: it says something that the configuration of a model may not say.
      ImportError, ValueError: it names what does not exist.
    """
    path = pathlib.Path(path)
    text = read_text(path)
    try:
        found = list(_statements(path, text))
    except (SyntaxError, ValueError, TypeError, tokenize.TokenError) as error:
        raise _refused(path, errors.message(error)[:_LONGEST_MESSAGE]) from error
    except (RecursionError, MemoryError) as error:
        raise _refused(path, "its values are nested too deeply") from error
    if len(found) > _MOST_STATEMENTS:
        raise _refused(path, f"it has more than {_MOST_STATEMENTS} statements")
    imports = [each for each in found if isinstance(each, config_parser.ImportStatement)]
    for each in imports:
        _check_import(each, path)
    for each in found:
        if isinstance(each, config_parser.IncludeStatement):
            imports += _imports_of_recipe(each, path)
    dynamic = any(each.module.startswith(f"{_DYNAMIC}.") for each in imports)
    if not dynamic:
        for each in imports:
            importlib.import_module(each.module)
    bindings = [each for each in found if isinstance(each, config_parser.BindingStatement)]
    try:
        written_values.check_size(bindings)
    except ValueError as error:
        raise _refused(path, str(error)) from error
    for each in bindings:
        if not dynamic:
            _check_binding(each, path)
    return GinText(str(path), _written(found, text), path.resolve())


def _statements(path: pathlib.Path, text: str) -> Iterator[Any]:
    if "\0" in text:
        raise SyntaxError("it holds a null byte")
    parts = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        parts = parts + 1 if token.type == tokenize.STRING else parts
        parts = parts if token.type in _WITHIN_TEXT else 0
        if parts > _MOST_PARTS:
            raise SyntaxError(f"line {token.start[0]}: a text has more than {_MOST_PARTS} parts")
    file = io.StringIO(text)
    file.name = str(path)
    for statement in config_parser.ConfigParser(file, AsWritten()):
        if not isinstance(statement, config_parser.BlockDeclaration):
            yield statement


def _written(statements: list[Any], text: str) -> str:
    lines = [""] * (text.count("\n") + 2)
    for each in statements:
        index = each.location.line_num - 1
        if isinstance(each, config_parser.ImportStatement):
            lines[index] = each.format()
        elif isinstance(each, config_parser.IncludeStatement):
            lines[index] = f"include {str(_recipe(each.filename))!r}"
        elif _parameter(each) not in _ADDRESSES:
            key = "/".join(filter(None, [each.scope, each.selector]))
            key = ".".join(filter(None, [key, each.arg_name]))
            lines[index] = f"{key} = {each.value!r}"
    # `GinText.is_written` knows a text of gin's by this.
    mark = gin_statements.WRITTEN.search(text)
    return "\n".join([*lines, mark[0] if mark else "", ""])


def _check_import(statement: config_parser.ImportStatement, path: pathlib.Path) -> None:
    module = statement.module
    if _IMPORTED.fullmatch(module) or trust.covers(module):
        return
    if module.startswith(f"{_DYNAMIC}."):
        module = _DYNAMIC
        what = "it makes every function of the modules that it imports a part"
    else:
        what = "a model imports nothing but parts of brave_tf"
    raise _refused(
        _place(path, statement),
        f"{statement.format()!r}: {what}",
        f"If the model needs {module}, and you know and trust it, add --trust={module}, or a --gin_file with "
        "that line.",
    )


def _recipe(name: str) -> pathlib.Path | None:
    """Finds an included file among those of the package."""
    for folder in (RECIPE_DIR.parent, RECIPE_DIR):
        path = (folder / name).resolve()
        if RECIPE_DIR.resolve() in path.parents and path.is_file():
            return path
    return None


def _imports_of_recipe(
    statement: config_parser.IncludeStatement, path: pathlib.Path
) -> list[config_parser.ImportStatement]:
    found = _recipe(statement.filename)
    if found is None:
        raise _refused(
            _place(path, statement),
            f"include {statement.filename!r}: a model includes nothing but recipes of brave_tf",
        )
    return gin_statements.imports_of(gin_statements.source_of(str(found)))


def _check_binding(binding: config_parser.BindingStatement, path: pathlib.Path) -> None:
    place = _place(path, binding)
    if macro_of(binding) is None:
        found = _registered(binding.selector)
        module = found.wrapped.__module__
        if not (module.startswith("brave_tf.") or trust.covers(module)):
            raise _refused(place, f"{binding.selector} is no part of brave_tf", _naming(module))
    for reference in filter(lambda value: isinstance(value, Reference), values_in(binding.value)):
        module = _registered(reference.name).wrapped.__module__
        if _PARTS.match(module) or trust.covers(module):
            continue
        called = _CALLED_BY_TRAINING.get(_parameter(binding))
        listed = binding.value if isinstance(binding.value, (list, tuple)) else [binding.value]
        if not (
            called and called.fullmatch(module) and reference in listed and not reference.evaluated
        ):
            raise _refused(
                place,
                f"{reference} is none of the views, augmentations, backbones, objectives, optimizers and "
                "schedules that a model is made of",
                _naming(module),
            )


def _parameter(binding: config_parser.BindingStatement) -> tuple[str, str]:
    """Returns the whole name of what is bound, of which any end that is not ambiguous may be written."""
    found = value_types.registered(binding.selector)
    return found.selector if found else binding.selector, binding.arg_name


def _registered(name: str) -> Any:
    found = value_types.registered(name)
    if found is None:
        raise ValueError(f"No configurable matching '{name}'")
    return found


def _place(path: pathlib.Path, statement: Any) -> str:
    return f"{path}, line {statement.location.line_num}"


def _naming(module: str) -> str:
    if module.startswith(("brave_tf.", "gin.")):
        return ""
    return f"If you know and trust {module}, add --trust={module}, or a --gin_file that imports it."


def _refused(place: str | pathlib.Path, why: str, advice: str = "") -> errors.UserError:
    text = f"{place} is refused as the configuration of a model: {why.rstrip('.')}."
    return errors.UserError(f"{text} {advice}".rstrip())

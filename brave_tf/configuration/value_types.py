"""Values of bindings against the types that their parameters are annotated with."""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import difflib
import itertools
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Union

import gin

from brave_tf import compat, errors
from brave_tf.configuration import annotations
from brave_tf.configuration.gin_statements import MACRO, Binding, Reference

# What a parameter of these types takes, as messages say it.
_LITERALS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "text in quotes",
    type(None): "None",
}
_UNIONS = (Union, getattr(types, "UnionType", Union))
# Of `training.optimizers.schedules`: numbers of it are from 0.
_RATE = "LearningRate"
_MOST_EXAMPLES = 3
_MOST_VARIANTS = 200


def check(binding: Binding, value: Any, macros: Iterable[Binding] = ()) -> None:
    """Compares a value with the annotation of its parameter. Nothing is called.

    Args:
      binding: of the parameter.
      value: what is bound in the end: literals and `Reference`s. A reference to a macro is one to a constant.
      macros: bindings that the value comes from.

    Raises:
      UserError: it is of another type.
    """
    found = registered(binding.configurable)
    parameter = found and annotations.parameters_of(found.wrapped).get(binding.parameter)
    if not parameter:
        return
    kind = annotations.parameter_type(found.wrapped, binding.parameter)
    rate = str(parameter.annotation).rpartition(".")[2] == _RATE
    negative = rate and isinstance(value, (int, float)) and value < 0
    # A default of another type than its annotation, such as None, says that this type is taken too.
    as_default = type(value) is type(parameter.default) and not _fits(parameter.default, kind)
    if (as_default or _fits(value, kind)) and not negative:
        return
    variants = itertools.islice(_variants(value), _MOST_VARIANTS)
    mended = next((each for each in variants if _fits(each, kind)), None)
    advice = "" if mended is None else f" Write {binding.key} = {mended!r}."
    from_macros = "".join(f", {each.key}: {each.place}" for each in macros)
    raise errors.UserError(
        f"{binding.key} = {value!r}: expected {_expected(kind, value)}{' from 0' * negative} "
        f"({binding.place}{from_macros}).{advice}"
    )


def registered(configurable: str) -> Any:
    """Returns what gin knows of a configurable, None where a file has names of its own for it."""
    with contextlib.suppress(KeyError, ValueError):
        return gin.config.ConfigurableReference(configurable, evaluate=False).configurable
    return None


def _fits(value: Any, kind: Any) -> bool:
    """Whether a literal, or what a reference stands for, is of a type."""
    base, arguments = _parts(kind)
    if base in _UNIONS:
        return any(_fits(value, each) for each in arguments)
    if isinstance(value, Reference):
        return _reference_fits(value, kind)
    if base is typing.Literal:
        return value in arguments
    # Whatever is no class is not known, and arrays are made of any numbers.
    if not isinstance(base, type) or hasattr(base, "__array__") or base is object:
        return True
    if base in (bool, int, float):
        # For Python, True is the number 1.
        return type(value) in ((int, float) if base is float else (base,))
    if isinstance(value, (list, tuple)) and _is_sequence(base):
        return _items_fit(value, base, arguments)
    if isinstance(value, str) and base is not str and _is_sequence(base):
        return False
    with contextlib.suppress(TypeError):
        if not isinstance(value, base):
            return False
    if isinstance(value, Mapping) and len(arguments) == 2:
        return all(_fits(k, arguments[0]) and _fits(v, arguments[1]) for k, v in value.items())
    return True


def _items_fit(items: list | tuple, base: type, arguments: tuple) -> bool:
    if base is tuple and arguments and arguments[-1] is not Ellipsis:
        return len(items) == len(arguments) and all(map(_fits, items, arguments))
    return not arguments or all(_fits(each, arguments[0]) for each in items)


def _reference_fits(reference: Reference, kind: Any) -> bool:
    found = registered(reference.configurable)
    # Macros that are not bound are constants of gin's.
    if reference.configurable == MACRO or found is None:
        return True
    result = annotations.result_type(found.wrapped)
    if reference.evaluated:
        return _is_kind(result, kind)
    base, arguments = _parts(kind)
    if base is collections.abc.Callable:
        return _is_kind(result, arguments[-1] if arguments else Any)
    if base is type:
        return isinstance(found.wrapped, type) and _is_kind(result, (*arguments, Any)[0])
    return not isinstance(base, type) or isinstance(found.wrapped, base)


def _is_kind(given: Any, kind: Any) -> bool:
    """Whether what is annotated as `given` can be used as `kind`."""
    (got, got_arguments), (base, arguments) = _parts(given), _parts(kind)
    if base in _UNIONS:
        return any(_is_kind(given, each) for each in arguments)
    if got in _UNIONS:
        return any(_is_kind(each, kind) for each in got_arguments)
    if not (isinstance(got, type) and isinstance(base, type)):
        return True
    if base is collections.abc.Callable:
        return _is_call(given, arguments[-1] if arguments else Any)
    if hasattr(base, "__array__") and hasattr(got, "__array__"):
        return True
    if str not in (base, got) and _is_sequence(base) and _is_sequence(got):
        return True
    return issubclass(got, base) or (base is float and got is int)


def _is_call(given: Any, result: Any) -> bool:
    """Whether what is annotated as `given` can be called for a `result`."""
    got, arguments = _parts(given)
    if got is collections.abc.Callable:
        return _is_kind(arguments[-1] if arguments else Any, result)
    # The result itself, such as a model, can often be called too, for something else.
    known = isinstance(_parts(result)[0], type) or _parts(result)[0] in _UNIONS
    if not issubclass(got, collections.abc.Callable) or (known and _is_kind(given, result)):
        return False
    return _is_kind(annotations.result_type(got.__call__), result)


def _parts(kind: Any) -> tuple[Any, tuple]:
    """Returns a type without its arguments, and these; None for one that is not known."""
    if kind is Any:  # For some versions of Python it is a class.
        return None, ()
    if hasattr(kind, "__metadata__"):  # An `Annotated`.
        return _parts(kind.__origin__)
    return typing.get_origin(kind) or kind, typing.get_args(kind)


def _is_container(value: Any) -> bool:
    return isinstance(value, (list, tuple, Mapping))


def _is_sequence(kind: type) -> bool:
    return kind is not object and (issubclass(list, kind) or issubclass(kind, (list, tuple)))


def _variants(value: Any) -> Iterator[Any]:
    """Gives what may have been meant, with one part of the value written otherwise."""
    if isinstance(value, Reference):
        yield dataclasses.replace(value, evaluated=not value.evaluated)
    elif isinstance(value, str) and registered(value):
        yield from (Reference((), value, evaluated) for evaluated in (False, True))
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            for variant in _variants(each):
                yield type(value)([*value[:index], variant, *value[index + 1 :]])
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from ({**value, key: variant} for variant in _variants(each))
    yield [value]


def _expected(kind: Any, value: Any) -> str:
    """Says what a type takes, with examples that are near to what was given."""
    base, arguments = _parts(kind)
    if base in _UNIONS:
        return " or ".join(_expected(each, value) for each in arguments)
    if base in _LITERALS:
        return _LITERALS[base]
    if base is typing.Literal:
        return f"one of {', '.join(map(repr, arguments))}"
    if base is collections.abc.Callable:
        result = arguments[-1] if arguments else Any
        return f"a reference to what makes {_named(result)}{_examples(result, False, value)}"
    if not isinstance(base, type):
        return _named(kind)
    items = [each for each in arguments if each is not Ellipsis]
    if base is tuple and items and len(items) == len(arguments):
        return f"({', '.join(_expected(each, value) for each in items)})"
    if _is_sequence(base):
        each = f", each {_expected(items[0], value)}" if items else ""
        return f"a list [...]{each}"
    if issubclass(base, Mapping):
        pair = f": {' -> '.join(_expected(each, value) for each in items)}" if items else ""
        return f"a mapping {{...}}{pair}"
    return f"{_named(kind)}{_examples(kind, True, value)}"


def _named(kind: Any) -> str:
    base, arguments = _parts(kind)
    if base in _UNIONS:
        return " or ".join(map(_named, arguments))
    if base is collections.abc.Callable:
        return f"a function that makes {_named(arguments[-1])}" if arguments else "a function"
    return "anything" if kind is Any else getattr(base, "__name__", str(base))


def _examples(kind: Any, evaluated: bool, value: Any) -> str:
    results = {
        selector.rpartition(".")[2]: annotations.result_type(registered(selector).wrapped)
        for selector in compat.gin_configurables()
    }
    names = [name for name, result in results.items() if _is_known_as(result, kind)]
    near = difflib.get_close_matches(_first_name(value), names, _MOST_EXAMPLES)
    names.sort(key=lambda name: (name not in near, results[name] is not kind, name))
    shown = [f"@{name}{'()' * evaluated}" for name in names[:_MOST_EXAMPLES]]
    return f", such as {', '.join(shown)}" if shown else ""


def _is_known_as(result: Any, kind: Any) -> bool:
    return isinstance(_parts(result)[0], type) and _is_kind(result, kind)


def _first_name(value: Any) -> str:
    while _is_container(value):
        value = next(iter(value.values() if isinstance(value, Mapping) else value), None)
    return value.configurable if isinstance(value, Reference) else str(value)

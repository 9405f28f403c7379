"""What callables are annotated to take and to return, as types."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import inspect
import sys
import typing
from typing import Any, Callable


def parameters_of(thing: Callable) -> dict[str, inspect.Parameter]:
    """Returns the parameters of a callable by name; none where Python knows no signature."""
    with contextlib.suppress(ValueError):
        return dict(inspect.signature(thing).parameters)
    return {}


@functools.cache
def parameter_type(thing: Callable, parameter: str) -> Any:
    """Returns the type of a parameter, `Any` where it is not annotated or the annotation is not known."""
    found = parameters_of(thing).get(parameter)
    return Any if found is None else _plain(_evaluated(found.annotation, thing))


@functools.cache
def result_type(thing: Callable) -> Any:
    """Returns the type of what a call returns, `Any` where that is not known."""
    if isinstance(thing, type):
        return thing
    with contextlib.suppress(ValueError):
        return _plain(_evaluated(inspect.signature(thing).return_annotation, thing))
    return Any


def _evaluated(annotation: Any, thing: Callable) -> Any:
    if not isinstance(annotation, str):
        return annotation
    modules = [each.__module__ for each in getattr(thing, "__mro__", [thing])]
    try:
        tree = _Unions().visit(ast.parse(annotation, mode="eval"))
    except SyntaxError:
        return Any
    code = compile(ast.fix_missing_locations(tree), "<annotation>", "eval")
    for module in filter(None, map(sys.modules.get, modules)):
        # A name may be that of another module of the classes, or of one imported for type checkers alone.
        with contextlib.suppress(NameError, AttributeError, TypeError):
            return eval(code, {**vars(module), _UNION: typing.Union})
    return Any


def _plain(kind: Any) -> Any:
    if isinstance(kind, dataclasses.InitVar):
        return kind.type
    if kind is inspect.Signature.empty or isinstance(kind, (str, typing.TypeVar)):
        return Any
    return type(None) if kind is None else kind


_UNION = "union of types"


class _Unions(ast.NodeTransformer):
    """Writes `a | b` as a `Union`: Python before 3.10 knows it in no other way."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:  # noqa: N802 (name of ast's)
        self.generic_visit(node)
        if not isinstance(node.op, ast.BitOr):
            return node
        both = ast.Tuple([node.left, node.right], ast.Load())
        return ast.Subscript(ast.Name(_UNION, ast.Load()), both, ast.Load())

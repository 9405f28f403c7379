"""What is public is documented and typed."""

import importlib
import inspect
import pathlib
import pkgutil
import re

import gin
import pytest

import brave_tf

KINDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
MODULES = sorted(info.name for info in pkgutil.walk_packages(brave_tf.__path__, "brave_tf."))


def public(module):
    """Name -> class, function or method, of what a module defines for others."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield name, value
            for member, defined in vars(value).items():
                if not member.startswith("_") and isinstance(
                    defined, (property, classmethod, staticmethod, type(public))
                ):
                    yield f"{name}.{member}", getattr(value, member)
        elif inspect.isfunction(value):
            yield name, value


def function_of(thing):
    thing = thing.fget if isinstance(thing, property) else thing
    return None if inspect.isclass(thing) else inspect.unwrap(getattr(thing, "__func__", thing))


@pytest.mark.parametrize("name", MODULES)
def test_every_public_thing_has_a_docstring_and_types(name):
    module = importlib.import_module(name)
    assert module.__doc__ or pathlib.Path(module.__file__).name == "__init__.py"
    for where, thing in public(module):
        if inspect.isclass(thing):
            # A dataclass without one gets its signature.
            assert thing.__doc__ and not thing.__doc__.startswith(f"{where}("), where
        assert inspect.getdoc(thing), where  # That of a base class may do for a method.
        function = function_of(thing)
        if function:
            signature = inspect.signature(function)
            assert signature.return_annotation is not signature.empty, where
            for argument in signature.parameters.values():
                typed = argument.annotation is not argument.empty
                assert typed or argument.kind not in KINDS or argument.name in ("self", "cls"), (
                    f"{where}: {argument.name}"
                )


def test_every_argument_that_gin_binds_is_described():
    for name in MODULES:
        importlib.import_module(name)
    configurables = {
        selector: configurable.wrapped
        for selector, configurable in gin.config._REGISTRY.items()
        if selector.startswith("brave_tf.")
    }
    assert len(configurables) > 40
    for selector, wrapped in configurables.items():
        parents = wrapped.__mro__ if inspect.isclass(wrapped) else (wrapped,)
        text = "".join(parent.__doc__ or "" for parent in parents)
        for argument in inspect.signature(wrapped).parameters.values():
            if argument.kind in KINDS:
                assert re.search(rf"\b{argument.name}\b", text), f"{selector}.{argument.name}"

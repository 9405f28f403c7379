"""The modalities that there are, by name.

All that the package does in its own way for frames, flow or sound it asks of a `modalities.base.Modality`:
what records hold of it, which views it has, how it is drawn, evaluated and exported. The modules beside that
one register those of the package; one of a user's own is registered by an import of the module that defines
it.

This is the lowest of what deals with them: readers of records and processes without TensorFlow ask it for
names and fields. The modalities themselves stand above all that they use, and are found by the name of their
package.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

_PACKAGE = "brave_tf.modalities"
PICTURES, SOUND = "pictures", "sound"
TYPES = ("string", "float32", "int64")

# A `modalities.base.Modality`.
Modality = Any
_REGISTERED: dict[str, Modality] = {}


class Stored(NamedTuple):
    """What a clip record holds of a modality, with values of the types that the modality states.

    Attributes:
      sequences: field -> its steps: bytes for each, or an array of numbers for each.
      context: field -> its value.
    """

    sequences: Mapping[str, Sequence[Any]]
    context: Mapping[str, Any] = {}


def register(modality: Modality) -> None:
    """Makes a modality known, see `modalities.base.register_modality`."""
    kind, known = type(modality), _REGISTERED.get(modality.name)
    if known and (type(known).__module__, type(known).__qualname__) != (
        kind.__module__,
        kind.__qualname__,
    ):
        raise ValueError(
            f"the modality {kind.name!r} is registered already, by {type(known).__module__}: give one of "
            "the two another name."
        )
    _check_types(kind)
    _REGISTERED[modality.name] = modality


def registered() -> tuple[Modality, ...]:
    """Returns the modalities that there are: those of the package, then others."""
    _import_those_of_the_package()
    return tuple(sorted(_REGISTERED.values(), key=lambda modality: modality.rank))


def names() -> tuple[str, ...]:
    """Returns the names of `registered`."""
    return tuple(modality.name for modality in registered())


def held_in(fields: Collection[str]) -> tuple[str, ...]:
    """Returns the names of the modalities of a record that holds something in these sequence fields."""
    return tuple(each.name for each in registered() if not each.fields.keys().isdisjoint(fields))


def of_plugins() -> tuple[Modality, ...]:
    """Returns those of `registered` that are not of the package."""
    own = f"{_PACKAGE}."
    return tuple(each for each in registered() if not type(each).__module__.startswith(own))


def find(name: str) -> Modality:
    """Returns the modality of that name, or one that has nothing but the name where none is registered."""
    for modality in registered():
        if modality.name == name:
            return modality
    unknown = importlib.import_module(f"{_PACKAGE}.base").Modality()
    unknown.name = name
    return unknown


def _check_types(kind: type) -> None:
    others = [known for name, known in _REGISTERED.items() if name != kind.name]
    for field, dtype in {**kind.fields, **kind.context}.items():
        if dtype not in TYPES:
            raise ValueError(
                f"{kind.__name__}: {field!r} is of type {dtype!r}: expected one of {', '.join(TYPES)}."
            )
        for other in others:
            if {**other.fields, **other.context}.get(field, dtype) != dtype:
                raise ValueError(
                    f"{kind.__name__}: {field!r} is of another type in the modality {other.name!r}: give "
                    "the field another name."
                )


@functools.cache
def _import_those_of_the_package() -> None:
    package = importlib.import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{_PACKAGE}.{module.name}")

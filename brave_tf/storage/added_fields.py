"""Fields that were added to dataclasses after results and features had been kept under their texts.

Such a field is left out while it has its default, so that what was kept before is found again.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def added_field(default: Any) -> Any:
    """Returns a field that came later; the default does what was done without it."""
    return dataclasses.field(default=default, repr=False)


def told_fields(instance: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass by name, without those that were added and have their default."""
    values = ((field, getattr(instance, field.name)) for field in dataclasses.fields(instance))
    return {field.name: value for field, value in values if field.repr or value != field.default}


def told_text(instance: Any) -> str:
    """Returns the text of a dataclass, which is another when a field has another value."""
    shown = {field.name for field in dataclasses.fields(instance) if field.repr}
    added = {name: value for name, value in told_fields(instance).items() if name not in shown}
    return repr(instance) + "".join(f" {name}={value!r}" for name, value in added.items())

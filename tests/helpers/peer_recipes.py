"""Looks at recipes of other methods: what they make, and what they bind."""

from __future__ import annotations

import gin

from brave_tf import config
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings


def load(name: str, *overlays: str) -> tuple[Recipe, Settings]:
    """A recipe by itself, without its stages."""
    config.load_config([name, *overlays])
    return bound(Recipe), bound(Settings)


def told(view: str, kind: str = "RgbView") -> list[str]:
    """The augmentations of a view by name, with the scope that they are bound in."""
    for key in (f"{view}/{kind}.augmentations", f"{kind}.augmentations"):
        if config.is_bound(key):
            return [each.scoped_selector for each in gin.query_parameter(key)]
    raise AssertionError(f"none are bound for {view}")


def check_bound(**expected: dict) -> None:
    """Compares what is bound: configurable -> parameter -> value, with __ for the end of a scope."""
    for name, values in expected.items():
        configurable = name.replace("__", "/")
        found = {key: gin.query_parameter(f"{configurable}.{key}") for key in values}
        assert found == values, configurable

"""Finds the benchmarks of this package without importing them."""

from __future__ import annotations

import ast
import pathlib

_PARTS = {"add_arguments", "run"}


def benchmarks(folder: pathlib.Path = pathlib.Path(__file__).parent) -> dict[str, str]:
    """Returns name -> first line of the docstring, of the modules in `folder` that are benchmarks."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if functions >= _PARTS:
            found[path.stem] = (ast.get_docstring(tree) or "").split("\n")[0]
    return found

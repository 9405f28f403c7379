"""Benchmarks: `python -m bench` lists them, `python -m bench NAME --help` explains one.

A benchmark is a module of this package with a docstring, `add_arguments(parser)` and `run(args) -> dict`: the
dict has 'settings', what was measured, and 'rows', a list of dicts, one per line of the table. Nothing has
to be registered.
"""

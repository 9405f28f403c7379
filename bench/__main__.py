"""Runs one benchmark, or lists them."""

from __future__ import annotations

import argparse
import importlib
import sys

from bench import discovery
from brave_tf import errors
from brave_tf.process import startup

_UNUSABLE_INPUT = 2


def main(argv: list[str] | None = None) -> int:
    """Runs the benchmark that `argv` names and prints a table and one JSON line; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    known = discovery.benchmarks()
    if not argv or argv[0] in ("-h", "--help"):
        print("usage: python -m bench NAME [flags]\n")
        width = max(map(len, known))
        for name, summary in known.items():
            print(f"  {name:{width}}  {summary}")
        return 0
    name, flags = argv[0], argv[1:]
    try:
        if name not in known:
            raise errors.UserError(
                f"no benchmark is called {name!r}, expected one of {', '.join(known)}."
                + errors.did_you_mean(name, known)
            )
        startup.keep_freed_memory()
        startup.import_tensorflow()
        _run(name, flags)
    except errors.UserError as error:
        print(f"error: {errors.message(error)}", file=sys.stderr)
        return _UNUSABLE_INPUT
    return 0


def _run(name: str, flags: list[str]) -> None:
    from bench import baseline, report

    module = importlib.import_module(f"bench.{name}")
    parser = argparse.ArgumentParser(
        prog=f"python -m bench {name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.add_arguments(parser)
    parser.add_argument(
        "--baseline", metavar="COMMAND", help="prints the same JSON; is run beside, in pairs"
    )
    parser.add_argument("--pairs", type=int, default=3, help="of runs with a baseline")
    args = parser.parse_args(flags)
    machine = report.machine()
    if args.baseline:
        result = baseline.compare(lambda: module.run(args), args.baseline, args.pairs)
    else:
        result = module.run(args)
    print(report.table(result["rows"]))
    print(report.json_line(name, machine, result))


if __name__ == "__main__":
    sys.exit(main())

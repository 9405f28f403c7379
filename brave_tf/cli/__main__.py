"""python -m brave_tf: lists the commands, or runs one: python -m brave_tf train --help.

Each is installed under the name that is listed, and is a module of `brave_tf.cli` that runs as a program.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from types import ModuleType

from brave_tf import cli, errors


def commands() -> dict[str, ModuleType]:
    """Returns the modules of the commands by what stands after `brave_tf_` in their names."""
    modules = [
        importlib.import_module(f"{cli.__name__}.{info.name}")
        for info in pkgutil.iter_modules(cli.__path__)
        if not info.name.startswith("__")
    ]
    return {
        module.__doc__.partition(":")[0].removeprefix("brave_tf_"): module
        for module in modules
        if hasattr(module, "console_main")
    }


def main() -> None:
    """Lists the commands, or runs the one that the first argument names."""
    known = commands()
    name, *arguments = sys.argv[1:] or [""]
    if name in ("", "-h", "--help"):
        for each, module in known.items():
            title = module.__doc__.splitlines()[0].partition(": ")[2]
            print(f"brave_tf_{each:<14}{title}")
        print("\nEach explains itself with --help; python -m brave_tf NAME runs it too.")
        return
    name = name.removeprefix("brave_tf_")
    if name not in known:
        print(
            f"error: there is no command {name!r}: expected one of {', '.join(known)}."
            f"{errors.did_you_mean(name, known)}",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.argv = [f"brave_tf_{name}", *arguments]
    known[name].console_main()


if __name__ == "__main__":
    main()

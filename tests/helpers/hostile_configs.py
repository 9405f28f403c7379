"""Configurations that a stranger could put into a model's folder, each of which would run something."""

from __future__ import annotations

import pathlib

PART = "import brave_tf.training.recipe\n"
# The command that all of them try to run leaves this file in the working directory.
MARKER = "attacked"
MODULE = "module_of_a_stranger"
CONFIGS = {
    "a call of the system": (
        f"from __gin__ import dynamic_registration\nimport os\n{PART}"
        f"os.system.command = 'touch {MARKER}'\nRecipe.views = @os.system()\n"
    ),
    "dynamic registration under another name": (
        f"from __gin__ import dynamic_registration as d\nimport subprocess as s\n{PART}"
        f"s.call.popenargs = 'touch {MARKER}'\nRecipe.views = @s.call()\n"
    ),
    "dynamic registration across lines": (
        f"from __gin__ \\\n  import \\\n  dynamic_registration\nimport os\n{PART}"
        f"Recipe.views = @os.abort()\n"
    ),
    "a module beside it": f"import {MODULE}\n",
    "a module beside it, from a package": f"from {MODULE} import something\n",
    "a module among those of the package": f"import brave_tf.models.norm\nimport {MODULE} as brave_tf2\n",
    "a module with a name like the package's": f"import brave_tf_{MODULE}\n",
    "a line that only some count": f"# harmless\u2028import {MODULE}\n{PART}",
    "a line behind a form feed": f"# harmless\x0cimport {MODULE}\n{PART}",
    "a line behind an old separator": f"# harmless\x1cimport {MODULE}\n{PART}",
    "a line in a text": "import brave_tf.training.settings\n"
    f"RECIPE = 'a\u2028import {MODULE}\u2028b'\ntrain.data_dir = %RECIPE\n",
    "an included file beside it": "include 'beside.gin'\n",
    "an included file above it": "include '../beside.gin'\n",
    "an included file above the recipes": "include '../../../../../../../../../tmp/beside.gin'\n",
    "a command of the package": f"import brave_tf.cli.train\n{PART}",
}


def write(folder: pathlib.Path, text: str) -> pathlib.Path:
    """Writes a model's folder in a folder, with what the configuration would run; returns that folder."""
    model = folder / "model"
    model.mkdir(parents=True, exist_ok=True)
    code = f"import pathlib\npathlib.Path({str(folder / MARKER)!r}).touch()\nsomething = 1\n"
    for name in (MODULE, f"brave_tf_{MODULE}"):
        (folder / f"{name}.py").write_text(code)
    for each in (model, folder):
        (each / "beside.gin").write_text(f"import {MODULE}\n")
    (model / "config.gin").write_text(text)
    return model

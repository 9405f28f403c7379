"""brave_tf_report: shows what runs learned, beside each other and the paper.

Examples:
  brave_tf_report runs/as_v_fa
  brave_tf_report runs/tsm50 runs/r3d50 --output=report

Takes folders that brave_tf_train, brave_tf_export or brave_tf_import wrote, or a folder of several, such as
runs/demo, with the results of brave_tf_eval in or beside them. Writes one self-contained page, index.html,
and its tables, report.md: results with intervals beside the row of the paper for the run's recipe and the
published checkpoints, learning curves, confusion matrices, accuracies of classes, and nearest neighbours.
What is missing is left out, and said. Exit codes: 0 done, 2 unusable input.
"""

from __future__ import annotations

import os

from absl import flags

from brave_tf.cli import app
from brave_tf.errors import UserError
from brave_tf.process import startup

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string(
        "output", None, "Folder of the report; RUN/report of the first RUN if unset."
    )
    app.define_trust(__name__)


def main(argv: list[str]) -> int:
    """Does what the flags say; returns the exit code."""
    folders = argv[1:]
    if not folders:
        raise UserError(
            "no RUN was given: name folders of runs, such as brave_tf_report runs/as_v_fa"
        )
    startup.import_tensorflow()
    from brave_tf.reporting import report, runs

    output = FLAGS.output or os.path.join(folders[0], "report")
    found = runs.load_runs(folders)
    try:
        report.write_report(found, output)
    except OSError as error:
        raise UserError(
            f"{output} cannot be written ({error.strerror}): name another folder with --output."
        ) from error
    page, tables = (os.path.join(output, name) for name in (report.PAGE, report.TABLES))
    print(f"{', '.join(run.name for run in found)}: see {page} and {tables}")
    return 0


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main, takes_arguments=True)


if __name__ == "__main__":
    console_main()

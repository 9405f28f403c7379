"""brave_tf_inspect: looks at clip records, or at the model of a recipe.

Examples:
  brave_tf_inspect --data=records/mine
  brave_tf_inspect --gin_file=gin/as_v_fa.gin --batch_size=8

--data reads every record of a folder of clip records: checksums, counts, damaged shards and records, frames
that do not decode, labels, durations, clips that are in two splits. It prints a table, what is wrong, and
which recipes the clips can train, with the command; it leaves report.json and the page index.html in
--output. --index also makes the index of each shard, with which training reads of a record no more than it
shows. --gin_file prints the views and parts of the model
that a recipe trains, with parameters, multiply-adds and an estimate of the memory of a training step, of
each kind of stage if it has several; it needs no data. Exit codes: 0 nothing is wrong, 1 there are problems,
2 unusable input, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import os

from absl import flags

from brave_tf.cli import app
from brave_tf.errors import UserError
from brave_tf.process import startup
from brave_tf.storage import files

FLAGS = flags.FLAGS
REPORT, PAGE = "report.json", "index.html"


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string("data", None, "Folder of clip records to look at.")
    flags.DEFINE_string("output", None, "Folder of the report; DATA/inspection if unset.")
    flags.DEFINE_list("split", [], "Splits to look at, separated by commas; all if unset.")
    flags.DEFINE_integer("num_clips", 24, "Clips that the page shows.", lower_bound=0)
    flags.DEFINE_enum(
        "decode",
        "sample",
        ["sample", "all", "none"],
        "Frames to decode of each clip: the first, the middle and the last, all, or none.",
    )
    flags.DEFINE_integer(
        "workers", 0, "Shards read at the same time; 0 is one per core.", lower_bound=0
    )
    flags.DEFINE_bool(
        "index",
        False,
        "Make the index of each shard, in DATA/index, with which training reads only what it shows.",
    )
    flags.DEFINE_multi_string("gin_file", [], "Recipe or overlay; repeat to add, later ones win.")
    flags.DEFINE_multi_string(
        "gin_bindings", [], "A gin statement that wins over the files; repeatable."
    )
    flags.DEFINE_integer(
        "batch_size", None, "Clips of a step; train.batch_size if unset.", lower_bound=1
    )
    app.define_plugins(__name__)


def main(argv: list[str]) -> int:
    """Does what the flags say; returns the exit code."""
    del argv
    if bool(FLAGS.data) == bool(FLAGS.gin_file):
        raise UserError(
            "give one of --data (a folder of clip records) and --gin_file (a recipe, such as "
            "gin/as_v_fa.gin)."
        )
    app.import_plugins()
    try:
        return _inspect_data() if FLAGS.data else _inspect_model()
    except KeyboardInterrupt:
        print("\ninterrupted")
        return app.INTERRUPTED


def _inspect_data() -> int:
    output = FLAGS.output or os.path.join(FLAGS.data, "inspection")
    startup.import_tensorflow()
    from brave_tf.data.records.dataset_info import DatasetInfo
    from brave_tf.inspection import contact_sheet, folder_check, summary

    info = DatasetInfo.load(FLAGS.data)
    for name in FLAGS.split:
        info.split(name)
    files.check_writable(output, "output")
    facts = folder_check.check_folder(info, FLAGS.split, FLAGS.decode, FLAGS.workers, FLAGS.index)
    report, page = (os.path.join(output, name) for name in (REPORT, PAGE))
    with files.told(output, "Free space there, or name another folder with --output."):
        summary.write_report(report, facts, FLAGS.decode)
        contact_sheet.write_page(page, facts, FLAGS.num_clips)
    print(summary.as_text(summary.split_table(facts)))
    for finding in facts.findings:
        print(finding.line())
    if recipes := summary.trainable_recipes(facts):
        print(recipes)
    print(f"{summary.verdict(facts)}; see {page} and {report}")
    return 1 if facts.findings.problems else 0


def _inspect_model() -> int:
    startup.import_tensorflow()
    from brave_tf import config
    from brave_tf.inspection import model_summary
    from brave_tf.training import stages

    staged = stages.read_stages(FLAGS.gin_file, FLAGS.gin_bindings)
    if staged is None:
        config.load_config(FLAGS.gin_file, FLAGS.gin_bindings, for_training=True)
        print(model_summary.model_summary(FLAGS.batch_size))
        return 0
    staged.check(data=False)
    for names, stage in staged.kinds().items():
        staged.load(stage)
        print(f"stages {names}\n\n{model_summary.model_summary(FLAGS.batch_size)}\n")
    return 0


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()

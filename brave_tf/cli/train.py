"""brave_tf_train: runs a gin recipe.

Example:
  brave_tf_train --gin_file=gin/as_v_fa.gin --gin_bindings="train.batch_size = 2"

Started again with the same --model_dir, it resumes from the newest checkpoint. Ctrl-C saves one and stops.
Exit codes: 0 the run is complete, 130 interrupted (resumable), 2 unusable input.
"""

from __future__ import annotations

import pathlib

from absl import flags

from brave_tf import config, errors, quiet
from brave_tf.cli import app

FLAGS = flags.FLAGS
INTERRUPTED = 130


def define_flags() -> None:
    flags.DEFINE_multi_string("gin_file", [], "Recipe or overlay; repeat to add, later ones win.")
    flags.DEFINE_multi_string(
        "gin_bindings", [], "A gin statement that wins over the files; repeatable."
    )
    flags.DEFINE_string(
        "model_dir", None, "Folder of the run; runs/<name of the first gin file> if unset."
    )


def main(argv: list[str]) -> int:
    del argv
    if not FLAGS.gin_file:
        raise errors.UserError(
            "--gin_file is missing: name a recipe, such as --gin_file=gin/as_v_fa.gin."
        )
    quiet.load_tensorflow()
    # Imported here so that --help and mistakes in flags answer at once.
    from brave_tf.training import run

    config.load_config(FLAGS.gin_file, FLAGS.gin_bindings)
    model_dir = FLAGS.model_dir or f"runs/{pathlib.Path(FLAGS.gin_file[0]).stem}"
    if run.train(model_dir):
        print(
            f"done: {model_dir}; next: brave_tf_eval --list, brave_tf_export --model_dir={model_dir}"
        )
        return 0
    print(f"interrupted and saved: start the same command with --model_dir={model_dir} to resume")
    return INTERRUPTED


def console_main() -> None:
    define_flags()
    app.run(main)

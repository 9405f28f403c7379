"""brave_tf_train: runs a gin recipe.

Example:
  brave_tf_train --gin_file=gin/as_v_fa.gin --gin_bindings="train.batch_size = 2"
  brave_tf_train --list

Started again with the same --model_dir, it resumes from the newest checkpoint. Ctrl-C and SIGTERM, by which
clusters tell that they take the machine away, save one after the step under way and stop, at once where it
waits for input.
On several machines, start it on each with the environment variable TF_CONFIG; they stop together.
Exit codes: 0 the run is complete; resumable by the same command: 130 stopped by Ctrl-C, 143 by SIGTERM, 75
another process of the run was lost, 69 the tf.data service or the storage of the clips does not answer;
2 unusable input.
"""

from __future__ import annotations

import sys

from absl import flags

from brave_tf import config, errors
from brave_tf.cli import app
from brave_tf.configuration import recipe_header
from brave_tf.process import startup
from brave_tf.training.interruption import INTERRUPTED, Interruption

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_multi_string("gin_file", [], "Recipe or overlay; repeat to add, later ones win.")
    flags.DEFINE_multi_string(
        "gin_bindings", [], "A gin statement that wins over the files; repeatable."
    )
    flags.DEFINE_string(
        "model_dir", None, "Folder of the run; runs/<name of the first gin file> if unset."
    )
    flags.DEFINE_boolean(
        "allow_changes",
        False,
        "Resume although bindings differ that change what the saved state means or what is learned.",
    )
    flags.DEFINE_string(
        "profile", None, "FIRST:LAST, the steps of which to write a profile trace, such as 100:105."
    )
    flags.DEFINE_boolean("list", False, "List the recipes and stop.")


def main(argv: list[str]) -> int:
    """Does what the flags say; returns the exit code."""
    del argv
    if FLAGS.list:
        for name, title in recipe_header.titles().items():
            print(f"{name:<24}{title}")
        return 0
    if not FLAGS.gin_file:
        raise errors.UserError(
            "--gin_file is missing: name a recipe, such as --gin_file=gin/as_v_fa.gin."
        )
    try:
        with Interruption() as interruption:
            return _train(interruption)
    except KeyboardInterrupt:
        print("aborted: what was saved before is left as it is", file=sys.stderr)
        return INTERRUPTED


def _train(interruption: Interruption) -> int:
    startup.import_tensorflow()
    # Imported here so that --help and mistakes in flags answer at once.
    from brave_tf.training import run, stages
    from brave_tf.training.monitors import profile

    steps = profile.parse_steps(FLAGS.profile) if FLAGS.profile else None
    model_dir = FLAGS.model_dir or f"runs/{config.find_recipe(FLAGS.gin_file[0]).stem}"
    staged = stages.read_stages(FLAGS.gin_file, FLAGS.gin_bindings)
    if staged is None:
        config.load_config(FLAGS.gin_file, FLAGS.gin_bindings, for_training=True)
        trained = model_dir
        complete = run.train(model_dir, FLAGS.allow_changes, interruption, steps)
    else:
        if steps:
            raise errors.UserError(
                "--profile is of a run, but the recipe has several stages: profile the gin file of a stage."
            )
        complete = stages.train(staged, model_dir, FLAGS.allow_changes, interruption)
        trained = f"{model_dir}/{staged.stages[-1].name}"
    if complete:
        print(f"done: {trained}; next: brave_tf_eval --list, brave_tf_export --model_dir={trained}")
        return 0
    print(f"interrupted and saved: start the same command with --model_dir={model_dir} to resume")
    return interruption.exit_code


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()

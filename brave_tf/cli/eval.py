"""brave_tf_eval: scores a model's features on evaluation tasks.

Examples:
  brave_tf_eval --list
  brave_tf_eval --task=demo/linear,demo/knn,demo/linear_audio --model_dir=runs/demo/pretrained
  brave_tf_eval --task=folder/linear --data=records/my_clips --model=exported/as_v_fa \\
    --gin_bindings="linear_svm.C = 1e-3"
  brave_tf_eval --task=hmdb51/knn --model_dir=runs/as_v_fa --watch

A task named dataset/protocol probes the rgb views, dataset/protocol_audio and dataset/protocol_flow those
of the other modalities. The model is a run (--model_dir), an exported or imported model (--model) or a
function of yours (--function). Metrics are printed and added to results.json as fractions, as soon as a
task is done. Features are kept in OUTPUT/features, for other tasks; stopped by Ctrl-C, SIGTERM or a full
disk, the same command goes on where it was. Several models, precisions and data sets may share an OUTPUT.
Exit codes: 0 every task is done, 1 some failed (the others' results are kept) or the disk is full, 2 unusable
input, nothing was evaluated, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

from absl import flags

from brave_tf.cli import app
from brave_tf.errors import UserError, named
from brave_tf.process import startup

FLAGS = flags.FLAGS
_MODELS = ("model_dir", "model", "function")
_OF_RUNS = ("baseline", "checkpoint", "precision", "network")


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_list("task", [], "Names of tasks, separated by commas.")
    flags.DEFINE_string("model_dir", None, "Folder of a run that brave_tf_train wrote.")
    flags.DEFINE_string(
        "model", None, "Folder of a model that brave_tf_export or brave_tf_import wrote."
    )
    flags.DEFINE_string(
        "function",
        None,
        "module:name of a function from a batch of windows (B, T, H, W, C) or (B, frames, bins) to "
        "features (B, D).",
    )
    flags.DEFINE_string("checkpoint", "last", "Which one of the run: last, best or a step.")
    flags.DEFINE_string(
        "network",
        "online",
        "Which one of the run's: online, or target where it has a momentum copy.",
    )
    flags.DEFINE_bool(
        "watch", False, "Evaluate each checkpoint of the run as it is written, until the run ends."
    )
    flags.DEFINE_string(
        "data", None, "Folder of prepared records or media files; each task's own if unset."
    )
    flags.DEFINE_string(
        "output", None, "Folder of results.json; MODEL_DIR/eval or the folder of --model if unset."
    )
    flags.DEFINE_string(
        "view", None, "The view to probe; the first one of the task's modality if unset."
    )
    flags.DEFINE_enum(
        "baseline",
        None,
        ["random", "supervised"],
        "In place of the run's checkpoint: its random initialisation, or its network trained from there with "
        "the labels of the task's training split, for as many steps.",
    )
    flags.DEFINE_enum(
        "precision",
        "float32",
        ["float32", "mixed_bfloat16", "mixed_float16"],
        "What a run's model computes in.",
    )
    flags.DEFINE_bool(
        "keep_features",
        None,
        "Keep OUTPUT/features for other tasks of the same model; by default yes, but not with --watch.",
    )
    flags.DEFINE_multi_string(
        "gin_file", [], "Settings that win over the model's; repeat to add, later ones win."
    )
    flags.DEFINE_multi_string(
        "gin_bindings", [], "A gin statement that wins over the files; repeatable."
    )
    flags.DEFINE_bool("list", False, "List the tasks and end.")
    app.define_trust(__name__)


def main(argv: list[str]) -> int:
    """Does what the flags say; returns the exit code."""
    del argv
    given = None if FLAGS.list else _model()
    startup.import_tensorflow()
    from brave_tf.evaluation import command
    from brave_tf.evaluation.tasks import registry
    from brave_tf.interop.models import ModelSource, configure

    for name in FLAGS.task:
        registry.import_dataset(name)  # So that bindings of its protocol are known.
    if given is None:
        configure(None, FLAGS.gin_file, FLAGS.gin_bindings)
        print(command.listed_tasks())
        return 0
    kind, location = given
    arguments = command.Arguments(
        source=ModelSource(
            location, kind, FLAGS.baseline, FLAGS.checkpoint, FLAGS.precision, FLAGS.network
        ),
        tasks=FLAGS.task,
        data=FLAGS.data,
        view=FLAGS.view,
        output=FLAGS.output,
        keep_features=FLAGS.keep_features,
        gin_files=FLAGS.gin_file,
        gin_bindings=FLAGS.gin_bindings,
    )
    lacking = "" if kind == "model_dir" else " without --model_dir"
    try:
        with named(**{flag: f"--{flag}={{}}{lacking}" for flag in _OF_RUNS}):
            outcome = command.watch(arguments) if FLAGS.watch else command.run(arguments)
    except (KeyboardInterrupt, SystemExit) as end:
        print("\ninterrupted: start the same command again, it keeps what is done")
        # A network that is trained when SIGTERM comes is saved first, and ends with the exit code.
        return getattr(end, "code", app.INTERRUPTED)
    codes = {error.exit_code if isinstance(error, UserError) else 1 for error in outcome.failed}
    if not outcome.done and codes == {app.UNUSABLE_INPUT}:
        return app.UNUSABLE_INPUT
    return 1 if outcome.failed else 0


def _model() -> tuple[str, str]:
    """The flag of the model and its value, once the flags are checked."""
    if not FLAGS.task:
        raise UserError(
            "--task is missing: name one or more, such as --task=folder/linear; --list lists them."
        )
    given = [(flag, FLAGS[flag].value) for flag in _MODELS if FLAGS[flag].value]
    if len(given) != 1:
        raise UserError(
            "give one of --model_dir (a run that brave_tf_train wrote), --model (a model that "
            "brave_tf_export or brave_tf_import wrote) and --function (a function of yours)."
        )
    if FLAGS.watch and (not FLAGS.model_dir or FLAGS.baseline or FLAGS["checkpoint"].present):
        raise UserError(
            "--watch follows the checkpoints of a run: give --model_dir, without --baseline and --checkpoint."
        )
    return given[0]


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()

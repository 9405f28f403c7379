"""brave_tf_eval: scores a model's frozen features on evaluation tasks.

Examples:
  brave_tf_eval --list
  brave_tf_eval --task=demo/linear,demo/linear_audio --model_dir=runs/demo/pretrained
  brave_tf_eval --task=folder/linear --data=records/my_clips --model=exported/as_v_fa \\
    --gin_bindings="linear_svm.C = 1e-3"

A task named dataset/linear probes the rgb views, dataset/linear_audio and dataset/linear_flow those
of the other modalities. The model is a run (--model_dir) or an exported model (--model). Accuracies
are printed and added to results.json as fractions, as soon as a task is done.
Interrupted, the same command goes on where it was. Exit codes: 0 every task is done, 1 some failed
(the others' results are kept), 2 unusable input, nothing was evaluated, 130 interrupted.
"""

from __future__ import annotations

import pathlib

from absl import flags

from brave_tf import quiet
from brave_tf.cli import app
from brave_tf.errors import UserError

FLAGS = flags.FLAGS
INTERRUPTED = 130


def define_flags() -> None:
    flags.DEFINE_list("task", [], "Names of tasks, separated by commas.")
    flags.DEFINE_string("model_dir", None, "Folder of a run that brave_tf_train wrote.")
    flags.DEFINE_string("model", None, "Folder of a model that brave_tf_export wrote.")
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
        ["random"],
        "random: evaluate the run's model at its random initialisation, not at its checkpoint.",
    )
    flags.DEFINE_multi_string(
        "gin_file", [], "Settings that win over the model's; repeat to add, later ones win."
    )
    flags.DEFINE_multi_string(
        "gin_bindings", [], "A gin statement that wins over the files; repeatable."
    )
    flags.DEFINE_bool("list", False, "List the tasks and end.")


def main(argv: list[str]) -> int:
    del argv
    source = None if FLAGS.list else _source()
    quiet.load_tensorflow()
    from brave_tf.evaluation import evaluate, registry, results
    from brave_tf.training import recipe

    for name in FLAGS.task:
        registry.import_dataset(name)  # So that bindings of its protocol are known.
    source = evaluate.Source(*source) if source else None
    evaluate.configure(source, FLAGS.gin_file, FLAGS.gin_bindings)
    if source is None:
        for name, task in registry.list_tasks().items():
            print(f"{name:<24}{task.description}")
        return 0
    run_recipe = recipe.bound(recipe.Recipe)
    jobs = evaluate.plan(FLAGS.task, run_recipe.views, data_dir=FLAGS.data, view_name=FLAGS.view)
    output = FLAGS.output or source.default_output
    results.load_results(output)
    probe, step = evaluate.load_probes(source, run_recipe)
    try:
        done, failed = evaluate.evaluate(jobs, probe, source=source, step=step, output=output)
    except KeyboardInterrupt:
        print(f"\ninterrupted: start the same command again, {output} keeps what is done")
        return INTERRUPTED
    if not done and all(isinstance(error, UserError) for error in failed):
        return app.UNUSABLE_INPUT
    if done:
        print(f"\n{results.table(done)}\n\nadded to {pathlib.Path(output) / results.FILE_NAME}")
    return 1 if failed else 0


def _source() -> tuple[str, bool, str | None]:
    """Folder, whether it is an exported model, and baseline, from the flags."""
    if not FLAGS.task:
        raise UserError(
            "--task is missing: name one or more, such as --task=folder/linear; --list lists them."
        )
    if bool(FLAGS.model_dir) == bool(FLAGS.model):
        raise UserError(
            "give one of --model_dir (a run that brave_tf_train wrote) and --model (a model that "
            "brave_tf_export wrote)."
        )
    return FLAGS.model_dir or FLAGS.model, bool(FLAGS.model), FLAGS.baseline


def console_main() -> None:
    define_flags()
    app.run(main)

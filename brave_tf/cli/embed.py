"""brave_tf_embed: embeds media files or clip records with an exported model, or that of a run.

Examples:
  brave_tf_embed --model=exported/mine --input=videos --output=features.npz
  brave_tf_embed --model=imported/v_a --input=film.mp4 --view=narrow --crops=10x3 --output=film.npz
  brave_tf_embed --model_dir=runs/mine --checkpoint=best --input=videos --output=features.npz

OUTPUT holds, for each view of the model that the clips have, VIEW/features (N, D), VIEW/paths,
VIEW/labels (names of folders, or labels of records), VIEW/starts and VIEW/ends (seconds in the file):
one row per clip, or with --noaverage one per window. Files that cannot be read are skipped, counted on
the last line and listed in OUTPUT's neighbour .failures.csv; what a folder holds besides media is counted
there too. Ctrl-C and SIGTERM keep the clips that are done. Exit codes: 0 features were written, 1 there was
nothing to write, 2 unusable input, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import re
import sys

from absl import flags

from brave_tf.cli import app
from brave_tf.errors import UserError, did_you_mean, named
from brave_tf.process import startup

FLAGS = flags.FLAGS
# The flags that are arguments of what the command calls, which does not know where they come from.
_ARGUMENTS = ("model", "model_dir", "checkpoint", "input", "output", "view", "split")


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_string(
        "model", None, "Folder of a model that brave_tf_export or brave_tf_import wrote."
    )
    flags.DEFINE_string("model_dir", None, "Folder of a run that brave_tf_train wrote, instead.")
    flags.DEFINE_string("checkpoint", "last", "Which one of the run: last, best or a step.")
    flags.DEFINE_string(
        "input",
        None,
        "A media file, a folder of media files, a CSV with a column path and optionally label, start "
        "and end in seconds, or a folder of clip records.",
    )
    flags.DEFINE_string("output", None, "The .npz file to write.")
    flags.DEFINE_list("view", [], "Views to embed, separated by commas; all of the model if unset.")
    flags.DEFINE_string(
        "crops", "1x1", "Windows per clip x crops per window, evenly spaced; 1x1 is its beginning."
    )
    flags.DEFINE_bool("average", True, "One row per clip, the mean over its crops.")
    flags.DEFINE_integer("batch_size", 8, "Windows per forward pass.")
    flags.DEFINE_string("split", None, "Split of the clip records, a+b for two; all if unset.")
    flags.DEFINE_enum(
        "flow", "dis", ["dis", "tvl1"], "Optical flow of media files, for views of flow."
    )
    flags.DEFINE_integer("workers", 0, "Processes that decode media files; 0 is one per core.")
    flags.DEFINE_float("timeout", 300.0, "Seconds that a media file may take.")
    flags.DEFINE_multi_string(
        "gin_bindings", [], "A gin statement that wins over the model's; repeatable."
    )
    app.define_trust(__name__)


def main(argv: list[str]) -> int:
    """Does what the flags say; returns the exit code."""
    del argv
    forms = {name: f"--{name}={{}}" for name in _ARGUMENTS}
    if not FLAGS.model_dir:
        forms["checkpoint"] += " without --model_dir"
    with named(**forms):
        return _main()


def _main() -> int:
    temporal, spatial = _checked()
    startup.import_tensorflow()
    from brave_tf.interop import embedding, user_clips
    from brave_tf.interop.models import EXPORTED, RUN, ModelSource, configure, load_embeds

    kind = RUN if FLAGS.model_dir else EXPORTED
    model = ModelSource(FLAGS.model_dir or FLAGS.model, kind, checkpoint=FLAGS.checkpoint)
    configure(model, [], FLAGS.gin_bindings)
    views = _chosen(model.views())
    source = user_clips.open_clips(
        FLAGS.input,
        views,
        split=FLAGS.split,
        flow=FLAGS.flow,
        workers=FLAGS.workers,
        timeout=FLAGS.timeout,
    )
    report = embedding.embed_clips(
        source,
        load_embeds(model, source.views),
        FLAGS.output,
        temporal=temporal,
        spatial=spatial,
        average=FLAGS.average,
        batch_size=FLAGS.batch_size,
        model=model.location,
    )
    failures = embedding.failures_file(FLAGS.output)
    return _conclude(report, views, failures, source.left_out)


def _checked() -> tuple[int, int]:
    """Checks the flags; returns windows per clip and crops per window."""
    for flag in ("input", "output"):
        if not FLAGS[flag].value:
            raise UserError(f"--{flag} is missing: {FLAGS[flag].help}")
    if bool(FLAGS.model) == bool(FLAGS.model_dir):
        raise UserError(
            "give one of --model (a model that brave_tf_export or brave_tf_import wrote) and --model_dir (a "
            "run that brave_tf_train wrote)."
        )
    for flag, least in (("batch_size", 1), ("workers", 0)):
        if FLAGS[flag].value < least:
            raise UserError(f"--{flag}={FLAGS[flag].value}: expected at least {least}.")
    if not 0 < FLAGS.timeout < float("inf"):
        raise UserError(f"--timeout={FLAGS.timeout}: expected seconds above 0.")
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", FLAGS.crops)
    if not match:
        raise UserError(
            f"--crops={FLAGS.crops}: expected windows x crops, such as 1x1 or 10x3, each at least 1."
        )
    return int(match[1]), int(match[2])


def _chosen(views: dict) -> dict:
    for name in FLAGS.view:
        if name not in views:
            raise UserError(
                f"--view={name}: the model has no such view, it has {', '.join(views)}."
                f"{did_you_mean(name, views)}"
            )
    return {name: views[name] for name in FLAGS.view or views}


def _conclude(report, views: dict, failures, left_out: str) -> int:
    for name, view in views.items():
        if not report.rows.get(name):
            print(f"{name}: no row, for no clip has {view.modality} that can be used")
    listed = f", see {failures}" if report.failures else ""
    rows = ", ".join(f"{count} rows of {name}" for name, count in report.rows.items() if count)
    if report.interrupted:
        print("interrupted: the same command starts again from the first clip", file=sys.stderr)
    left_out = f"; {left_out}" if left_out else ""
    embedded = report.clips - len(report.failures)
    if not rows:
        print(
            f"error: none of {report.clips} clips could be embedded{listed}{left_out}",
            file=sys.stderr,
        )
        return app.INTERRUPTED if report.interrupted else 1
    print(
        f"wrote {rows} of {embedded} clips to {FLAGS.output}; {len(report.failures)} failed{listed}"
        f"{left_out}"
    )
    return app.INTERRUPTED if report.interrupted else 0


def console_main() -> None:
    """Entry point of the command."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()

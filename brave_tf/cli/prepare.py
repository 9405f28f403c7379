"""brave_tf_prepare: turns a folder of media files, or the clips of a CSV, into clip records.

Example:
  brave_tf_prepare --input=videos --output=records --flow=dis

Media are what FFmpeg can open, except still images, subtitles and playlists; what a folder holds besides is
counted in the last line. Leaves TFRecord shards and their indexes, labels.txt, failures.csv and dataset.json
in the output, and warnings.csv when clips may be other than they should be.
Interrupted and run again with the same flags, it goes on where it was. Exit codes: 0 there are records, 1
nothing could be prepared, 2 unusable arguments, 130 stopped by Ctrl-C, 143 by SIGTERM.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from typing import Callable

from absl import flags

from brave_tf.cli import app
from brave_tf.data.clips import clip_counts, clip_list, media_files
from brave_tf.data.clips.clip import ListedClip
from brave_tf.errors import UserError, did_you_mean, named

RUNNERS = ("local", "beam")
# The flags that are arguments of what the command calls, which does not know where they come from.
_ARGUMENTS = ("input", "output", "test_fraction", "folds", "beam_options")
ClipReader = Callable[[str], "list[ListedClip]"]


def define_flags(own_input: bool = False) -> None:
    """Defines the flags of the command.

    Args:
      own_input: Leave out the flags that describe a folder of any files, or a CSV.
    """
    from brave_tf.data.preparation.settings import PreparationSettings

    default = PreparationSettings()
    if own_input:
        flags.DEFINE_string("input", None, "The folder with the files of the data set.")
    else:
        _define_input_flags()
    flags.DEFINE_string("output", None, "Folder for the records.")
    flags.DEFINE_bool(
        "list", False, "Only count the clips and the files that are missing; prepare nothing."
    )
    flags.DEFINE_float("fps", default.fps, "Frames per second of the records.")
    flags.DEFINE_integer("min_side", default.min_side, "Pixels of the short side of the frames.")
    flags.DEFINE_string(
        "flow",
        default.flow,
        "Optical flow: tvl1 (the convention, seconds per frame), dis (a hundred times as fast) or none.",
    )
    flags.DEFINE_float("flow_bound", default.flow_bound, "Pixels at which flow is clipped.")
    flags.DEFINE_string("audio", default.audio, "Sound as float, flac (16 bit, compact) or none.")
    flags.DEFINE_integer("sample_rate", default.sample_rate, "Samples of sound per second.")
    flags.DEFINE_integer("jpeg_quality", default.jpeg_quality, "Quality of the frames, 1 to 100.")
    flags.DEFINE_integer(
        "num_shards", default.num_shards, "Shards per split; 0 makes shards of up to 256 clips."
    )
    flags.DEFINE_integer("seed", default.seed, "Seed of the order of the clips.")
    flags.DEFINE_integer("workers", 0, "Processes; 0 is one per core.")
    flags.DEFINE_float(
        "timeout", 0.0, "Seconds that a clip may take; 0 is 300, and 7200 with --flow=tvl1."
    )
    flags.DEFINE_string(
        "runner",
        "local",
        "Where clips are prepared: local (processes of this machine) or beam (an Apache Beam pipeline).",
    )
    flags.DEFINE_string(
        "beam_options",
        "",
        "Options of the Beam pipeline, such as '--runner=FlinkRunner --flink_master=host:8081'. Its "
        "workers must see input and output under the same paths. Empty: Beam's local runner.",
    )
    app.define_plugins(__name__)


def _define_input_flags():
    flags.DEFINE_string(
        "input",
        None,
        "A folder with media files, one sub-folder per class (below train/, val/, test/ if there are "
        "splits), or a CSV with a column path and optionally label, split, group, start and end in seconds.",
    )
    flags.DEFINE_float(
        "test_fraction",
        0.0,
        "Share of the files of each class that goes to a split test, chosen by --seed. Files of one group "
        "stay together.",
    )
    flags.DEFINE_integer(
        "folds",
        0,
        "Folds of clips, the splits fold1, fold2, ..., of which each is tested once by the tasks "
        "folds/...: each with its share of every class, chosen by --seed. Clips of one file or group "
        "stay together. 0 makes none.",
    )
    flags.DEFINE_string("label_column", "label", "Column of the CSV with the label.")
    flags.DEFINE_string("split_column", "split", "Column of the CSV with the split.")
    flags.DEFINE_string(
        "group_column",
        "group",
        "Column of the CSV with what clips have in common, such as a person or a recording.",
    )
    flags.DEFINE_string(
        "label_separator",
        "",
        "Text between several labels of a clip in the CSV; empty: one label each.",
    )


def main(read_clips: ClipReader) -> int:
    """Prepares the clips; returns 0 when there are records, 1 when nothing could be prepared."""
    with named(**{name: f"--{name}={{}}" for name in _ARGUMENTS}):
        return _main(read_clips)


def _main(read_clips: ClipReader) -> int:
    values = flags.FLAGS
    _check_flags(values)
    settings = _settings(values)
    app.import_plugins()
    clips = read_clips(values.input)
    # Of a known data set, what it comes with is not media; what no list names may be wanted.
    own = read_clips is not _read_input
    left_out = media_files.left_out(values.input, (clip.file for clip in clips), only_media=own)
    if values.list:
        return _list(clips, left_out)
    for line in (*clip_counts.suspicions(clips), *clip_counts.missing(clips)):
        print(line, flush=True)
    try:
        from brave_tf.data.preparation import prepared_folder
        from brave_tf.data.preparation.prepare import prepare

        report = prepare(
            clips,
            values.output,
            settings,
            workers=values.workers,
            timeout=values.timeout,
            beam_options=shlex.split(values.beam_options) if values.runner == "beam" else None,
        )
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on.", file=sys.stderr)
        return app.INTERRUPTED
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    failures = os.path.join(values.output, "failures.csv")
    left_out = f"; {left_out}" if left_out else ""
    if not report.written:
        print(
            f"error: none of {report.failed} clips could be prepared, see {failures}{left_out}",
            file=sys.stderr,
        )
        return 1
    verb = "already complete:" if report.complete_before else "wrote"
    warnings = os.path.join(values.output, prepared_folder.WARNINGS)
    warned = f"{report.warned} with warnings, see {warnings}; " if report.warned else ""
    print(
        f"{verb} {report.written} clips in {report.shards} shards in {values.output}; {warned}"
        f"{report.failed} failed{f', see {failures}' if report.failed else ''}{left_out}"
    )
    return 0


def _check_flags(values):
    for name in ("input", "output")[: 1 if values.list else 2]:
        if not values[name].value:
            raise UserError(f"--{name} is missing; see --help.")
    for name in ("workers", "timeout"):
        if not 0 <= values[name].value < float("inf"):
            raise UserError(f"--{name}={values[name].value}: expected 0 or more.")
    if values.runner not in RUNNERS:
        raise UserError(
            f"--runner={values.runner}: expected one of {', '.join(RUNNERS)}."
            f"{did_you_mean(values.runner, RUNNERS)} Runners of Beam are named in --beam_options."
        )
    if values.beam_options and values.runner != "beam":
        raise UserError("--beam_options is for --runner=beam, which is not given.")


def _settings(values):
    from brave_tf.data.preparation.settings import PreparationSettings

    names = [field.name for field in dataclasses.fields(PreparationSettings)]
    return PreparationSettings(**{name: values[name].value for name in names})


def _read_input(source):
    values = flags.FLAGS
    clips = clip_list.read_clips(
        source,
        values.label_column,
        values.split_column,
        values.label_separator,
        values.group_column,
    )
    # It imports what --help can do without.
    from brave_tf.data.clips import division

    return division.divide(clips, values.test_fraction, values.folds, values.seed)


def _list(clips, left_out):
    """Prints clips by split and label, and files that are missing or no clips; returns 1 without any file."""
    for line in (*clip_counts.lines(clips), *clip_counts.suspicions(clips)):
        print(line)
    if left_out:
        print(left_out)
    return 0 if any(clip.size is not None for clip in clips) else 1


def console_main(read_clips: ClipReader | None = None, description: str = "") -> None:
    """Entry point of the command, and of the scripts that prepare a known data set.

    Args:
      read_clips: Lists the clips of the folder that --input names, raising UserError where that is not
        the data set; None reads any folder or CSV, described by more flags.
      description: Shown by --help; empty for this module's docstring.
    """
    # Nothing here is worth a GPU's memory, which TensorFlow would take, nor what it logs about lacking one.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    define_flags(own_input=read_clips is not None)
    ends = __doc__[__doc__.index("Exit codes") :]
    app.run(lambda _: main(read_clips or _read_input), description and f"{description}\n{ends}")


if __name__ == "__main__":
    console_main()

"""brave_tf_prepare: turns a folder of media files, or the clips of a CSV, into clip records.

    brave_tf_prepare --input=videos --output=records --flow=dis

leaves TFRecord shards, labels.txt, failures.csv and dataset.json in the output. Interrupted and run
again with the same flags, it goes on where it was.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys

from absl import flags

from brave_tf.cli import app
from brave_tf.errors import UserError

# Workers import this module as the main one: it must stay quick to import.


def define_flags() -> None:
    """Defines the flags of the command."""
    from brave_tf.data.preparation.settings import Settings

    default = Settings()
    flags.DEFINE_string(
        "input",
        None,
        "A folder with media files, one sub-folder per class (below train/, val/, test/ if there are "
        "splits), or a CSV with a column path and optionally label, split, start and end in seconds.",
    )
    flags.DEFINE_string("output", None, "Folder for the records.")
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
    flags.DEFINE_float(
        "test_fraction",
        default.test_fraction,
        "Share of the files of each class that goes to a split test.",
    )
    flags.DEFINE_string("label_column", default.label_column, "Column of the CSV with the label.")
    flags.DEFINE_string("split_column", default.split_column, "Column of the CSV with the split.")
    flags.DEFINE_string(
        "label_separator",
        default.label_separator,
        "Text between several labels of a clip in the CSV; empty: one label each.",
    )
    flags.DEFINE_integer("seed", default.seed, "Seed of the order of clips and of test_fraction.")
    flags.DEFINE_integer("workers", 0, "Processes; 0 is one per core.")
    flags.DEFINE_float(
        "timeout", 0.0, "Seconds that a clip may take; 0 is 300, and 7200 with --flow=tvl1."
    )


def main(_: list[str]) -> int:
    """Prepares the clips; returns 0 when there are records, 1 when nothing could be prepared."""
    from brave_tf.data.preparation.prepare import prepare
    from brave_tf.data.preparation.settings import Settings

    values = flags.FLAGS
    for name in ("input", "output"):
        if not values[name].value:
            raise UserError(f"--{name} is missing. See brave_tf_prepare --help.")
    for name in ("workers", "timeout"):
        if not 0 <= values[name].value < float("inf"):
            raise UserError(f"--{name}={values[name].value}: expected 0 or more.")
    settings = Settings(
        **{field.name: values[field.name].value for field in dataclasses.fields(Settings)}
    )
    terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = prepare(
            values.input, values.output, settings, workers=values.workers, timeout=values.timeout
        )
    except KeyboardInterrupt:
        print("interrupted: run the same command again to go on.", file=sys.stderr)
        return 130
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, terminate)
    failures = os.path.join(values.output, "failures.csv")
    if not report.written:
        print(
            f"error: none of {report.failed} clips could be prepared, see {failures}",
            file=sys.stderr,
        )
        return 1
    verb = "already complete:" if report.complete_before else "wrote"
    print(
        f"{verb} {report.written} clips in {report.shards} shards in {values.output}; "
        f"{report.failed} failed{f', see {failures}' if report.failed else ''}"
    )
    return 0


def console_main() -> None:
    """Entry point of the command."""
    # Nothing here is worth a GPU's memory, which TensorFlow would take, nor what it logs about lacking one.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()

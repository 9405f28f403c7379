"""Mistakes in preparing clips; see `mistakes`."""

from brave_tf.cli import prepare

# Where nobody may write, not even root: the message is the kernel's.
FORBIDDEN = "/sys/brave_tf"
DENIED = "Operation not permitted|Permission denied|Read-only file system"
SMALL = ["--fps=10", "--min_side=32", "--flow=none", "--sample_rate=8000"]


def prepared(*flags):
    return ["--input={place}/videos", "--output={new}", *SMALL, *flags]


MISTAKES = {
    "prepare: no input": (prepare, ["--output={new}"], ["--input is missing"]),
    "prepare: no such folder": (
        prepare,
        ["--input={place}/vidoes", "--output={new}"],
        ["/vidoes: no such folder or CSV", "a folder of media files"],
    ),
    "prepare: nothing in the folder": (
        prepare,
        ["--input={place}/empty", "--output={new}"],
        ["/empty: holds no media files", ".mp4"],
    ),
    "prepare: misspelt column": (
        prepare,
        ["--input={place}/typo.csv", "--output={new}"],
        ["no column 'path' in line 1", "Did you mean paht"],
    ),
    "prepare: only a header": (
        prepare,
        ["--input={place}/header.csv", "--output={new}"],
        ["header.csv", "a header but no clips"],
    ),
    "prepare: end before start": (
        prepare,
        ["--input={place}/times.csv", "--output={new}"],
        ["times.csv: line 2", "end"],
    ),
    "prepare: a word for a number": (
        prepare,
        ["--input={place}/words.csv", "--output={new}"],
        ["words.csv: line 2", "soon"],
    ),
    "prepare: a column twice": (
        prepare,
        ["--input={place}/twice.csv", "--output={new}"],
        ["two columns 'path'"],
    ),
    "prepare: an unquoted comma": (
        prepare,
        ["--input={place}/commas.csv", "--output={new}"],
        ["commas.csv: line 2", "quote cells that hold a comma"],
    ),
    "prepare: not UTF-8": (
        prepare,
        ["--input={place}/latin.csv", "--output={new}"],
        ["latin.csv", "UTF-8"],
    ),
    "prepare: splits beside classes": (
        prepare,
        ["--input={place}/mixed", "--output={new}"],
        ["named like splits", "'cat' is not", "Move the others elsewhere"],
    ),
    "prepare: unknown flow": (
        prepare,
        ["--input={place}/videos", "--output={new}", "--flow=tvl2"],
        ["--flow=tvl2", "Did you mean tvl1"],
    ),
    "prepare: a share above 1": (
        prepare,
        prepared("--test_fraction=20"),
        ["--test_fraction=20", "[0, 1)"],
    ),
    "prepare: one fold": (prepare, prepared("--folds=1"), ["--folds=1", "expected 2 or more"]),
    "prepare: folds beside a share for tests": (
        prepare,
        prepared("--folds=2", "--test_fraction=0.2"),
        ["--folds=2", "0.2 for tests", "Leave one of the two out"],
    ),
    "prepare: quality out of range": (
        prepare,
        prepared("--jpeg_quality=200"),
        ["--jpeg_quality=200", "from 1 to 100"],
    ),
    "prepare: into a folder of other things": (
        prepare,
        ["--input={place}/videos", "--output={place}/records"],
        ["/records: holds another preparation", "Choose another folder"],
    ),
    "prepare: into a file": (
        prepare,
        ["--input={place}/videos", "--output={place}/text.txt"],
        ["text.txt", "cannot be written"],
    ),
    "prepare: where nobody may write": (
        prepare,
        ["--input={place}/videos", f"--output={FORBIDDEN}", *SMALL],
        [FORBIDDEN, "cannot be written", DENIED],
    ),
    "prepare: an unknown runner": (
        prepare,
        prepared("--runner=flink"),
        ["--runner=flink", "local, beam"],
    ),
    "prepare: an unknown flag": (prepare, prepared("--frames=3"), ["'frames'", "--fps"]),
}

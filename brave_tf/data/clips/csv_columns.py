"""The columns of a CSV of clips: which are read, and which only look as if they were."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from brave_tf.errors import ArgumentError, did_you_mean

PATH, START, END, GROUP = "path", "start", "end", "group"
# Each that is not read is compared with those that are.
_MOST_COLUMNS = 1000
# Names that other lists have for a column, in small letters with _ between words.
# fmt: off
_OTHER_NAMES: dict[str, frozenset[str]] = {
    "path": frozenset({
        "audio", "audio_file", "audio_path", "clip", "clip_path", "file", "file_name", "file_path",
        "filename", "filepath", "media", "name", "relative_path", "src", "uri", "url", "video",
        "video_file", "video_name", "video_path", "wav",
    }),
    "label": frozenset({
        "action", "action_label", "categories", "category", "category_id", "category_name", "class",
        "class_id", "class_label", "class_name", "classes", "classname", "label_id", "label_name",
        "labels", "tag", "tags", "target", "targets",
    }),
    "split": frozenset({
        "data_split", "dataset_split", "fold", "mode", "partition", "phase", "set", "split_name",
        "splits", "subset", "usage",
    }),
    "group": frozenset({
        "actor", "group_id", "group_name", "participant", "participant_id", "patient", "patient_id",
        "person", "person_id", "recording", "recording_id", "session", "session_id", "speaker",
        "speaker_id", "src_file", "subject", "subject_id", "take",
    }),
    "start": frozenset({
        "from", "offset", "t0", "t1", "tstart",
    }),
    "end": frozenset({
        "finish", "t2", "tend", "to", "until",
    }),
}
# fmt: on
# What is in many lists for another purpose.
_OFTEN_THERE = frozenset({"split", "group"})
# Words that make a name one of times, as in time_start, startTime, clip_end_seconds.
_WORDS = {
    "start": frozenset({"begin", "begins", "onset", "start", "starts", "starting"}),
    "end": frozenset({"end", "ends", "ending", "stop", "stops"}),
}
_LENGTHS = frozenset({"dur", "duration", "length", "len", "seconds"})
# The share of letters in order that two names have in common when one is a slip of the other.
_SLIP = 0.8


def check_columns(
    source: str,
    names: Sequence[str],
    label_column: str,
    split_column: str,
    group_column: str = GROUP,
    further: Collection[str] = (),
) -> list[str]:
    """Makes sure that the columns of a CSV can be read, and none that matters would be passed over.

    A column is refused when it is not read but looks like one that is, which the CSV lacks: `start_time`
    without `start`, `class` without a label. To read on without it would give other clips. One that looks
    like the split or the group by what it means is only named: folds, subjects and the like are in many
    lists.

    Args:
      source: The CSV, for the messages.
      names: Of its header.
      label_column: The column with the label.
      split_column: The column with the split.
      group_column: The column with the group.
      further: Columns that may be there, and are read.

    Returns:
      The columns that nobody reads, each with the nearest right name if there is one.

    Raises:
      UserError: A column is missing, there twice, or named almost like one that is read; or there are more
          than a list has.
    """
    roles = {
        PATH: "path",
        label_column: "label",
        split_column: "split",
        START: "start",
        END: "end",
    }
    # A column that is chosen as the label or the split says no group.
    roles.setdefault(group_column, "group")
    if len(names) > _MOST_COLUMNS:
        raise ArgumentError(
            "input",
            source,
            f"{len(names):,} columns in line 1, more than {_MOST_COLUMNS:,}: leave out those that are not "
            "read.",
        )
    _check_needed(source, names, label_column, split_column, group_column)
    lacking = {column: role for column, role in roles.items() if column not in names}
    unread, mistaken = [], []
    for name in dict.fromkeys(names):
        if name in roles or name in further or not name:
            continue
        right = _meant(name, roles)
        unread.append(f"{name} (did you mean {right}?)" if right else name)
        role = roles.get(right)
        is_another = role in _OFTEN_THERE and _plain(name) in _OTHER_NAMES[role]
        if right not in lacking or is_another:
            continue
        if right != END or not _is_length(name) or START in names:
            mistaken.append(unread[-1])
    if mistaken:
        raise ArgumentError(
            "input",
            source,
            f"columns not read: {', '.join(mistaken)}. The columns are "
            f"{', '.join(roles)} (start and end in seconds of the file). Rename what is meant to be read, "
            "and leave out or rename what is not; labels, splits and groups may also be read from a label "
            "column, a split column and a group column of another name.",
        )
    return unread


def read_seconds(text: str) -> float | None:
    """Returns the seconds that a cell says.

    Raises:
      ValueError: It is no number from 0 on; the message says what it may have meant.
    """
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = float("nan")
    if 0 <= seconds < float("inf"):
        return seconds
    hint = ""
    if clock := re.fullmatch(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)", text):
        hours, minutes, rest = clock.groups()
        total = 3600 * int(hours or 0) + 60 * int(minutes) + float(rest)
        hint = f". As hours, minutes and seconds it is {total:g}"
    elif re.fullmatch(r"\d+,\d+", text):
        hint = f". Write {text.replace(',', '.')}, with a point"
    raise ValueError(f"{text!r}, expected seconds such as 12.5{hint}")


def _check_needed(source, names, label_column, split_column, group_column):
    optional = {"label": label_column, "split": split_column, "group": group_column}
    for name in (PATH, *(name for usual, name in optional.items() if name != usual)):
        if name not in names:
            found = ", ".join(names) or "nothing"
            hint = _separator(names) or did_you_mean(name, names) or _synonym(name, names)
            raise ArgumentError("input", source, f"no column {name!r} in line 1: {found}.{hint}")
    if group_column != GROUP and group_column in (label_column, split_column):
        raise ArgumentError(
            "input",
            source,
            f"the column {group_column!r} is that of the label or the split, not of a group.",
        )
    repeated = [name for name in names if name and names.count(name) > 1]
    if repeated:
        raise ArgumentError("input", source, f"two columns {repeated[0]!r} in line 1.")


def _synonym(name, names):
    meant = [each for each in names if _plain(each) in _OTHER_NAMES.get(name, ())]
    return f" Rename {meant[0]} to {name}, if that is what it holds." if meant else ""


def _separator(names):
    found = [sign for sign in (";", "\t", "|") if len(names) == 1 and sign in names[0]]
    return f" Separate the columns with commas, not {found[0]!r}." if found else ""


def _meant(name, roles):
    """Returns the column that is read and that an unread one may be meant to be; None if there is none."""
    plain = _plain(name)
    for column, role in roles.items():
        if plain == _plain(column) or plain in _OTHER_NAMES[role]:
            return column
    for column, role in roles.items():
        if set(plain.split("_")) & _WORDS.get(role, frozenset()):
            return column
    if _is_length(name):
        return END
    return next(iter(difflib.get_close_matches(plain, list(roles), n=1, cutoff=_SLIP)), None)


def _is_length(name):
    return bool(set(_plain(name).split("_")) & _LENGTHS)


def _plain(name):
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return "_".join(re.findall(r"[^\W_]+", words.casefold()))

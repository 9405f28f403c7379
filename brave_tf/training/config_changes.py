"""What differs between the configuration of a run and the one it is resumed with."""

from __future__ import annotations

import fnmatch
import inspect
import re
from collections.abc import Sequence
from typing import NamedTuple

from brave_tf import errors
from brave_tf.configuration import value_types, written_values

_MONITORS = "train.monitors"

# What changes neither the meaning of the saved state nor what the steps to come learn.
_HARMLESS = (
    "train.num_steps",
    "train.data_dir",
    "train.data_service",
    "train.held_out_split",
    "train.held_out_batches",
    "train.strategy",
    "train.tpu",
    "train.jit_compile",
    "train.deterministic",
    "train.log_every",
    "train.checkpoint_every",
    "train.keep_*",
    "clip_dataset.num_parallel",
    "compiled_kernels.enabled",
    "train.probe",
    _MONITORS,
    "SkippedClips.*",
    "CollapseWatch.*",
    "InputWait.*",
    "InputWatch.*",
    "ServiceWatch.*",
    "MemorisingWatch.*",
    "FewClipsWatch.*",
    "ClipPictures.*",
    "FeatureSnapshots.*",
    "OnlineKnn.*",
    "*.checkpoint_stages",
)

# What each process of a run may choose for its own machine.
_OF_A_MACHINE = (
    "train.data_dir",
    "train.data_service",
    "clip_dataset.num_parallel",
    "compiled_kernels.enabled",
    "InputWait.*",
    "InputWatch.*",
    "ServiceWatch.*",
)


class Change(NamedTuple):
    """A binding that differs; None in place of a value that is not there."""

    name: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        old, new = ("unset" if value is None else value for value in (self.old, self.new))
        return f"{self.name}: {old} -> {new}"


def changes(old: str, new: str) -> list[Change]:
    """Compares two texts as `gin.operative_config_str` returns them.

    Macros count for their values. Parameters of what only one of them uses are left out: what refers to
    it differs too.

    Raises:
      SyntaxError, ValueError, tokenize.TokenError: one is no such text.
    """
    # The new one was loaded. In the old one macros could stand for each other without an end.
    written_values.check_size(written_values.bindings_in(old))
    before, after = _bindings(old), _bindings(new)
    owners = [{name.rpartition(".")[0] for name in each} for each in (before, after)]
    common = owners[0] & owners[1]
    found = [
        Change(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name) and name.rpartition(".")[0] in common
    ]
    return [change for change in found if not _is_a_new_default(change)]


def check(old: str, new: str, allow: bool) -> list[Change]:
    """Returns what differs, see `changes`, if a run may be resumed with it.

    Args:
      old: the operative configuration of the run.
      new: the one it is to be resumed with.
      allow: whether bindings may differ that change what the saved state means or what is learned.

    Raises:
      UserError: they must not, and some do; the message names them.
      SyntaxError, ValueError, tokenize.TokenError: see `changes`.
    """
    found = changes(old, new)
    monitors = _monitors(old) | _monitors(new)
    # A parameter that is there only once came or went with a version of the program.
    serious = [
        change
        for change in found
        if None not in change[1:]
        and not _is_one_of(_HARMLESS, change.name)
        and _owner(change.name) not in monitors
    ]
    if serious and not allow:
        raise errors.UserError(
            f"the run was started with another configuration (old -> new): {'; '.join(map(str, serious))}. "
            "Use the old values, give another --model_dir, or resume with the new ones by --allow_changes."
        )
    return found


def between_processes(chief: str, own: str) -> list[Change]:
    """Compares two texts as `gin.config_str` returns them, but for what each machine may choose for itself.

    Macros count for their values.

    Raises:
      SyntaxError: one is no such text.
    """
    before, after = _bindings(chief), _bindings(own)
    return [
        Change(name, before.get(name), after.get(name))
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name) and not _is_one_of(_OF_A_MACHINE, name)
    ]


def _is_a_new_default(change: Change) -> bool:
    """Whether a parameter came with a version of the program, and does what was done without it."""
    owner, _, parameter = change.name.rpartition(".")
    known = change.old is None and value_types.registered(owner.rpartition("/")[2])
    if not known:
        return False
    default = inspect.signature(known.wrapped).parameters.get(parameter)
    return default is not None and repr(default.default) == change.new


def _monitors(text: str) -> set[str]:
    """Returns `scope/name` of the monitors that a configuration adds, which look on and change nothing."""
    return set(map(_short, re.findall(r"@([\w./]+)", _bindings(text).get(_MONITORS, ""))))


def _owner(parameter: str) -> str:
    return _short(parameter.rpartition(".")[0])


def _short(name: str) -> str:
    """`scope/module.name` -> `scope/name`: gin writes as much of a module as tells names apart."""
    scope, slash, selector = name.rpartition("/")
    return f"{scope}{slash}{selector.rpartition('.')[2]}"


def _is_one_of(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _bindings(text: str) -> dict[str, str]:
    """Returns `scope/configurable.parameter` -> value, with the values of macros in place of their names."""
    bindings, macros = {}, {}
    for each in written_values.bindings_in(text):
        name = "/".join(filter(None, [each.scope, each.selector]))
        if each.arg_name:
            bindings[f"{name}.{each.arg_name}"] = repr(each.value)
        else:
            macros[name] = repr(each.value)

    def resolved(value: str) -> str:
        return re.sub(r"%([\w./]+)", lambda use: resolved(macros.get(use[1], use[1])), value)

    return {name: resolved(value) for name, value in bindings.items()}

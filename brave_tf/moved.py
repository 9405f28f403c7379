"""Names that modules had before, which recipes, plug-ins and written configurations go on using.

An import under a former name gives the module that took its place, with a warning that says its name.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Callable

_PACKAGE = "brave_tf."

# Former name -> present names, of the modules that share its contents, below `brave_tf`.
_MOVED: dict[str, str | tuple[str, ...]] = {
    "data.attempts": "data.sources.attempts",
    "data.clip_windows": "data.pipeline.clip_windows",
    "data.dataset_info": "data.records.dataset_info",
    "data.decode_service": "data.pipeline.decode_service",
    "data.ffmpeg4": "data.media.ffmpeg4",
    "data.frames": "data.views.frames",
    "data.log_mel": "data.views.log_mel",
    "data.pipeline": "data.pipeline.batches",
    "data.official_splits": "data.public.official_splits",
    "data.preparation.annotations": "data.public.annotations",
    "data.preparation.clip_list": "data.clips.clip_list",
    "data.preparation.collection": "data.public.collection",
    "data.preparation.flow": "data.media.flow",
    "data.preparation.kinetics": "data.public.kinetics",
    "data.preparation.media": "data.media.media",
    "data.preparation.records": "data.preparation.record_writer",
    "data.preparation.worker_pool": "process.worker_pool",
    "data.record_fields": "data.records.fields",
    "data.record_index": "data.records.index",
    "data.record_reader": "data.records.reader",
    "data.record_stream": "data.sources.record_stream",
    "data.sampling": "data.views.sampling",
    "data.source": "data.sources.kinds",
    "data.tfio": "data.media.tfio",
    "evaluation.class_protocol": "evaluation.protocols.frozen_features",
    "evaluation.classes": "evaluation.protocols.classes",
    "evaluation.clip_features": "evaluation.features.feature_bank",
    "evaluation.families": "evaluation.tasks.families",
    "evaluation.features.extraction": "features.extraction",
    "evaluation.features.store": "features.store",
    "evaluation.finetune": "evaluation.protocols.finetune",
    "evaluation.finetuning": "evaluation.protocols.finetune_recipe",
    "evaluation.knn": "evaluation.protocols.knn",
    "evaluation.linear": "evaluation.protocols.svm",
    "evaluation.linear_layer": "evaluation.protocols.linear_layer",
    "evaluation.mlp": "evaluation.protocols.mlp",
    "evaluation.multi_label": "evaluation.metrics.multi_label",
    "evaluation.neighbours": "evaluation.protocols.neighbours",
    "evaluation.official": "evaluation.tasks.official",
    "evaluation.online_knn": "evaluation.protocols.online_knn",
    "evaluation.probe": ("evaluation.features.probe", "evaluation.protocols.outcome"),
    "evaluation.registry": "evaluation.tasks.registry",
    "evaluation.retrieval": "evaluation.protocols.retrieval",
    "evaluation.scores": "evaluation.metrics.scores",
    "evaluation.supervised": "evaluation.protocols.supervised",
    "evaluation.windows": "evaluation.features.windows",
    "interop.haiku_file": "interop.deepmind.haiku_file",
    "interop.published": "interop.deepmind.runs",
    "interop.released": "interop.deepmind.recipe",
    "training.schedules": "training.optimizers.schedules",
    "files": "storage.files",
    "locks": "storage.locks",
    "progress": "process.progress",
    "quiet": "process.startup",
}
# Present name of a module, former name of what is in it -> present name of that.
_RENAMED = {
    ("data.clips.clip_list", "Clip"): "ListedClip",
    ("data.preparation.settings", "Settings"): "PreparationSettings",
    ("errors", "nearest"): "did_you_mean",
    ("process.startup", "load_tensorflow"): "import_tensorflow",
}


def forward() -> None:
    """Makes the former names importable."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        # The last: what is there under a name is never hidden.
        sys.meta_path.append(_Finder())


def attributes(former: str, present: Sequence[str], warn: bool = True) -> Callable[[str], Any]:
    """Returns what a module that stands under a former name needs as its `__getattr__`.

    Args:
      former: its name.
      present: names of the modules that have its contents; the first that has an attribute gives it.
      warn: whether each use is warned of.
    """

    def find(name: str) -> Any:
        # Python asks for a module of a package in this way before it imports it.
        if not name.startswith("__") and not _is_module_of(former, name):
            for module in map(importlib.import_module, present):
                found = _RENAMED.get((module.__name__[len(_PACKAGE) :], name), name)
                if found in vars(module):
                    if warn or found != name:
                        _warn(f"{former}.{name}", f"{module.__name__}.{found}")
                    return getattr(module, found)
        raise AttributeError(f"module {former!r} has no attribute {name!r}")

    return find


def former_name(module: str) -> str:
    """Returns the name by which what is written on disk knows a module or what is in it.

    Keys of caches and identities of results are made of names, and are to last.
    """
    return _FORMER.sub(lambda found: _BY_PRESENT[found[0]], module)


def present_name(module: str) -> str:
    """Returns the name that a module has now."""
    former = module[len(_PACKAGE) :]
    return _present(former)[0] if module.startswith(_PACKAGE) and former in _MOVED else module


def present_text(text: str, place: str | None = None) -> str:
    """Returns a text of gin with the present names of modules in place of former ones.

    gin finds what has a name by the end of it, so `training.schedules.piecewise` is one too.

    Args:
      text: of gin.
      place: where a user has written it, for the warning about each of them; None for no warning.
    """

    def present(found: re.Match) -> str:
        written, part = found["module"], found["part"] or ""
        module = written
        if not written.startswith(_PACKAGE):
            if not part or _is_quoted(found) or _is_there(written):
                return found[0]
            module = _PACKAGE + written
        spec = importlib.util.find_spec(module)
        if part and spec.submodule_search_locations and importlib.util.find_spec(module + part):
            return found[0]  # A package has the former name now.
        if place is not None:
            _warn(f"{place}: {written}", present_name(module))
        return present_name(module) + part

    return _ANY_FORMER.sub(present, text)


def _is_quoted(found: re.Match) -> bool:
    """Whether a comment or a text in quotes holds a match."""
    before = found.string[: found.start()].rpartition("\n")[2]
    return "#" in before or any(before.count(quote) % 2 for quote in "'\"")


def _is_there(module: str) -> bool:
    """Whether there is a module of a user under a name."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        found = fullname.startswith(_PACKAGE) and fullname[len(_PACKAGE) :] in _MOVED
        return importlib.machinery.ModuleSpec(fullname, self) if found else None

    def exec_module(self, module: ModuleType) -> None:
        present = _present(module.__name__[len(_PACKAGE) :])
        # What it registers is to be there, whoever asks for what.
        modules = [importlib.import_module(name) for name in present]
        module.__doc__ = modules[0].__doc__
        module.__getattr__ = attributes(module.__name__, present, warn=False)
        _warn(module.__name__, " and ".join(present))


def _is_module_of(package: str, name: str) -> bool:
    path = vars(sys.modules[package]).get("__path__") if package in sys.modules else None
    return bool(path and importlib.machinery.PathFinder.find_spec(f"{package}.{name}", path))


def _present(former: str) -> tuple[str, ...]:
    names = _MOVED[former]
    return tuple(_PACKAGE + name for name in ([names] if isinstance(names, str) else names))


def _warn(former: str, present: str) -> None:
    warnings.warn(f"{former} is now {present}: use that name.", FutureWarning, stacklevel=3)


# Of a module whose contents were divided, the first has the name.
_BY_PRESENT = {_present(former)[0]: _PACKAGE + former for former in _MOVED}
_NAMES = "|".join(map(re.escape, _MOVED))
_SHORT = "|".join(re.escape(former) for former in _MOVED if "." in former)
_ANY_FORMER = re.compile(
    rf"(?<![\w.])(?P<module>brave_tf\.(?:{_NAMES})|(?:{_SHORT}))(?!\w)(?P<part>\.\w+)?"
)
_FORMER = re.compile("(?:" + "|".join(map(re.escape, _BY_PRESENT)) + r")(?![\w])")

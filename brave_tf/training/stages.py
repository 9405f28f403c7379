"""Recipes of several stages: runs one after another, each of which begins with parts of earlier ones.

A gin file that binds `Stages.stages` is such a recipe. It holds what all stages have in common; each stage
names one more gin file with the rest. Every stage is a run in a folder of its own, below that of the recipe,
which can be watched, evaluated and exported as any other.
"""

from __future__ import annotations

import dataclasses
import gc
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import gin
import tensorflow as tf

from brave_tf import config, errors
from brave_tf.configuration.binding_checks import NoEffectError
from brave_tf.training import checkpoint_files, checkpoints, recipe, run, stage_record
from brave_tf.training.initial_weights import Part
from brave_tf.training.inputs import Inputs
from brave_tf.training.interruption import Interruption
from brave_tf.training.resumption import run_id
from brave_tf.training.settings import Settings
from brave_tf.training.workers import read_workers

_STAGES = "Stages"


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Stage:
    """A run that is a part of a larger one.

    Attributes:
      name: of the stage and its folder.
      recipe: gin file that is read after the one that binds the stages, and before those that follow that
        one; it is looked for beside it first.
      begins_with: what the stage begins with: part of its objective -> stage that has a part of that name, or
        (stage, its name there). Parts are named as in `train.initial_parts`.
    """

    name: str = gin.REQUIRED
    recipe: str = gin.REQUIRED
    begins_with: Mapping[str, str | Sequence[str]] = dataclasses.field(default_factory=dict)


@gin.configurable
@dataclasses.dataclass(frozen=True)
class Stages:
    """The stages of a recipe.

    Attributes:
      stages: in their order.

    Raises:
      UserError: there are none, two have one name, or one begins with a stage that is not before it.
    """

    stages: Sequence[Stage] = gin.REQUIRED

    def __post_init__(self) -> None:
        if not self.stages or not all(isinstance(each, Stage) for each in self.stages):
            raise errors.UserError(
                f"Stages.stages = {self.stages!r}: expected one stage or more, such as [@first/Stage()]."
            )
        before: list[str] = []
        for stage in self.stages:
            if stage.name in before or pathlib.PurePath(stage.name).parts != (stage.name,):
                raise errors.UserError(
                    f"Stages.stages has a stage {stage.name!r}: expected names of folders that differ."
                )
            for earlier, _ in _parts(stage).values():
                if earlier not in before:
                    raise errors.UserError(
                        f"stage {stage.name!r} begins with parts of {earlier!r}: expected a stage before it, "
                        f"of which there are {before}.{errors.did_you_mean(earlier, before)}"
                    )
            before.append(stage.name)


@dataclasses.dataclass(frozen=True)
class StagedRecipe:
    """Gin files and bindings whose first file binds stages.

    Attributes:
      gin_files: see `config.load_config`.
      bindings: likewise.
      stages: what is bound.
    """

    gin_files: Sequence[str]
    bindings: Sequence[str]
    stages: Sequence[Stage]

    def load(self, stage: Stage) -> dict[str, NoEffectError]:
        """Loads the configuration of a stage; returns the bindings that have no effect in it.

        Raises:
          UserError: see `config.load_config`; but not for such a binding, which another stage may use.
        """
        first, *rest = self.gin_files
        beside = config.find_recipe(first).parent / stage.recipe
        own = str(beside) if beside.is_file() else stage.recipe
        useless: dict[str, NoEffectError] = {}
        while True:
            try:
                config.load_config(
                    [first, own, *rest],
                    self.bindings,
                    for_training=True,
                    elsewhere=useless,
                )
                break
            except NoEffectError as error:
                useless[error.binding] = error
        # A stage is a run like any other, and its folder says nothing of stages.
        config.loaded().without(__name__, *config.referenced(f"{_STAGES}.stages")).load()
        return useless

    def kinds(self) -> dict[str, Stage]:
        """Returns the first stage of each gin file, by the names of all that have it, with commas."""
        files = dict.fromkeys(stage.recipe for stage in self.stages)
        alike = [[each for each in self.stages if each.recipe == file] for file in files]
        return {", ".join(each.name for each in some): some[0] for some in alike}

    def check(self, data: bool = True) -> None:
        """Makes sure, before the first of them begins, that the configurations of all stages can be used.

        Args:
          data: whether there have to be clips with what the views need.

        Raises:
          UserError: one cannot, or a binding has no effect in any stage.
        """
        useless: dict[str, NoEffectError] | None = None
        for stage in self.stages:
            found = self.load(stage)
            if data:
                Inputs(recipe.bound(Settings), recipe.bound(recipe.Recipe)).check()
            useless = found if useless is None else {k: e for k, e in useless.items() if k in found}
        for error in (useless or {}).values():
            raise error


def read_stages(gin_files: Sequence[str], bindings: Sequence[str]) -> StagedRecipe | None:
    """Returns the stages that gin files bind; None if they bind none.

    Raises:
      UserError: they cannot be used.
    """
    if not config.binds(_STAGES, gin_files, bindings):
        return None
    config.load_known(gin_files, bindings)
    return StagedRecipe(gin_files, bindings, recipe.bound(Stages).stages)


def train(
    staged: StagedRecipe,
    model_dir: str,
    allow_changes: bool = False,
    interruption: Interruption | None = None,
) -> bool:
    """Runs the stages that are not complete, each from its newest checkpoint.

    Leaves in `model_dir` a folder for each stage, see `run.train`, and `stages.json`: which run began with
    which. A stage knows those that it began with by their id, so that the folder can be moved.

    Args:
      staged: the recipe.
      model_dir: folder of the recipe.
      allow_changes: see `run.train`.
      interruption: likewise.

    Returns:
      True when the last stage reached its last step, False when one was interrupted.

    Raises:
      UserError: before anything is trained, if the configuration of a stage cannot be used, or there are
        several processes; if a stage began
        with a run that is not there any more as it was. Else see `run.train`.
    """
    if read_workers().several:
        raise errors.UserError(
            "a recipe of stages is trained by one process, but the environment variable TF_CONFIG names "
            "several: train the gin files of its stages one after another, each with train.initial_parts."
        )
    staged.check()
    folder = pathlib.Path(model_dir)
    done = stage_record.read(folder)
    for number, stage in enumerate(staged.stages, start=1):
        staged.load(stage)
        said = f"stage {number} of {len(staged.stages)}, {stage.name}"
        if _is_complete(done.get(stage.name), folder / stage.name):
            _check_origin(stage, done, folder)
            print(f"{said}: complete", flush=True)
            continue
        print(f"{said}: {folder / stage.name}", flush=True)
        if not _train(stage, done, folder, allow_changes, interruption):
            return False
        # The next one has its own names of layers, as in a process of its own.
        tf.keras.backend.clear_session()
        gc.collect()
    return True


def _train(
    stage: Stage,
    done: dict[str, Any],
    folder: pathlib.Path,
    allow_changes: bool,
    interruption: Interruption | None,
) -> bool:
    """Trains a stage from its newest checkpoint or from its origins, and notes it in `done`."""
    own, parts = folder / stage.name, {}
    if checkpoint_files.steps(own / checkpoints.FOLDER):
        _check_origin(stage, done, folder)
    else:
        parts = {
            part: Part(str(folder / earlier), there, str(done[earlier]["step"]))
            for part, (earlier, there) in _parts(stage).items()
        }
        origin = {name: done[name] for name in _origins(stage)}
        done[stage.name] = {"begins_with": _ends(origin)}
        stage_record.write(folder, done)
    if not run.train(str(own), allow_changes, interruption, initial_parts=parts):
        return False
    entry = done.setdefault(stage.name, {"begins_with": {}})
    entry.update(run=run_id(own), step=recipe.bound(Settings).num_steps)
    stage_record.write(folder, done)
    return True


def _is_complete(entry: Mapping[str, Any] | None, folder: pathlib.Path) -> bool:
    if entry is None or "step" not in entry or entry["run"] != run_id(folder):
        return False
    return entry["step"] >= recipe.bound(Settings).num_steps


def _check_origin(stage: Stage, done: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Refuses to go on with a stage that began with other weights than those which are there now."""
    said = done.get(stage.name, {}).get("begins_with", {})
    if said != _ends({name: done.get(name, {}) for name in _origins(stage)}):
        raise errors.UserError(
            f"{folder / stage.name} began with {', '.join(_origins(stage))}, but not with the weights that "
            "are there now: a stage before was trained anew, or further. Remove the folder to train the "
            "stage again, or put back what it began with."
        )


def _ends(done: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {k: entry.get(k) for k in ("run", "step")} for name, entry in done.items()}


def _parts(stage: Stage) -> dict[str, tuple[str, str]]:
    """Returns part -> (stage, part there)."""
    return {
        part: (source, part) if isinstance(source, str) else (source[0], source[1])
        for part, source in stage.begins_with.items()
    }


def _origins(stage: Stage) -> list[str]:
    return sorted({earlier for earlier, _ in _parts(stage).values()})

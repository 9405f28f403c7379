"""The optimizer of a fine-tuning and its schedule, as bindings."""

from __future__ import annotations

import contextlib
import importlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gin

from brave_tf.errors import UserError, did_you_mean
from brave_tf.training import labelled_recipe

if TYPE_CHECKING:
    from brave_tf.evaluation.protocols.finetune_recipe import FineTuning

# Optimizer -> its module in `brave_tf.training.optimizers`.
_OPTIMIZERS = {"sgd": "sgd", "adam": "adam", "adamw": "adam", "lars": "lars", "lamb": "lamb"}
# Arguments of optimizers that came after runs had been kept under what is bound.
_ADDED = {
    "adam": ("weight_decay", "decay_all"),
    "adamw": ("decay_all",),
    "sgd": ("decay_all", "rate_inside"),
}


def optimizer(settings: FineTuning, scope: str, multipliers: Mapping[str, float]) -> dict[str, Any]:
    """Binds all arguments of the optimizer, so that it has none from the recipe's.

    Args:
      settings: of the fine-tuning.
      scope: that everything of the run is bound in.
      multipliers: of the optimizer.

    Raises:
      UserError: there is no such optimizer, or it takes no such argument.
    """
    function = _find_optimizer(settings.optimizer)
    parameters = inspect.signature(function).parameters
    defaults = {name: p.default for name, p in parameters.items() if _is_bound(settings, name)}
    rates = {"cosine": "warmup_cosine", "steps": "piecewise"}[settings.schedule]
    values = {
        **defaults,
        "learning_rate": labelled_recipe.reference(f"{scope}/{rates}", call=True),
        "multipliers": dict(multipliers),
        **({"weight_decay": settings.weight_decay} if settings.weight_decay else {}),
        **(settings.optimizer_arguments or {}),
    }
    unknown = sorted(set(values) - set(parameters))
    if unknown:
        raise UserError(
            f"finetune.optimizer = {settings.optimizer!r} takes no {unknown[0]}, but "
            f"{', '.join(parameters)}. Bind another optimizer, or leave it out (0 for weight_decay)."
        )
    name = f"{scope}/{settings.optimizer}"
    bindings = {f"{name}.{argument}": value for argument, value in values.items()}
    return {"train.optimizer": labelled_recipe.reference(name), **bindings}


def _is_bound(settings: FineTuning, argument: str) -> bool:
    """Whether the default of an argument is bound: of one that came later, where the recipe binds it."""
    if argument not in _ADDED.get(settings.optimizer, ()):
        return True
    with contextlib.suppress(ValueError):
        labelled_recipe.bound_value(f"{settings.optimizer}.{argument}")
        return True
    return False


def _find_optimizer(name: str) -> Any:
    if name in _OPTIMIZERS:
        importlib.import_module(f"brave_tf.training.optimizers.{_OPTIMIZERS[name]}")
    try:
        return gin.get_configurable(name)
    except ValueError as error:
        raise UserError(
            f"finetune.optimizer = {name!r}: expected one of {', '.join(_OPTIMIZERS)}, or a gin configurable "
            f"of your own, which needs an `import` line in a --gin_file.{did_you_mean(name, _OPTIMIZERS)}"
        ) from error


def schedule(settings: FineTuning, scope: str, steps: int) -> dict[str, Any]:
    """Binds the schedule of the learning rate for a run of `steps` steps."""
    if settings.schedule == "cosine":
        name = f"{scope}/warmup_cosine"
        values = {
            "peak": settings.learning_rate,
            "warmup_steps": min(round(settings.warmup * steps), steps - 1),
            "total_steps": steps,
        }
    else:
        name = f"{scope}/piecewise"
        boundaries = sorted({max(1, round(share * steps)) for share in settings.milestones})
        factors = [settings.milestone_factor**number for number in range(len(boundaries) + 1)]
        rates = [settings.learning_rate * factor for factor in factors]
        values = {"values": rates, "boundaries": boundaries}
    return {f"{name}.{argument}": value for argument, value in values.items()}

"""The fine-tuning protocol: the whole network is trained with labels, from the weights of a checkpoint.

It is a run like any other, in a folder of its own: with checkpoints, TensorBoard, the strategy and the
precision of the run that it begins with, and exact resumption. For its settings see
`finetune_recipe.FineTuning`.
"""

from __future__ import annotations

from typing import Any

from brave_tf.errors import UserError
from brave_tf.evaluation.features.feature_bank import FeatureBank
from brave_tf.evaluation.features.probe import Probe
from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols import finetune_recipe, labelled_run, supervised
from brave_tf.evaluation.protocols.classes import check_classes, count_classes, predictions
from brave_tf.evaluation.protocols.finetune_recipe import FineTuning
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.protocols.outcome import Outcome
from brave_tf.interop.models import FUNCTION
from brave_tf.storage.added_fields import told_fields
from brave_tf.training.checkpoints import BEST, LAST

FOLDER = "finetune"
_OF_ALL_PROTOCOLS = ("train_split", "test_split", "seed")


def finetune(probe: Probe, data_dir: str, **splits: str) -> Outcome:
    """Fine-tunes a network on the training split and scores it on the test split.

    The score of a clip for a class is the mean of the class's probabilities in the test crops. Test labels
    are used for the score alone: the best checkpoint is that of the lowest loss on held-out training clips.

    Args:
      probe: of the backbone whose network is fine-tuned, from its weights, or from random ones when that
        baseline is evaluated. The supervised baseline is trained as `supervised` says.
      data_dir: folder of prepared records, or media files.
      **splits: `train_split` and `test_split` in place of those bound.

    Returns:
      `top1` and `top5` of the last checkpoint, and `best_top1` and `best_top5` of the best one, where there
      is one, with their 95 % bootstrap intervals over test clips.

    Raises:
      UserError: before any step, for settings, splits and weights that cannot be used.
      KeyboardInterrupt, SystemExit: the training was interrupted and saved; called again, it goes on.
    """
    settings = FineTuning(**splits)
    if probe.backbone.source is None or probe.backbone.source.kind == FUNCTION:
        raise UserError(
            "a function has no weights that could be fine-tuned: give a run by --model_dir, or an exported "
            "model by --model."
        )
    bank = FeatureBank(probe, data_dir)
    check_classes(bank, settings.train_split, settings.test_split)
    labels = bank.labels(settings.train_split)
    if supervised.is_baseline(probe):
        folder = supervised.train(bank, settings.train_split)
    else:
        classes = count_classes(bank, labels)
        derived = finetune_recipe.derive(settings, probe, bank.view, data_dir, len(labels), classes)
        folder = labelled_run.train(probe, FOLDER, derived)
    return _score(settings, bank, len(labels), folder)


def _score(settings: FineTuning, bank: FeatureBank, train_clips: int, folder: str) -> Outcome:
    has_best = settings.held_out_every is not None and not supervised.is_baseline(bank.probe)
    checkpoints = (LAST, BEST) if has_best else (LAST,)
    runs = {which: labelled_run.load(bank.probe, folder, which) for which in checkpoints}
    clips, decisions = labelled_run.test(bank, settings.test_split, list(runs.values()))
    hits = scores.top_hits(decisions[0], clips.labels)
    if has_best:
        of_best = scores.top_hits(decisions[1], clips.labels)
        hits.update({f"{BEST}_{name}": values for name, values in of_best.items()})
    total = sum(map(bank.total, (settings.train_split, settings.test_split)))
    return Outcome(
        metrics=scores.with_intervals(hits, settings.seed),
        clips={
            "train": train_clips,
            "test": len(clips),
            "missing": total - train_clips - len(clips),
        },
        settings={
            **bank.settings,
            **{name: getattr(settings, name) for name in _OF_ALL_PROTOCOLS},
            "finetune": _plain(settings),
            "run": folder,
            **{f"{which}_step": run.step for which, run in runs.items()},
        },
        predictions=predictions(bank, clips, decisions[0]),
        per_clip=hits,
    )


def _plain(settings: FineTuning) -> dict[str, Any]:
    names = None if settings.augmentations is None else [a.__name__ for a in settings.augmentations]
    values = {
        **told_fields(settings),
        "augmentations": names,
        "milestones": list(settings.milestones),
    }
    return {name: value for name, value in values.items() if name not in _OF_ALL_PROTOCOLS}


FINETUNE = Kind(
    "finetune", finetune, "the whole network, trained with labels", ("top1", "top5", "best_top1")
)

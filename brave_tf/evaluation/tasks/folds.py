"""Any clips that have labels and folds, as `brave_tf_prepare --folds` makes: records, or media files."""

import dataclasses

from brave_tf.evaluation.metrics import multi_label
from brave_tf.evaluation.protocols.kind import Kind
from brave_tf.evaluation.tasks.families import register_tasks
from brave_tf.evaluation.tasks.folder import KINDS
from brave_tf.evaluation.tasks.official import over_folds


def _over_folds(kind: Kind) -> Kind:
    # Those of clips with several labels are ranks among the clips of a fold, not means over clips.
    pooled = [f"pooled_{name}" for name in kind.reports if name not in multi_label.REPORTS]
    return dataclasses.replace(
        kind,
        protocol=over_folds(kind.protocol),
        summary=f"{kind.summary}, each fold by the others",
        reports=(*kind.reports, *pooled),
    )


register_tasks("folds", "the clips in --data", [_over_folds(kind) for kind in KINDS])

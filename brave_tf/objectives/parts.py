"""Objectives that are parts of another one."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from brave_tf.objectives.base import Objective, Terms
from brave_tf.objectives.means import counted, weighted
from brave_tf.objectives.shared_features import computed_once


def joined(
    owner: Objective, parts: Mapping[str, Objective], batch: Mapping[str, tf.Tensor], training: bool
) -> Terms:
    """Computes the terms of an objective whose terms are the losses of others, one by the name of each.

    Parts are made with backbones of the owner, such as `Agreement({'narrow': self.backbones['narrow']})`,
    and kept as attributes of it. A backbone sees a view once, however many of them ask for it. The owner's
    weights are those of the parts' losses, each with the part's own weights and `loss_scale` in it.

    Args:
      owner: whose `term_names` are the names of the parts, and whose `monitor_names` are `joined_monitors`.
      parts: name -> objective.
      batch: as `Objective.terms` takes it.
      training: likewise.
    """
    losses, followed, features, monitors, projections, writes = {}, {}, {}, {}, {}, []
    with computed_once():
        found = {name: part.terms(batch, training) for name, part in parts.items()}
    for name, terms in found.items():
        part = parts[name]
        losses[name] = weighted(part.clip_losses(terms), terms.counts)
        followed[name] = weighted(part.followed_losses(terms), terms.counts)
        features.update(terms.features)
        for each, value in {**terms.losses, **terms.monitors}.items():
            figure, counts = counted(value, terms.counts)
            known = isinstance(value, tuple)
            monitors[f"{name}/{each}"] = (figure, counts) if known else weighted(figure, counts)
        projections.update({f"{name}/{each}": z for each, z in terms.projections.items()})
        writes += terms.writes
    apart = any(terms.followed is not None for terms in found.values())
    return Terms(
        losses,
        features,
        monitors,
        projections,
        followed=owner.weigh(followed) if apart else None,
        writes=writes,
    )


def joined_monitors(parts: Mapping[str, Objective]) -> list[str]:
    """Returns the names of the monitors of `joined`: the terms and monitors of the parts, `part/name`."""
    return [
        f"{name}/{each}"
        for name, part in parts.items()
        for each in (*part.term_names, *part.monitor_names)
    ]

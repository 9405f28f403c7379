"""What clips have, and the error about a modality that a view needs and no clip has."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from brave_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Held:
    """What the clips of a split have.

    Attributes:
      together: the sets of modalities that single clips have.
      sample_rate: of their sound, Hz; None where sound is read at the rate that a view expects.
    """

    together: frozenset[frozenset[str]]
    sample_rate: float | None = None

    def has(self, modalities: Collection[str]) -> bool:
        """Whether there are clips that have all of these."""
        return any(set(modalities) <= held for held in self.together)


class MissingModalityError(UserError):
    """No clip has what a view, or the views together, need.

    Attributes:
      held: what the clips have.
    """

    def __init__(self, message: str, held: Held):
        super().__init__(message)
        self.held = held

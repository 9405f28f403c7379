"""What a modality is: see `modality_registry`.

This module and the top of those beside it need no TensorFlow: what readers of records and processes without
it ask of a modality is data. What needs more imports it when it is called.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brave_tf import modality_registry
from brave_tf.errors import UserError
from brave_tf.modality_registry import PICTURES, SOUND, Stored

if TYPE_CHECKING:
    import numpy as np

    from brave_tf.data.preparation.clip_encoder import PreparedClip
    from brave_tf.data.preparation.settings import PreparationSettings
    from brave_tf.data.records.modalities import Held
    from brave_tf.data.records.reader import Clip
    from brave_tf.data.sources.media_facts import Facts
    from brave_tf.data.views.base import Augmentation, View
    from brave_tf.evaluation.features.windows import EvalWindows
    from brave_tf.inspection.stored_clip import StoredClip
    from brave_tf.interop.signatures import Embed, Signatures, Sizes
    from brave_tf.pages.clip_strips import Strips

_LAST = 100


class Modality:
    """A modality. What a subclass does not define, clips of the modality do not have or need.

    Attributes:
      name: what views, tasks and counts call it; letters, digits and `_`.
      fields: sequence fields of a record -> type, one of `TYPES`. A clip has the modality if
        it holds one of them. Those that are no field of `records.reader.Clip` are in its `extra`.
      context: further context fields that are written with them -> type.
      columns: of a CSV of clips, which `store` finds in `clip.cells`.
      media: what of a media file its views can be made from while it is read, `PICTURES` or `SOUND`; empty
        for those that are only made from records.
      flags: of `brave_tf_prepare`, with which records have it.
      rank: modalities are listed by it, and those of one rank in the order of their registration.
    """

    name: str = ""
    fields: Mapping[str, str] = {}
    context: Mapping[str, str] = {}
    columns: tuple[str, ...] = ()
    media: str = ""
    flags: str = ""
    rank: int = _LAST

    # Clips.

    def views(self) -> tuple[type[View], ...]:
        """Returns its kinds of views; the first one, with its defaults, is what a function is given."""
        return ()

    def in_media(self, facts: Facts) -> bool:
        """Whether its views can be made from a media file while it is read."""
        return {PICTURES: facts.has_video, SOUND: facts.has_audio}.get(self.media, False)

    def remedy(self, settings: Mapping[str, Any]) -> str:
        """Says how clips get it, after 'Take the view out of the recipe, or'.

        Args:
          settings: with which the clips that lack it were prepared; empty where nobody knows.
        """
        return f"prepare the clips again{f' with {self.flags}' if self.flags else ''}"

    def store(self, prepared: PreparedClip, settings: PreparationSettings) -> Stored | None:
        """Returns what the record of a prepared clip holds of it; None for nothing but what others store.

        It is called in the process that writes, one clip after the other; clips are decoded in others.
        """
        return None

    # Training and evaluation.

    def bindings(self, held: Held) -> list[str]:
        """Returns statements that recipes of the package with it need for clips, see `trainable`."""
        return []

    def advice(self, held: Held) -> str:
        """Returns a sentence on recipes that clips could train if they had it; empty for none."""
        return ""

    def augmentations(self) -> tuple[Augmentation, ...]:
        """Returns what is applied to the training windows of evaluations."""
        return ()

    def evaluated(self, view: View, windows: EvalWindows, is_narrow: bool) -> dict[str, Any]:
        """Returns the fields of a view that are others for the windows of evaluations.

        Args:
          view: that a backbone was trained on.
          windows: what is asked for.
          is_narrow: whether the view is the narrow one of its recipe.

        Raises:
          UserError: it has no frames, and something about them is asked for.
        """
        if windows.num_frames or windows.size or windows.resize:
            raise UserError(
                "eval_windows.num_frames, size and resize are of rgb and flow: take them out to evaluate "
                f"{self.view_in_words()}."
            )
        return {}

    def tested(self, view: View, test_size: int) -> dict[str, Any]:
        """Returns the fields of a view of evaluations that are others for test crops of another size.

        Args:
          view: that of the windows.
          test_size: what is asked for, in pixels.

        Raises:
          UserError: it has no frames.
        """
        raise UserError(
            f"eval_windows.test_size = {test_size} is of rgb and flow: take it out to evaluate "
            f"{self.view_in_words()}."
        )

    def view_in_words(self) -> str:
        """Returns what a view of it is called in the message about `eval_windows`."""
        return f"a view of {self.name}"

    def spatial_crops(self, asked: int) -> int:
        """Returns how many crops a test window has where `asked` are asked for."""
        return 1

    # Exports.

    def signatures(self, name: str, view: View, sizes: Sizes, embed: Embed) -> Signatures:
        """Returns the signatures of a view by name, see `interop.signatures`.

        Args:
          name: of the view; one of the signatures has it.
          view: the view.
          sizes: of the backbone's input, without the batch; None for those that it leaves open.
          embed: (B, *sizes) float32 -> what signatures answer.

        Raises:
          UserError: views of the modality cannot be exported.
        """
        known = [each.name for each in modality_registry.registered() if _exports(each)]
        raise UserError(
            f"view {name!r} has the modality {self.name!r}, for which no signature is known: only "
            f"{', '.join(known[:-1])} and {known[-1]} can be exported."
        )

    def window_signature(self, view_name: str) -> str:
        """Returns the signature of a view that takes its windows, (B, *view.shape) float32."""
        return view_name

    # Pages and charts.

    def window_picture(self, values: np.ndarray) -> np.ndarray | None:
        """Draws what a view has cut from a clip.

        Args:
          values: of the view's shape, float.

        Returns:
          (H, W, 3) uint8 RGB; None where it cannot be drawn.
        """
        return None

    def still(self, values: np.ndarray) -> np.ndarray | None:
        """Draws what stands for all of a window in a small square; see `window_picture`."""
        return self.window_picture(values)

    def clip_picture(self, clip: Clip) -> np.ndarray | None:
        """Draws a clip that has it, as (84, W, 3) uint8 RGB; None where it cannot be drawn."""
        return None

    def strips(self, clip: StoredClip, seconds: float) -> Strips | None:
        """Draws what a record holds of it, over its seconds; None where it holds nothing."""
        return None


def register_modality(kind: type[Modality]) -> type[Modality]:
    """Makes a modality known, as the decorator of its class.

    Raises:
      TypeError: for what is not a subclass of `Modality`.
      ValueError: it has no usable name, or one that another modality has; or a field has no usable type, or
        another one than in another modality.
    """
    if not (inspect.isclass(kind) and issubclass(kind, Modality)):
        raise TypeError(f"register_modality was given {kind!r}: expected a subclass of Modality.")
    # It becomes a part of the names of tasks, and of the counts in dataset.json.
    if not kind.name.isidentifier() or kind.name == "warnings":
        raise ValueError(
            f"{kind.__name__}.name = {kind.name!r}: expected letters, digits and _; dataset.json counts "
            "'warnings' already."
        )
    modality_registry.register(kind())
    return kind


def _exports(modality: Modality) -> bool:
    return type(modality).signatures is not Modality.signatures

"""One clip on a page: all that its record holds, over the same seconds."""

from __future__ import annotations

from markupsafe import Markup

from brave_tf import modality_registry as modalities
from brave_tf.inspection.clip_check import ClipFacts, check_clip
from brave_tf.inspection.stored_clip import StoredClip
from brave_tf.pages import clip_strips, document


def clip_card(clip: StoredClip, where: str, split: str, labels: str) -> Markup:
    """Draws a clip as an HTML section; what does not decode is left out.

    Args:
      clip: the clip.
      where: its place in the records.
      split: that it belongs to.
      labels: texts of its labels.
    """
    facts = check_clip(clip, ())
    seconds = max(facts.seconds, 1e-3)
    every = [modality.strips(clip, seconds) for modality in modalities.registered()]
    drawn = [strips for strips in every if strips is not None]
    said = [f"{facts.seconds:.2f} s", *_frame_facts(clip, facts)]
    said += [strips.said for strips in drawn if strips.said]
    marks = [m for m, held in (("silent", facts.silent), ("still", facts.still)) if held]
    marks += sorted({issue.kind.replace("_", " ") for issue in facts.issues})
    return document.render(
        "clip_card.html",
        labels=labels or "unlabelled",
        place=f"{split}, {where}",
        said=", ".join(said),
        marks=marks,
        width=clip_strips.WIDTH,
        left=clip_strips.LEFT,
        right=clip_strips.WIDTH - clip_strips.RIGHT,
        gap=clip_strips.GAP,
        strips=[strip for strips in drawn for strip in strips.drawn],
        seconds=clip_strips.ticks(seconds),
    )


def _frame_facts(clip: StoredClip, facts: ClipFacts) -> list[str]:
    if not clip.num_frames:
        return []
    size = "{}x{}".format(*facts.frame_size) if facts.frame_size else "unknown size"
    return [
        f"{clip.num_frames} frames of {size} (height x width) at {clip.frame_rate:g} per second"
    ]

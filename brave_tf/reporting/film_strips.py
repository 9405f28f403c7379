"""Test clips beside their nearest training clips, as pictures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup

from brave_tf import modality_registry as modalities
from brave_tf.data.records.reader import Clip
from brave_tf.data.views.base import View
from brave_tf.evaluation.features import windows
from brave_tf.pages import clip_pictures, document, pictures
from brave_tf.reporting.predictions import Neighbours

_CLIPS, _NEIGHBOURS = 6, 5


def film_strips(found: Mapping[str, Neighbours], view: View) -> Markup:
    """Draws test clips, spread evenly over the classes, and the nearest training clips of each.

    Args:
      found: what was compared, such as a run -> the neighbours; of the same test clips.
      view: that they were compared by; its modality is what is shown.

    Returns:
      HTML.

    Raises:
      UserError: the clips cannot be read.
    """
    first = next(iter(found.values()))
    chosen = _chosen(first)
    keys = [str(near) for key in chosen for each in found.values() for near in _near(each, key)]
    clips = windows.read_clips(first.data_dir, [*chosen, *keys], view)
    images = {key: pictures.jpeg_uri(_picture(clip, view.modality)) for key, clip in clips}
    sections = [_section(key, found, images) for key in chosen]
    return document.render("strips.html", sections=sections)


def _chosen(neighbours: Neighbours) -> list[str]:
    """Returns keys of clips spread evenly over the labels, whatever their neighbours."""
    _, places = np.unique(neighbours.keys, return_index=True)
    places = np.sort(places)
    order = places[np.argsort(neighbours.labels[places], kind="stable")]
    chosen = ((np.arange(_CLIPS) + 0.5) * len(order) / _CLIPS).astype(int)
    return list(map(str, neighbours.keys[order[np.unique(chosen)]]))


def _near(neighbours: Neighbours, key: str) -> dict[str, tuple[int, float]]:
    """Returns the key -> label and similarity of the nearest clips, nearest first; none when not compared."""
    rows = np.flatnonzero(neighbours.keys == key)[:1]
    labels, similarities = neighbours.near_labels[rows], neighbours.similarities[rows]
    near = neighbours.near_keys[rows].ravel()[:_NEIGHBOURS].tolist()
    return dict(zip(near, zip(labels.ravel().tolist(), similarities.ravel().tolist())))


def _section(key: str, found: Mapping[str, Neighbours], images: Mapping[str, str]) -> dict:
    """Returns what the template shows of a test clip."""
    first = next(iter(found.values()))
    label = int(first.labels[first.keys == key][0])

    def cards(neighbours: Neighbours) -> list[dict]:
        return [
            {
                "image": images[near_key],
                "same": near_label == label,
                "label": neighbours.name(near_label),
                "detail": f"cosine {similarity:.2f}, {near_key}",
            }
            for near_key, (near_label, similarity) in _near(neighbours, key).items()
        ]

    shown = [(name, cards(neighbours)) for name, neighbours in found.items()]
    return {"key": key, "label": first.name(label), "image": images[key], "found": shown}


def _picture(clip: Clip, modality: str) -> np.ndarray:
    drawn = modalities.find(modality).clip_picture(clip)
    return (
        np.full((clip_pictures.HEIGHT, clip_pictures.HEIGHT, 3), 255, np.uint8)
        if drawn is None
        else drawn
    )

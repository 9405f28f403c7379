"""Published figures that results are put beside: the paper's rows, DeepMind's checkpoints, other methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from brave_tf.configuration import recipe_header

# Task -> the column of the tables: top-1 accuracies, R@1 of retrieval, mean average precisions of AudioSet.
COLUMNS = {
    "ucf101/linear": "UCF101 linear",
    "ucf101/finetune": "UCF101 fine-tuned",
    "ucf101/retrieval": "UCF101 retrieval",
    "hmdb51/linear": "HMDB51 linear",
    "hmdb51/finetune": "HMDB51 fine-tuned",
    "kinetics400/linear": "K400 linear",
    "kinetics600/linear": "K600 linear",
    "esc50/linear": "ESC-50 linear",
    "audioset/mlp": "AudioSet MLP",
}


# What the figures of a data set are in a table, as "linear/fine-tuned".
_WRITTEN = {
    "ucf": ("UCF101 linear", "UCF101 fine-tuned"),
    "hmdb": ("HMDB51 linear", "HMDB51 fine-tuned"),
    "k600": ("K600 linear",),
    "esc": ("ESC-50 linear",),
    "audioset": ("AudioSet MLP",),
}


@dataclasses.dataclass(frozen=True)
class Published:
    """One row of published figures.

    Attributes:
      name: of the method.
      details: backbone and data.
      figures: column -> per cent, as written.
    """

    name: str
    details: str
    figures: Mapping[str, str]


def paper_row(recipe: str) -> Published | None:
    """Returns the row of the paper's tables, or of another method's, that a recipe is; None where it is none.

    Args:
      recipe: its name, which need not be that of a recipe.
    """
    if recipe not in recipe_header.names():
        return None
    header = recipe_header.read(recipe)
    if header.row is None:
        return None
    details = header.row.removeprefix("main results: ").removeprefix(recipe_header.PEER)
    return Published(f"paper, {recipe}", details, header.paper)


def _published(name: str, details: str, **figures: str) -> Published:
    """Makes a row of figures as tables write them: data set -> 'linear/fine-tuned', '-' for none."""
    cells = {}
    for data_set, written in figures.items():
        for column, figure in zip(_WRITTEN[data_set], written.split("/")):
            if figure != "-":
                cells[column] = figure
    return Published(name, details, cells)


# https://github.com/google-deepmind/brave, as stated there.
CHECKPOINTS = (
    _published("29557527_2_0.npy", "V<->FA, TSM-50", hmdb="69.2", ucf="92.9", k600="69.3"),
    _published("29509415_1_0.npy", "V<->FA, TSM-50x2", hmdb="69.9", ucf="93.2", k600="70.3"),
    _published("29466668_1_0.npy", "V<->A, TSM-50", hmdb="69.4", ucf="93.0", k600="70.6"),
    _published("29332798_5_0.npy", "V<->VVV, TSM-50", hmdb="65.4", ucf="92.6", k600="70.8"),
)

# The rows of other methods in the tables of the BraVe paper. Those of ELo, AVID, GDT and XDC are read as
# fine-tuned, as in their own papers.
PEERS = (
    _published("CoCLR", "S3D, Kinetics-400", ucf="74.5/87.9", hmdb="46.1/54.6"),
    _published("CVRL", "R3D-50, Kinetics-600", ucf="90.6/93.4", hmdb="59.7/68.0", k600="70.4"),
    _published("rho-BYOL", "R3D-50, Kinetics-400", ucf="-/95.5", hmdb="-/73.6"),
    _published("rho-BYOL", "S3D, Kinetics-400", ucf="-/96.3", hmdb="-/75.0"),
    _published("ELo", "R(2+1)D-50, YouTube-8M", ucf="-/93.8", hmdb="64.5/67.4"),
    _published("AVID", "R(2+1)D-50, AudioSet", ucf="-/91.5", hmdb="-/64.7", esc="89.2"),
    _published("GDT", "R(2+1)D-18, AudioSet", ucf="-/92.5", hmdb="-/66.1", esc="88.5"),
    _published(
        "MMV", "R(2+1)D-18, AudioSet", ucf="83.9/91.5", hmdb="60.0/70.1", k600="55.5", esc="85.6"
    ),
    _published("XDC", "R(2+1)D-18, AudioSet", ucf="-/93.0", hmdb="-/63.7", esc="84.8"),
    _published("XDC", "R(2+1)D-18, IG65M", ucf="-/95.5", hmdb="-/68.9", esc="85.4"),
    _published(
        "supervised", "", ucf="-/96.8", hmdb="71.5/75.9", k600="82.4", esc="94.7", audioset="43.9"
    ),
)

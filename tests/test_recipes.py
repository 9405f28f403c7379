"""Every recipe loads, its header is complete, and its settings are those of its row."""

import re

import gin
import numpy as np
import pytest

from brave_tf import config
from brave_tf.configuration import recipe_header
from brave_tf.training.optimizers.schedules import warmup_cosine
from brave_tf.training.recipe import Recipe, bound
from brave_tf.training.settings import Settings

ABLATION = ("UCF101 linear", "HMDB51 linear", "K600 linear")
MAIN = ("UCF101 linear", "UCF101 fine-tuned", "HMDB51 linear", "HMDB51 fine-tuned", "K600 linear")
SOUND = (*MAIN, "ESC-50 linear", "AudioSet MLP")
# The tables of the paper.
PAPER = {
    "k600_v_v_tau_10_10": "80.0 58.7 47.4",
    "k600_v_v_tau_1.3_1.3": "88.1 59.4 66.3",
    "k600_v_v_tau_1.3_5": "88.9 61.4 65.1",
    "k600_v_v_tau_1.3_10": "90.0 65.1 67.4",
    "as_v_a_tau_1.3_1.3": "92.2 68.3 69.0",
    "as_v_a_tau_1.3_5": "92.4 67.5 69.9",
    "as_v_a_tau_1.3_10": "92.6 67.3 70.3",
    "k600_v_v_broad_rgb": "89.9 61.3 67.7",
    "k600_v_v_broad_rgb_rc": "90.0 65.1 67.4",
    "k600_v_f": "91.1 65.6 65.8",
    "k600_v_v_sync_off": "90.0 65.1 67.4",
    "k600_v_v_sync_on": "86.2 64.2 59.9",
    "k600_v_v_views_1": "90.0 65.1 67.4",
    "k600_v_v_views_2": "91.7 65.6 69.1",
    "k600_v_v_views_3": "91.5 65.2 69.5",
    "k400_v_vvv_r3d50": "90.6 93.7 65.1 72.0 66.5",
    "k400_v_fff_r3d50": "92.0 94.7 67.5 72.7 66.7",
    "k600_v_vvv": "91.6 94.1 65.2 73.1 69.5",
    "k600_v_fff": "91.9 94.7 65.7 74.0 67.1",
    "k600_v_vvv_r3d50": "91.9 94.4 67.6 73.9 69.1",
    "k600_v_fff_r3d50": "92.7 95.1 68.9 74.3 68.1",
    "as_v_a": "93.4 95.6 69.1 75.3 71.1 92.1 36.4",
    "as_v_fa": "93.2 95.8 70.2 76.9 70.3 92.6 36.3",
    "as_v_fa_x2": "92.8 96.5 70.6 79.3 70.5 92.9 36.4",
}
# Of other methods: their rows in the same tables, and what their authors' code states.
PEERS = {
    "k600_cvrl_r3d50": (
        "UCF101 90.6 linear, 93.4 fine-tuned; HMDB51 59.7 linear, 68.0 fine-tuned; K600 70.4 linear"
    ),
    "k400_cvrl_r3d50": "K400 63.8 linear",
    "k400_rho_byol_r3d50": "UCF101 95.5 fine-tuned; HMDB51 73.6 fine-tuned",
    "k400_rho_byol_s3d": "UCF101 96.3 fine-tuned; HMDB51 75.0 fine-tuned",
    "k400_coclr_s3d": "UCF101 74.5 linear, 87.9 fine-tuned; HMDB51 46.1 linear, 54.6 fine-tuned",
    "ucf101_coclr_s3d": "UCF101 51.8 retrieval",
    "k400_avid": "UCF101 86.9 fine-tuned; HMDB51 59.9 fine-tuned; K400 43.0 linear",
    "as_avid": "UCF101 91.0 fine-tuned; HMDB51 64.1 fine-tuned; K400 46.5 linear",
    "as_avid_r2plus1d50": "",
    "k400_cma": "UCF101 87.5 fine-tuned; HMDB51 60.8 fine-tuned; K400 44.4 linear",
    "as_cma": "UCF101 91.5 fine-tuned; HMDB51 64.7 fine-tuned; K400 48.9 linear",
    "as_cma_r2plus1d50": "UCF101 91.5 fine-tuned; HMDB51 64.7 fine-tuned; ESC-50 89.2 linear",
    "k400_gdt_r2plus1d18": "UCF101 90.9 fine-tuned; HMDB51 62.3 fine-tuned",
    "as_gdt_r2plus1d18": "UCF101 92.5 fine-tuned; HMDB51 66.1 fine-tuned; ESC-50 88.5 linear",
}
# Recipes of no data set -> the row whose settings they have; those with the most modalities come first.
GENERAL = {
    "v_fa": "as_v_fa",
    "v_a": "as_v_a",
    "v_f": "k600_v_f",
    "v_v": "k600_v_v_broad_rgb_rc",
    "v_vvv": "k600_v_vvv",
}
NARROW = {"narrow": (16, 224, 224, 3)}
VIDEO, FLOW, AUDIO = (64, 112, 112, 3), (64, 112, 112, 2), (3072, 80)


def load(name, *overlays):
    config.load_config([name, *overlays])
    return bound(Recipe), bound(Settings)


def shapes(recipe):
    return {name: view.shape for name, view in recipe.views.items()}


@pytest.mark.parametrize("name", recipe_header.names())
def test_it_loads_and_its_header_is_complete(name):
    header = recipe_header.read(name)
    recipe, settings = load(name)
    assert list(recipe.views)[0] == "narrow"
    assert settings.num_steps > 0
    assert settings.data_dir
    if name in PAPER:
        assert re.match(r"main results: |ablation: ", header.row)
        assert header.paper
    if name in PEERS:
        assert header.row.startswith("other methods: ")
        assert f"brave_tf_train --gin_file=gin/{name}.gin" in header.command
    if name in [*PAPER, *GENERAL]:
        assert f"brave_tf_train --gin_file=gin/{name}.gin" in header.command
        assert settings.num_steps == 300_000
        assert settings.batch_size == 512


def test_rows_and_general_recipes_are_told_by_their_headers():
    assert recipe_header.rows() == sorted(PAPER)
    assert recipe_header.peers() == sorted(PEERS)
    assert recipe_header.general() == list(GENERAL)
    assert not any(recipe_header.read(name).row for name in GENERAL)


@pytest.mark.parametrize("name", GENERAL)
def test_general_recipes_have_the_settings_of_a_row(name):
    def settings(recipe):
        config.load_config([recipe])
        return gin.config_str().splitlines()

    mine, row = settings(name), settings(GENERAL[name])
    own = [f"RECIPE = '{name}'", "train.data_dir = 'data/mine'"]
    assert [line for line in mine if line not in row] == own
    assert len(mine) == len(row)
    assert not recipe_header.read(name).paper


@pytest.mark.parametrize("name", PAPER)
def test_the_header_has_the_papers_figures(name):
    figures = PAPER[name].split()
    columns = {3: ABLATION, 5: MAIN, 7: SOUND}[len(figures)]
    assert recipe_header.read(name).paper == dict(zip(columns, figures))


@pytest.mark.parametrize("name", PEERS)
def test_the_header_has_the_other_methods_figures(name):
    expected = {}
    for part in PEERS[name].split("; "):
        data_set, *figures = re.split(r",? ", part)
        for figure, protocol in zip(figures[::2], figures[1::2]):
            expected[f"{data_set} {protocol}"] = figure
    assert recipe_header.read(name).paper == expected


@pytest.mark.parametrize(
    ("pattern", "broad"),
    [
        (r"k600_v_v_(?!views_[23]|tau).*", {"broad_video": VIDEO}),
        ("k600_v_v_tau_(1.3_10|10_10|1.3_5)", {"broad_video": VIDEO}),
        ("k600_v_v_tau_1.3_1.3", {"broad_video": (32, 112, 112, 3)}),
        ("k600_v_v_views_2", {"broad_video": VIDEO, "broad_video_2": VIDEO}),
        (
            "k600_v_v_views_3|k.00_v_vvv.*",
            {"broad_video": VIDEO, "broad_video_2": VIDEO, "broad_video_3": VIDEO},
        ),
        ("k600_v_f", {"broad_flow": FLOW}),
        ("k.00_v_fff.*", {"broad_flow": FLOW, "broad_flow_2": FLOW, "broad_flow_3": FLOW}),
        ("as_v_a|as_v_a_tau_1.3_10", {"broad_audio": AUDIO}),
        ("as_v_a_tau_1.3_1.3", {"broad_audio": (384, 80)}),
        ("as_v_a_tau_1.3_5", {"broad_audio": (1536, 80)}),
        ("as_v_fa.*", {"broad_flow": FLOW, "broad_audio": AUDIO}),
    ],
)
def test_the_views_are_those_of_the_row(pattern, broad):
    chosen = [name for name in recipe_header.rows() if re.fullmatch(pattern, name)]
    assert chosen
    for name in chosen:
        assert shapes(load(name)[0]) == {**NARROW, **broad}


@pytest.mark.parametrize(
    ("name", "narrow", "broad"),
    [
        ("k600_v_v_tau_10_10", 10.24, 10.24),
        ("k600_v_v_tau_1.3_1.3", 1.28, 1.28),
        ("k600_v_v_tau_1.3_5", 1.28, 5.12),
        ("k600_v_v_tau_1.3_10", 1.28, 10.24),
        ("as_v_a_tau_1.3_1.3", 1.28, 1.28),
        ("as_v_a_tau_1.3_5", 1.28, 5.12),
        ("as_v_a_tau_1.3_10", 1.28, 10.24),
    ],
)
def test_the_windows_of_the_ablation_have_its_extents(name, narrow, broad):
    views = list(load(name)[0].views.values())
    assert [view.duration for view in views] == pytest.approx([narrow, broad])


def test_what_makes_the_rows_of_the_ablations():
    def broad(name):
        return load(f"k600_v_v_{name}")[0].views["broad_video"]

    def names(view):
        return [augmentation.__name__ for augmentation in view.augmentations]

    assert names(broad("broad_rgb_rc")) == [*names(broad("broad_rgb")), "random_convolution"]
    assert names(broad("sync_off")) == names(broad("broad_rgb_rc"))
    assert broad("sync_on").sync and not broad("sync_off").sync
    # The same setting is a row of four tables.
    same = [broad(name) for name in ("tau_1.3_10", "broad_rgb_rc", "sync_off", "views_1")]
    for view in same:
        assert (view.shape, view.duration, view.sync, names(view)) == (
            (64, 112, 112, 3),
            10.24,
            False,
            names(same[0]),
        )


def test_the_schedule_of_as_v_fa():
    load("as_v_fa")
    schedule = warmup_cosine()
    rates = [float(schedule(step)) for step in (0, 2500, 5000, 152500, 300000)]
    np.testing.assert_allclose(rates, [0, 0.5, 1.0, 0.5, 0.0], atol=1e-5)


@pytest.mark.parametrize("name", [*PAPER, *GENERAL, *PEERS])
def test_the_tiny_overlay_keeps_the_views_and_shrinks_them(name):
    full, tiny = load(name)[0], load(name, "gin/overlays/tiny.gin")
    assert list(tiny[0].views) == list(full.views)
    for view, shape in shapes(tiny[0]).items():
        assert np.prod(shape) < np.prod(full.views[view].shape) / 20
        assert tiny[0].views[view].sync == full.views[view].sync
    assert (tiny[1].batch_size, tiny[1].num_steps) == (2, 4)


@pytest.mark.parametrize("name", ["k600_v_vvv_r3d50", *GENERAL, *PEERS])
def test_the_laptop_overlay_keeps_the_views_and_shrinks_them(name):
    recipe, settings = load(name, "gin/overlays/laptop.gin")
    kinds = {"video": (16, 48, 48, 3), "flow": (16, 48, 48, 2), "audio": (1024, 40)}
    if name in PEERS:
        # Windows of a second or two, as spectrograms of their own.
        kinds["audio"] = (99, 40) if "gdt" in name else (200, 257)
    for view, shape in shapes(recipe).items():
        broad = view.startswith("broad_")
        assert shape == (kinds[view.split("_")[1]] if broad else (8, 64, 64, 3))
        of_log_mel = recipe.views[view].modality == "audio" and name not in PEERS
        assert not of_log_mel or recipe.views[view].log_mel.empty_bands() == []
    objective = recipe.build(0)
    full = load(name)[0].objective
    assert type(objective).__name__ == full.__name__
    assert list(objective.backbones) == sorted(recipe.views)
    assert objective.backbones["narrow"].count_params() < 1e6
    assert settings.num_steps == 1000

"""Published figures stand in one place, and the pages say the same."""

import re

from brave_tf import config
from brave_tf.configuration import recipe_header
from brave_tf.evaluation.tasks import registry
from brave_tf.reporting import known_results

README = (config.RECIPE_DIR.parent / "README.md").read_text()


def test_the_readme_has_the_figures_of_the_checkpoints():
    rows = re.findall(r"\| `(\d+_\d_\d\.npy)` \| (.+?) \| (.+?) \| ([\d. |]+) \|", README)
    assert len(rows) == len(known_results.CHECKPOINTS) == 4
    columns = ("HMDB51 linear", "UCF101 linear", "K600 linear")
    for row, (file, views, backbone, figures) in zip(known_results.CHECKPOINTS, rows):
        assert (row.name, row.details) == (file, f"{views}, {backbone}")
        assert row.figures == dict(zip(columns, figures.split(" | ")))


def test_columns_are_those_of_the_papers_rows():
    names = [*recipe_header.rows(), *recipe_header.peers()]
    written = {column for name in names for column in recipe_header.read(name).paper}
    assert set(known_results.COLUMNS.values()) == written
    for row in (*known_results.CHECKPOINTS, *known_results.PEERS):
        assert set(row.figures) <= written
        assert all(re.fullmatch(r"\d\d\.\d", figure) for figure in row.figures.values())


def test_tasks_of_the_columns_exist():
    assert set(known_results.COLUMNS) <= set(registry.list_tasks())


def test_rows_of_recipes():
    row = known_results.paper_row("k600_v_v_sync_on")
    assert row.name == "paper, k600_v_v_sync_on"
    assert row.details == "ablation: synchronised windows, on"
    assert row.figures["K600 linear"] == "59.9"
    assert known_results.paper_row("as_v_fa_x2").details == "V<->FA, TSM-50x2, AudioSet"
    assert known_results.paper_row("demo_v_fa") is None
    assert known_results.paper_row("mine") is None


def test_recipes_of_other_methods_have_the_figures_of_their_rows():
    shown = {f"{row.name}, {row.details}": row.figures for row in known_results.PEERS}
    rows = [known_results.paper_row(name) for name in recipe_header.peers()]
    assert [row.details for row in rows if row.details not in shown] == [
        # No rows of the paper's tables; their figures are their authors'.
        "AVID, R(2+1)D-18 of AVID, AudioSet",
        "AVID alone, R(2+1)D-50, AudioSet",
        "AVID-CMA, R(2+1)D-18 of AVID, AudioSet",
        "AVID, R(2+1)D-18 of AVID, Kinetics-400",
        "AVID-CMA, R(2+1)D-18 of AVID, Kinetics-400",
        "CVRL, R3D-50, Kinetics-400",
        "GDT, R(2+1)D-18, Kinetics-400",
        "CoCLR, S3D, UCF101",
    ]
    assert all(shown.get(row.details, row.figures) == row.figures for row in rows)


def test_figures_are_read_by_protocol():
    elo = next(row for row in known_results.PEERS if row.name == "ELo")
    assert elo.figures == {
        "UCF101 fine-tuned": "93.8",
        "HMDB51 linear": "64.5",
        "HMDB51 fine-tuned": "67.4",
    }

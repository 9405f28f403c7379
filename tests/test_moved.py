import importlib
import subprocess
import sys
import warnings

import pytest

from brave_tf import moved
from brave_tf.configuration import gin_statements

FORMER = sorted(set(moved._MOVED) - {"data.pipeline"})


@pytest.mark.parametrize("former", FORMER)
def test_former_names_give_what_is_in_their_place(former, monkeypatch):
    name = f"brave_tf.{former}"
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.warns(FutureWarning, match=rf"{name} is now brave_tf\."):
        module = importlib.import_module(name)
    present = importlib.import_module(moved.present_name(name))
    public = [each for each in vars(present) if not each.startswith("_")]
    assert public
    assert all(getattr(module, each) is getattr(present, each) for each in public)
    assert moved.former_name(f"{present.__name__}.part") == f"{name}.part"


def test_divided_modules_have_the_contents_of_all_parts():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from brave_tf.evaluation.probe import Outcome, Predictions, Probe
    assert Probe.__module__ == "brave_tf.evaluation.features.probe"
    assert {Outcome.__module__, Predictions.__module__} == {"brave_tf.evaluation.protocols.outcome"}


def test_a_package_gives_what_was_in_the_module_of_its_name():
    from brave_tf.data.pipeline import batches

    with pytest.warns(
        FutureWarning, match=r"is now brave_tf\.data\.pipeline\.batches\.clip_dataset"
    ):
        from brave_tf.data.pipeline import clip_dataset
    assert clip_dataset is batches.clip_dataset


def test_a_module_of_that_package_is_imported_alone():
    code = (
        "import sys; from brave_tf.data.pipeline import service_port; "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_has_another_name_is_found_by_the_former_one():
    from brave_tf.data.clips.clip import ListedClip
    from brave_tf.data.preparation.settings import PreparationSettings

    with pytest.warns(FutureWarning, match="Clip is now brave_tf.data.clips.clip_list.ListedClip"):
        from brave_tf.data.preparation.clip_list import Clip
    with pytest.warns(FutureWarning, match="Settings is now .*PreparationSettings"):
        from brave_tf.data.preparation.settings import Settings
    with pytest.warns(FutureWarning, match="nearest is now brave_tf.errors.did_you_mean"):
        from brave_tf.errors import nearest
    assert (Clip, Settings) == (ListedClip, PreparationSettings)
    assert nearest("cta", ["cat"]) == " Did you mean cat?"


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("brave_tf.data.log_mels")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from brave_tf.data import log_mel
    with pytest.raises(AttributeError, match="brave_tf.data.log_mel.* no attribute 'LogMels'"):
        _ = log_mel.LogMels


@pytest.mark.parametrize(
    "name, former",
    [
        ("brave_tf.data.views.log_mel.LogMel", "brave_tf.data.log_mel.LogMel"),
        ("brave_tf.evaluation.protocols.linear_layer", "brave_tf.evaluation.linear_layer"),
        ("brave_tf.models.heads.mlp", "brave_tf.models.heads.mlp"),
    ],
)
def test_names_on_disk_last(name, former):
    assert moved.former_name(name) == former


@pytest.mark.parametrize(
    "text, present",
    [
        ("import brave_tf.data.log_mel\n", "import brave_tf.data.views.log_mel\n"),
        ("a/brave_tf.data.log_mel.LogMel.x = 1", "a/brave_tf.data.views.log_mel.LogMel.x = 1"),
        ("v = @brave_tf.evaluation.knn.knn()", "v = @brave_tf.evaluation.protocols.knn.knn()"),
        (
            "brave_tf.data.pipeline.clip_dataset.num_parallel = 1",
            "brave_tf.data.pipeline.batches.clip_dataset.num_parallel = 1",
        ),
        (
            "import brave_tf.data.pipeline.decode_service",
            "import brave_tf.data.pipeline.decode_service",
        ),
        (
            "training.schedules.piecewise.values = [1.0]\nx = @a/training.schedules.piecewise()",
            "brave_tf.training.optimizers.schedules.piecewise.values = [1.0]\n"
            "x = @a/brave_tf.training.optimizers.schedules.piecewise()",
        ),
        ("x = 'training.schedules.csv'  # training.schedules.x",) * 2,
        ("import training.schedules", "import training.schedules"),
        ("data.pipeline.batches.clip_dataset.seed = 1",) * 2,
        ("import brave_tf.data.sources.base", "import brave_tf.data.sources.base"),
        ("import mine.brave_tf.data.log_mel", "import mine.brave_tf.data.log_mel"),
    ],
)
def test_former_names_in_gin(text, present):
    assert moved.present_text(text) == present
    assert moved.present_text(present) == present


def test_a_users_own_module_keeps_its_name(tmp_path, monkeypatch):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "schedules.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "training", raising=False)
    text = "training.schedules.mine.rate = 1.0"
    try:
        assert moved.present_text(text) == text
    finally:
        sys.modules.pop("training")  # Looked for, the package was imported.


def test_a_file_of_a_user_is_warned_of(tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text("import brave_tf.data.log_mel\nLogMel.mel_bins = 40\n")
    with pytest.warns(
        FutureWarning, match="mine.gin: brave_tf.data.log_mel is now .*views.log_mel"
    ):
        gin_statements.source_of(str(path))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gin_statements.source_of("as_v_fa")


def test_an_interpreter_that_knows_no_other_name_finds_them():
    code = "import brave_tf.data.log_mel as m; print(m.LogMel.__module__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "brave_tf.data.views.log_mel"
    assert "brave_tf.data.log_mel is now brave_tf.data.views.log_mel: use that name." in done.stderr

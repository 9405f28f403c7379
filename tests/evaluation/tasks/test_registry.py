"""The registry of tasks."""

import pytest

from brave_tf import config
from brave_tf.errors import UserError
from brave_tf.evaluation.protocols.svm import linear_svm
from brave_tf.evaluation.tasks import registry


@pytest.fixture(autouse=True)
def _forget_new_tasks(monkeypatch):
    registry.list_tasks()
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))


def make_task(**changes):
    fields = {"name": "mine/linear", "modality": "rgb", "protocol": linear_svm, "description": "x"}
    return registry.Task(**{**fields, **changes})


@pytest.mark.parametrize("dataset", ["demo", "folder"])
@pytest.mark.parametrize(
    ("protocol", "modality"),
    [("linear", "rgb"), ("linear_audio", "audio"), ("linear_flow", "flow")],
)
def test_tasks_of_the_package(dataset, protocol, modality):
    task = registry.find_task(f"{dataset}/{protocol}")
    assert task.modality == modality
    assert task.protocol is linear_svm
    assert task.data_dir == {"demo": "runs/demo/records", "folder": None}[dataset]


def test_a_registered_task_is_found_and_listed():
    task = registry.register_task(make_task())
    assert registry.find_task("mine/linear") is task
    names = list(registry.list_tasks())
    assert "mine/linear" in names
    assert names == sorted(names)


def test_a_task_from_outside_comes_with_an_import_line(tmp_path, monkeypatch):
    (tmp_path / "my_new_task.py").write_text(
        "from brave_tf.evaluation.protocols.svm import linear_svm\n"
        "from brave_tf.evaluation.tasks.registry import Task, register_task\n"
        "register_task(Task('outside/linear', 'rgb', linear_svm, 'from outside'))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="import my_pkg"):
        registry.find_task("outside/linear")
    (tmp_path / "mine.gin").write_text("import my_new_task\n")
    config.load_config([str(tmp_path / "mine.gin")])
    assert registry.find_task("outside/linear").description == "from outside"


def test_a_file_of_the_tasks_folder_is_imported_when_its_dataset_is_asked_for(
    tmp_path, monkeypatch
):
    (tmp_path / "later.py").write_text(
        "from brave_tf.evaluation.protocols.svm import linear_svm\n"
        "from brave_tf.evaluation.tasks.registry import Task, register_task\n"
        "register_task(Task('later/linear', 'audio', linear_svm, 'a new file'))\n"
    )
    monkeypatch.setattr(registry.tasks, "__path__", [*registry.tasks.__path__, str(tmp_path)])
    assert registry.find_task("later/linear").modality == "audio"


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UserError, match=r"folder/linaer.*Did you mean folder/linear"):
        registry.find_task("folder/linaer")
    with pytest.raises(UserError, match="There are tasks of audioset, .*demo, .*--list"):
        registry.find_task("zzz")


def test_two_tasks_cannot_have_one_name():
    registry.register_task(make_task(description="the first"))
    with pytest.raises(
        ValueError, match=r"'mine/linear' is registered already.*the first.*another name"
    ):
        registry.register_task(make_task())


@pytest.mark.parametrize("name", ["linear", "a/b/c", "a/", "/b", "a b/c"])
def test_names_are_dataset_and_protocol(name):
    with pytest.raises(ValueError, match="dataset/protocol"):
        registry.register_task(make_task(name=name))


def test_what_is_no_task_is_refused():
    with pytest.raises(TypeError, match="give it a brave_tf"):
        registry.register_task("mine/linear")
    with pytest.raises(ValueError, match="rgb, flow, audio"):
        registry.register_task(make_task(modality="video"))
    with pytest.raises(ValueError, match="cannot be called"):
        registry.register_task(make_task(protocol="linear"))

"""The registry of modalities."""

import pathlib
import subprocess
import sys

import pytest

import brave_tf
from brave_tf import modality_registry
from brave_tf.errors import UserError
from brave_tf.modalities import base
from brave_tf.modalities.base import Modality


@pytest.fixture(autouse=True)
def _forget_new_ones(monkeypatch):
    modality_registry.registered()
    monkeypatch.setattr(modality_registry, "_REGISTERED", dict(modality_registry._REGISTERED))


def modality(name="depth", **attributes):
    return type("Depth", (Modality,), {"name": name, "__doc__": "x", **attributes})


def test_those_of_the_package_come_first_in_their_order():
    base.register_modality(modality())
    assert modality_registry.names() == ("rgb", "flow", "audio", "depth")
    assert [each.name for each in modality_registry.of_plugins()] == ["depth"]


def test_one_registered_twice_is_there_once():
    kind = base.register_modality(modality())
    assert base.register_modality(kind) is kind
    assert modality_registry.names().count("depth") == 1


def test_a_record_has_what_it_holds_a_field_of():
    base.register_modality(modality("loudness", fields={"WAVEFORM/feature/floats": "float32"}))
    assert modality_registry.held_in(["image/encoded"]) == ("rgb",)
    assert modality_registry.held_in(["WAVEFORM/feature/flac"]) == ("audio",)
    assert modality_registry.held_in(["WAVEFORM/feature/floats"]) == ("audio", "loudness")
    assert modality_registry.held_in([]) == ()


@pytest.mark.parametrize("name", ["", "two words", "a/b", "warnings"])
def test_names_that_cannot_be_used(name):
    with pytest.raises(ValueError, match=f"{name!r}: expected letters"):
        base.register_modality(modality(name))


def test_two_cannot_have_one_name():
    with pytest.raises(
        ValueError, match=r"'audio' is registered already, by brave_tf\.modalities\.audio"
    ):
        base.register_modality(modality("audio"))


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"DEPTH/encoded": "uint8"}, "'uint8': expected one of string, float32, int64"),
        ({"image/encoded": "float32"}, "'image/encoded' is of another type in the modality 'rgb'"),
    ],
)
def test_types_that_cannot_be_used(fields, message):
    with pytest.raises(ValueError, match=message):
        base.register_modality(modality(fields=fields))
    assert "depth" not in modality_registry.names()


def test_what_is_no_modality_is_refused():
    with pytest.raises(TypeError, match="expected a subclass of Modality"):
        base.register_modality("depth")


def test_of_an_unknown_one_nothing_but_the_name_is_known():
    unknown = modality_registry.find("depth")
    assert (unknown.name, unknown.fields, unknown.media, unknown.views()) == ("depth", {}, "", ())
    with pytest.raises(
        UserError, match="'depth', for which.*only rgb, flow and audio can be exported"
    ):
        unknown.signatures("broad", None, (), None)


def test_a_process_without_tensorflow_may_ask():
    script = (
        "import sys\n"
        "from brave_tf import modality_registry\n"
        "assert modality_registry.names() == ('rgb', 'flow', 'audio')\n"
        "assert 'image/encoded' in modality_registry.find('rgb').fields\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_nobody_else_lists_them():
    root = pathlib.Path(brave_tf.__file__).parent
    own = {root / "modalities" / f"{name}.py" for name in modality_registry.names()}
    # The views, which name their own, and the recipe of a format that has these three.
    own |= {root / "data" / "views" / f"{name}.py" for name in modality_registry.names()}
    own |= {root / "interop" / "deepmind" / "recipe.py", root / "cli" / "import_checkpoint.py"}
    found = [
        path
        for path in root.rglob("*.py")
        if path not in own and '"rgb"' in path.read_text() and '"flow"' in path.read_text()
    ]
    # Which data sets have which.
    assert [path for path in found if path.parent.name != "tasks"] == []

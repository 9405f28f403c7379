import argparse
import json

import pytest
import tensorflow as tf
import tiny_run

from bench import __main__ as command
from bench import recipe_step, recipes
from brave_tf.errors import UserError

SMALL = ["--precision=float32", "--narrow_frames=2", "--narrow_size=32", "--audio_frames=32"]


@pytest.fixture
def tiny(tmp_path):
    """Flags of a recipe of two small networks and small views."""
    return [f"--gin_file={tiny_run.write_recipe(tmp_path, tmp_path)}", *SMALL]


@pytest.fixture(autouse=True)
def policy():
    yield
    tf.keras.mixed_precision.set_global_policy("float32")


def arguments(*flags):
    parser = argparse.ArgumentParser()
    recipe_step.add_recipe_arguments(parser)
    recipe_step.add_variant_arguments(parser)
    return parser.parse_args(flags)


def run(capsys, *words):
    assert command.main(list(words)) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@pytest.mark.long
def test_parts_of_a_step_are_compared_with_the_limits(capsys, tiny):
    sizes = ["--matrix=64", "--copy_mb=1", "--repeats=2"]
    rows = {row["part"]: row for row in run(capsys, "recipes", *tiny, *sizes)["rows"]}
    parts = ["matrix product", "memory copy", "narrow forward", "forward", "step", "update"]
    assert list(rows) == parts
    for name in ("matrix product", "memory copy"):
        assert rows[name]["limit_share"] == 1
    work = {name: row["rate"] * row["s"] for name, row in rows.items()}
    assert work["matrix product"] == pytest.approx(64**3 / 1e9)
    assert work["memory copy"] == pytest.approx(2 * 2**20 / 1e9)
    assert 0 < work["narrow forward"] < work["forward"] == pytest.approx(work["step"] / 3)
    assert all(min(row["limit_share"], row["cpu_s"]) > 0 for row in rows.values())
    assert rows["step"]["s"] > rows["update"]["s"]


def test_kinds_of_operations_make_up_the_step(capsys, tiny):
    rows = run(capsys, "operations", *tiny, "--repeats=2")["rows"]
    kinds = {row["kind"]: row for row in rows}
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    # A stem, two blocks of two convolutions and a shortcut in each of two networks.
    assert kinds["convolution"]["operations"] == 12
    assert kinds["convolution, gradient of the weights"]["operations"] == 12
    # The inputs of the two first ones need none.
    assert kinds["convolution, gradient of the input"]["operations"] == 10
    assert kinds["optimizer update"]["ms_per_step"] > 0


def test_steps_grow_with_batch_and_frames(capsys):
    words = ["--backbone=tsm_light", "--size=16", "--repeats=1", "--precision=bfloat16"]
    grown = ["--batch_sizes", "1", "2", "--frames", "2", "4"]
    rows = run(capsys, "scaling", *words, *grown)["rows"]
    assert [(r["grows"], r["clips"], r["frames"]) for r in rows] == [
        ("batch", 1, 2),
        ("batch", 2, 2),
        ("frames", 1, 2),
        ("frames", 1, 4),
    ]
    for first, second in (rows[:2], rows[2:]):
        assert first["relative"] == 1
        assert second["relative"] == pytest.approx(second["step_s"] / first["step_s"] / 2)


def test_variants_and_sizes_follow_the_flags(tiny):
    args = arguments(*tiny, "--xla=off", "--xla=on", "--batch_size=3")
    assert recipe_step.variants(args) == [("float32", "off"), ("float32", "on")]
    built = recipe_step.build(args, "bfloat16", "off")
    assert built.batch["narrow"].shape == (3, 2, 32, 32, 3)
    assert built.batch["broad_audio"].shape == (3, 32, 16)
    assert built.objective.backbones["narrow"].get_layer("stem").compute_dtype == "bfloat16"
    before = built.objective.trainable_variables[0].numpy()
    loss = built.step()()["loss"]
    assert loss > 0 and built.objective.step == 1
    assert built.forward()()["narrow"].shape == (3, 16)
    built.update()()
    assert (
        built.objective.step == 2
        and (built.objective.trainable_variables[0] != before).numpy().any()
    )


def test_recipes_are_measured_one_after_the_other(capsys, monkeypatch):
    monkeypatch.setattr(
        recipes, "_rows", lambda args, *variant: [{"part": "step", "of": args.gin_file}]
    )
    flags = ("--recipe=as_v_a", "--recipe=k600_cvrl_r3d50", "--gin_file=own.gin")
    found = run(capsys, "recipes", *flags, "--precision=float32")["rows"]
    names = ["as_v_a", "k600_cvrl_r3d50"]
    assert [(row["recipe"], row["of"]) for row in found] == [(n, [n, "own.gin"]) for n in names]
    (row,) = run(capsys, "recipes", "--precision=float32")["rows"]
    assert row["of"] is None and "recipe" not in row


def test_views_of_the_narrow_ones_shape_have_its_size():
    tiny = ("--gin_file=k600_cvrl_r3d50", "--gin_file=gin/overlays/tiny.gin")
    args = arguments(*tiny, "--narrow_frames=2", "--narrow_size=16")
    built = recipe_step.build(args, "float32", "off")
    shapes = {name: value.shape for name, value in built.batch.items() if name != "label"}
    assert len(shapes) == 2 and set(shapes.values()) == {(2, 2, 16, 16, 3)}


def test_an_unknown_recipe_is_an_error(capsys):
    assert command.main(["recipes", "--gin_file=as_va"]) == 2
    assert "as_v_a" in capsys.readouterr().err
    with pytest.raises(UserError):
        recipe_step.compiled(arguments("--gin_bindings=nothing"), "float32", "off")

"""Values of another type than their parameter's are errors."""

import importlib
import itertools
import types
from collections.abc import Mapping, Sequence  # noqa: F401 (in annotations that are text)
from typing import Callable, Literal, Optional

import gin
import pytest

from brave_tf import config, errors
from brave_tf.configuration import recipe_header


@gin.configurable("sample_of_types")
def sample(
    width: int = 1,
    scale: float = 2.0,
    on: bool = False,
    name: "str | None" = None,
    most: int = None,
    sizes: Optional[list] = None,
    pair: "tuple[float, float]" = (1, 2),
    shares: "Mapping[str, float]" = types.MappingProxyType({}),
    kind: Literal["a", "b"] = "b",
    anything: "NotThere | int" = 1,  # noqa: F821 (a name that only type checkers know)
):
    return locals()


@gin.configurable("part_of_types")
class Part:
    """What a sample is made of."""


@gin.configurable("callable_part_of_types")
class CallablePart(Part):
    def __call__(self, value: float) -> float:
        return value


@gin.configurable("number_of_types")
def number() -> int:
    return 3


@gin.configurable("unknown_of_types")
def unknown():
    return 3


@gin.configurable("whole_of_types")
def whole(
    part: Part = None,
    maker: "Callable[[], Part] | None" = None,
    function: Callable[[float], float] = abs,
    parts: "Sequence[Part]" = (),
    makers: "dict[str, Callable[..., Part]]" = None,
    width: int = 1,
    what: type = Part,
):
    return locals()


def refused(bindings):
    with pytest.raises(errors.UserError) as caught:
        config.load_config(["as_v_fa"], bindings)
    return str(caught.value)


TYPES = {
    "on": ([True, False], [1, 0, "True", "False", "no", None, [True]]),
    "width": ([3, -3], [3.0, True, "3", None, (3,)]),
    "scale": ([3, 3.5, -1e-3], [True, "3", None, (3.0,)]),
    "name": (["a", "", None], [3, True, ["a"]]),
    "most": ([3, None], [3.0, "3"]),
    "sizes": ([[1], None], [1, "anything", {1: 2}]),
    "pair": ([(1, 2.5), [3, 4]], [1, (1,), (1, "2"), "12"]),
    "shares": ([{"a": 1}, {}], [{1: 1}, {"a": "1"}, 1.0, ["a"]]),
    "kind": (["a"], ["c", 1]),
}


@pytest.mark.parametrize("parameter", TYPES)
@pytest.mark.parametrize("macro", [False, True])
def test_a_value_of_another_type_is_an_error(parameter, macro):
    def bindings(value):
        if macro:
            return [f"VALUE = {value!r}", f"sample_of_types.{parameter} = %VALUE"]
        return [f"sample_of_types.{parameter} = {value!r}"]

    right, wrong = TYPES[parameter]
    for value in right:
        config.load_config([], bindings(value))
        assert sample()[parameter] == value
    for value in wrong:
        with pytest.raises(errors.UserError, match="expected ") as caught:
            config.load_config([], bindings(value))
        assert f"sample_of_types.{parameter} = {value!r}" in str(caught.value)


REFERENCES = {
    "part": (
        ["@part_of_types()", "@callable_part_of_types()", "@unknown_of_types()", "None"],
        ["@part_of_types", "@number_of_types()", "'part_of_types'", "[@part_of_types()]", "3"],
    ),
    "maker": (
        ["@part_of_types", "@callable_part_of_types", "@unknown_of_types", "None"],
        ["@part_of_types()", "@callable_part_of_types()", "@number_of_types", "'part_of_types'"],
    ),
    "function": (
        ["@number_of_types", "@callable_part_of_types()"],
        ["@part_of_types", "@part_of_types()", "@number_of_types()", "None", "1.0"],
    ),
    "parts": (
        ["[@part_of_types()]", "(@a/callable_part_of_types(),)", "[]"],
        ["@part_of_types()", "[@part_of_types]", "['part_of_types']", "[None]", "'part_of_types'"],
    ),
    "makers": (
        ["{'a': @part_of_types, 'b': @a/callable_part_of_types}", "None"],
        ["{'a': @part_of_types()}", "{'a': None}", "[@part_of_types]", "{1: @part_of_types}"],
    ),
    "width": (["@number_of_types()", "@unknown_of_types()"], ["@number_of_types", "[3]"]),
    "what": (["@part_of_types"], ["@part_of_types()", "@number_of_types", "3"]),
}


@pytest.mark.parametrize("parameter", REFERENCES)
@pytest.mark.parametrize("macro", [False, True])
def test_a_reference_to_another_thing_is_an_error(parameter, macro, tmp_path):
    own = tmp_path / "own.gin"
    key = f"whole_of_types.{parameter}"
    right, wrong = REFERENCES[parameter]
    for value in right + wrong:
        own.write_text(f"VALUE = {value}\n{key} = %VALUE" if macro else f"\n{key} = {value}\n")
        if value in right:
            config.load_config([str(own)])
            continue
        with pytest.raises(errors.UserError, match="expected ") as caught:
            config.load_config([str(own)])
        # Lists of one are the same whether they are written as lists or not.
        for part in (f"{key} = {value}", "own.gin, line 2", "VALUE: " if macro else ""):
            assert part in str(caught.value)


@pytest.mark.parametrize(
    "binding, advice",
    [
        ("Recipe.objective = @BraVe()", "Write Recipe.objective = @BraVe."),
        ("Recipe.objective = @lars", "a reference to what makes Objective, such as @"),
        (
            "Recipe.views = {'narrow': @narrow/RgbView}",
            "Write Recipe.views = {'narrow': @narrow/RgbView()}.",
        ),
        ("narrow/RgbView.augmentations = @random_flip", "augmentations = [@random_flip]."),
        (
            "narrow/RgbView.augmentations = [@random_flip, 'random_gray']",
            "[@random_flip, @random_gray].",
        ),
        ("train.optimizer = 'lars'", "Write train.optimizer = @lars."),
        ("train.optimizer = @tsm_resnet", "such as @"),
        ("train.optimizer = None", "a reference to what makes Optimizer"),
        ("train.probe = @OnlineKnn()", "Write train.probe = @OnlineKnn."),
        ("BraVe.projector = @projector()", "Write BraVe.projector = @projector."),
        ("lars.learning_rate = @warmup_cosine", "Write lars.learning_rate = @warmup_cosine()."),
        ("NARROW_BACKBONE = @narrow/tsm_resnet", "{'narrow': @narrow/tsm_resnet(), "),
        ("broad_audio/AudioView.log_mel = @broad_audio/LogMel", "@broad_audio/LogMel()."),
        ("gaussian_blur.sigma = 1.0", "expected (a number, a number)"),
        ("lars.multipliers = 10.0", "text in quotes -> a number"),
    ],
)
def test_parts_of_recipes_are_told_how_they_are_written(binding, advice):
    with pytest.raises(errors.UserError) as caught:
        config.load_config(
            ["as_v_fa"], ["import brave_tf.evaluation.protocols.online_knn", binding]
        )
    assert advice in str(caught.value) and f"--gin_bindings={binding!r}" in str(caught.value)


def test_what_the_package_offers_is_what_its_parameters_take():
    imports = [
        "import brave_tf.training.optimizers.lamb",
        "import brave_tf.evaluation.protocols.online_knn",
    ]
    for value in (
        "train.optimizer = @lamb",
        "train.probe = @OnlineKnn",
        "narrow/RgbView.augmentations = (@random_flip,)",
        "narrow/RgbView.seconds = 2",
        "tsm_resnet.checkpoint_stages = [1, 2]",
    ):
        config.load_config(["as_v_fa"], [*imports, value])


def test_values_of_the_package_have_their_types():
    names = recipe_header.names()
    overlays = [[], ["gin/overlays/tiny.gin"], ["gin/overlays/laptop.gin"]]
    for name, more in itertools.product(names, overlays):
        config.load_config([name, *more])
    assert "expected True or False" in refused(["train.deterministic = 'False'"])
    assert "expected True or False" in refused(["broad_flow/FlowView.sync = 'no'"])
    assert "expected a whole number" in refused(["tsm_resnet.depth = 50.0"])


@pytest.mark.parametrize("rate", ["'1e-3'", "-0.1", "True", "None"])
def test_a_learning_rate_is_a_number_from_0_or_a_schedule(rate):
    # It lists those that are imported.
    importlib.import_module("brave_tf.training.optimizers.epochs")
    schedules = "such as @by_epoch(), @piecewise(), @warmup_cosine()"
    assert schedules in refused([f"lars.learning_rate = {rate}"])
    config.load_config(["as_v_fa"], ["lars.learning_rate = 1e-3"])
    config.load_config(["as_v_fa"], ["RATE = 2", "lars.learning_rate = %RATE"])

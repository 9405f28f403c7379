"""Values of another type than their parameter's are errors."""

import itertools
from typing import Optional

import gin
import pytest

from brave_tf import config, errors, recipe_header


@gin.configurable("sample_of_types")
def sample(
    width: int = 1,
    scale: float = 2.0,
    on: bool = False,
    name: "str | None" = None,
    most: int = None,
    sizes: Optional[list] = None,
):
    return {"width": width, "scale": scale, "on": on, "name": name, "most": most, "sizes": sizes}


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
    "sizes": ([[1], None, "anything"], []),
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


def test_values_of_the_package_have_their_types():
    names = recipe_header.names()
    overlays = [[], ["gin/overlays/tiny.gin"], ["gin/overlays/laptop.gin"]]
    for name, more in itertools.product(names[:6], overlays):
        config.load_config([name, *more])
    assert "expected True or False" in refused(["train.deterministic = 'False'"])
    assert "expected True or False" in refused(["broad_flow/FlowView.sync = 'no'"])
    assert "expected a whole number" in refused(["tsm_resnet.depth = 50.0"])


@pytest.mark.parametrize("rate", ["'1e-3'", "-0.1", "True", "None"])
def test_a_learning_rate_is_a_number_from_0_or_a_schedule(rate):
    assert "such as @warmup_cosine()" in refused([f"lars.learning_rate = {rate}"])
    config.load_config(["as_v_fa"], ["lars.learning_rate = 1e-3"])
    config.load_config(["as_v_fa"], ["RATE = 2", "lars.learning_rate = %RATE"])

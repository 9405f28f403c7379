"""JSON of others is looked at before it is used."""

import json
import re

import pytest

from brave_tf.storage import json_values
from brave_tf.storage.json_values import (
    MappingOf,
    Optional,
    count,
    file_name,
    number,
    path,
    text,
    truth,
)


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (text, ["", "é", "a/b"], [None, 1, ["a"], "a\0", "\ud800", "\udcff"]),
        (path, ["a/b", "\udcff"], [None, "a\0", "\ud800"]),
        (file_name, ["a b.npz", ".a", "..a"], ["", ".", "..", "a/b", "/a", "..\\a", 3]),
        (number, [0, -1.5, float("nan"), float("inf"), 10**300], ["1", True, None, 10**400]),
        (count, [0, 2**63 - 1], [-1, 1.0, True, 2**63, "1", None]),
        (truth, [True, False], [0, 1, None, "true"]),
        ([count], [[], [1, 2]], [{}, None, [1, -1], "12"]),
        ({"a": count}, [{"a": 1}, {"a": 1, "b": None}], [{}, {"a": None}, [], None]),
        ({"a": Optional(count)}, [{}, {"a": None}, {"a": 1}], [{"a": "1"}, []]),
        (MappingOf(count), [{}, {"a": 1}], [{"a": -1}, [], {"\ud800": 1}]),
    ],
)
def test_kinds(kind, right, wrong):
    for value in right:
        json_values.check(json.loads(json.dumps(value)), kind)
    for value in wrong:
        with pytest.raises(ValueError, match="expected|has no"):
            json_values.check(json.loads(json.dumps(value)), kind)


def test_the_place_is_named_and_little_of_the_value():
    shape = {"results": [{"clips": MappingOf(count)}]}
    value = {"results": [{"clips": {}}, {"clips": {"train": "\x1b" * 10**6}}]}
    with pytest.raises(ValueError) as told:
        json_values.check(value, shape, "results.json")
    place = re.escape("results.json['results'][1]['clips']['train'] is '\\x1b\\x1b")
    assert re.match(place, str(told.value)) and len(str(told.value)) < 200
    assert str(told.value).endswith("expected a whole number from 0 on")


def test_a_number_of_any_length_is_refused_with_a_message():
    with pytest.raises(ValueError, match="many digits, expected a number that is not so large"):
        json_values.check(10**9999, number)

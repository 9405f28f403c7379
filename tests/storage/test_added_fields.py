"""Texts of dataclasses that have got fields since."""

import dataclasses

from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.rgb import RgbView
from brave_tf.storage.added_fields import added_field, told_fields, told_text


@dataclasses.dataclass(frozen=True)
class Before:
    size: int = 3


@dataclasses.dataclass(frozen=True)
class Thing(Before):
    colour: str = added_field("red")
    shade: float = added_field(0.5)


def test_what_has_its_default_is_not_told():
    assert told_text(Thing()) == "Thing(size=3)"
    assert told_fields(Thing(size=4)) == {"size": 4}


def test_what_is_set_is_told():
    assert told_fields(Thing(colour="blue")) == {"size": 3, "colour": "blue"}
    texts = [told_text(Thing(**each)) for each in ({}, {"colour": "blue"}, {"shade": 0.1})]
    assert len(set(texts)) == 3


def test_views_are_told_apart_by_their_region_and_as_before_without_one():
    for kind in (RgbView, FlowView):
        assert told_text(kind()) == repr(kind()) and "region" not in repr(kind())
        regions = [None, (0, 0, 0.5, 1), (0, 0, 1, 0.5)]
        assert len({told_text(kind(region=region)) for region in regions}) == 3

"""The check that no key of a peer's file is left out."""

import golden_peers
import numpy as np
import pytest


@pytest.fixture
def golden(tmp_path):
    folder = tmp_path / "golden_peers"
    folder.mkdir()
    values = {"loss": np.float32(2.0), "steps": np.arange(3), "other": np.zeros(2)}
    np.savez(folder / "some.npz", __cases__="{}", **values)
    return golden_peers.Golden(tmp_path, "some")


def test_every_key_is_compared_or_listed(golden):
    golden.check("loss", 2.000001)
    golden.check_exactly("steps", [0, 1, 2])
    with pytest.raises(AssertionError, match="neither compared nor listed: .*other"):
        golden.check_all_used()
    golden.check_all_used(exceptions={"other": "not computed here"})
    golden.check_all_used("oth")
    with pytest.raises(AssertionError):
        golden.check_all_used("oth", "lost")
    for wrong in ({"other": ""}, {"other": "why", "loss": "why"}, {"other": "why", "lost": "why"}):
        with pytest.raises(AssertionError):
            golden.check_all_used(exceptions=wrong)


def test_values_have_their_shapes_and_tolerance(golden):
    for wrong in (2.001, [2.0]):
        with pytest.raises(AssertionError, match="loss"):
            golden.check("loss", wrong)
    with pytest.raises(AssertionError):
        golden.check_exactly("steps", [0, 1, 3])
    assert not golden.used

import pytest

from brave_tf.data.preparation.settings import PreparationSettings
from brave_tf.errors import UserError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("flow", "tvl2"),
        ("audio", "mp3"),
        ("fps", 0),
        ("fps", float("nan")),
        ("min_side", 8),
        ("flow_bound", 0),
        ("sample_rate", 0),
        ("jpeg_quality", 101),
        ("num_shards", -1),
    ],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(UserError, match=f"--{name}={value}: expected"):
        PreparationSettings(**{name: value})

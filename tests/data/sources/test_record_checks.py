import numpy as np
import pytest
import record_fixtures

from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.sources import record_checks
from brave_tf.data.views.audio import AudioView
from brave_tf.data.views.flow import FlowView
from brave_tf.data.views.log_mel import LogMel
from brave_tf.data.views.rgb import RgbView
from brave_tf.errors import UserError

JPEG = record_fixtures.jpeg(np.zeros((16, 16, 3), np.uint8))
SILENCE = np.zeros(4800, np.float32)
RGB = {"narrow": RgbView(num_frames=2, size=16)}
SOUND = {"broad_audio": AudioView(duration=0.05)}
FLOW = {"broad_flow": FlowView(num_frames=2, size=16)}


def clips(number, **kwargs):
    return [record_fixtures.record(images=[JPEG] * 4, **kwargs) for _ in range(number)]


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize(
    "views, modality, advice", [(SOUND, "audio", "--audio=float"), (FLOW, "flow", "--flow=tvl1")]
)
def test_modality_that_no_clip_has(tmp_path, described, views, modality, advice):
    info = DatasetInfo.load(record_fixtures.write_shards(tmp_path, clips(2), described=described))
    with pytest.raises(UserError, match=rf"{next(iter(views))}.* needs {modality}.*{advice}"):
        record_checks.check(info, "train", views)


def test_modality_that_only_later_clips_have(tmp_path):
    records = clips(20) + clips(1, audio=SILENCE)
    record_checks.check(
        DatasetInfo.load(record_fixtures.write_shards(tmp_path, records)), "train", SOUND
    )


@pytest.mark.parametrize("described", [True, False])
def test_other_sample_rate(tmp_path, described):
    records = clips(1, audio=SILENCE, sample_rate=16_000.0)
    info = DatasetInfo.load(record_fixtures.write_shards(tmp_path, records, described=described))
    with pytest.raises(
        UserError, match=r"'broad_audio' expects sound at 48000 Hz.* 16000 Hz.*Bind"
    ):
        record_checks.check(info, "train", SOUND)
    other = AudioView(duration=0.05, log_mel=LogMel(sample_rate=16_000))
    record_checks.check(info, "train", {"broad_audio": other})


def test_shards_without_a_record_that_can_be_read(tmp_path):
    info = DatasetInfo.load(record_fixtures.write_shards(tmp_path, clips(4), 1, described=False))
    (tmp_path / "train-00000-of-00001.tfrecord").write_bytes(b"not a shard, but rather long")
    with pytest.raises(UserError, match="no record can be read"):
        record_checks.check(info, "train", RGB)


def test_clips_that_cannot_be_decoded(tmp_path):
    records = [record_fixtures.record(images=[b"no jpeg"] * 4) for _ in range(3)]
    info = DatasetInfo.load(record_fixtures.write_shards(tmp_path, records))
    with pytest.raises(UserError, match=r"'narrow' cannot be made from any of the first 3 clips"):
        record_checks.check(info, "train", RGB)


def test_one_good_clip_is_enough(tmp_path):
    records = [record_fixtures.record(images=[b"no jpeg"] * 4), *clips(1)]
    record_checks.check(
        DatasetInfo.load(record_fixtures.write_shards(tmp_path, records)), "train", RGB
    )


def test_errors_of_augmentations_come_before_training(tmp_path):
    info = DatasetInfo.load(record_fixtures.write_shards(tmp_path, [
        record_fixtures.record(flow=[JPEG] * 4)]))  # fmt: skip
    colourful = FlowView(num_frames=2, size=16, augmentations=RgbView().augmentations)
    with pytest.raises(UserError, match="random_color"):
        record_checks.check(info, "train", {"broad_flow": colourful})

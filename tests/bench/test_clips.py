import argparse

import numpy as np
import pytest
import tensorflow as tf

from bench import clips, pipeline, pipeline_media, pipeline_memory
from brave_tf.data.records.dataset_info import DatasetInfo
from brave_tf.data.records.reader import parse_clip
from brave_tf.data.views.rgb import RgbView


def parse(path):
    fields = ("image/encoded", "WAVEFORM/feature/floats")
    return [parse_clip(record, fields) for record in tf.data.TFRecordDataset(path)]


def test_clips_have_the_frames_sound_and_weight_of_real_ones(tmp_path):
    clips.write_clips(tmp_path, 2, num_frames=25, shards=1)
    split = DatasetInfo.load(tmp_path).split("clips")
    assert split.clips == 2 and split.with_modality == {"rgb": 2, "flow": 0, "audio": 2}
    first, second = parse([shard.path for shard in split.shards])
    assert first.images.shape == (25,) and first.audio.shape == (48_000,)
    sizes = [len(jpeg) for jpeg in first.images.numpy()]
    assert 30 < np.mean(sizes) / 1024 < 44
    frames = np.stack([tf.io.decode_jpeg(jpeg) for jpeg in first.images.numpy()]).astype(float)
    assert frames.shape == (25, 240, 320, 3)
    assert np.abs(frames[0] - frames[-1]).mean() > 2
    assert first.images[0] != second.images[0]


def test_clips_can_repeat(tmp_path):
    clips.write_clips(tmp_path, 5, num_frames=1, height=16, width=16, shards=2, distinct=2)
    split = DatasetInfo.load(tmp_path).split("clips")
    assert [shard.clips for shard in split.shards] == [3, 2]
    labels = [int(clip.label) for shard in split.shards for clip in parse(shard.path)]
    assert labels == [0, 0, 0, 1, 1]


def arguments(module, *flags):
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return parser.parse_args(flags)


def test_the_pipeline_is_compared_with_its_limit(tmp_path, monkeypatch):
    clips.write_clips(tmp_path, 4, num_frames=8, height=48, width=64)
    view = RgbView(num_frames=4, frame_step=1, size=32)
    monkeypatch.setattr(pipeline, "_view_sets", lambda color: {"small": {"narrow": view}})
    flags = (f"--data={tmp_path}", "--batch_size=2", "--batches=2", "--repeats=2")
    result = pipeline.run(arguments(pipeline, *flags))
    limit, small = result["rows"]
    assert limit["pipeline"] == "decode limit" and limit["frames_per_s"] > 0
    assert small["frames_per_s"] == 4 * small["clips_per_s"]
    assert small["decode_share"] > 0


def test_epochs_are_lengthened_by_further_names_of_the_same_shards(tmp_path):
    clips.write_clips(tmp_path, 3, num_frames=1, height=16, width=16, shards=2)
    pipeline.lengthen_epochs(tmp_path)
    split = DatasetInfo.load(tmp_path).split("clips")
    assert split.clips == split.with_modality["rgb"] == sum(s.clips for s in split.shards) == 48
    assert [int(clip.label) for clip in parse(split.shards[17].path)] == [1]


def test_media_files_are_compared_with_records():
    flags = ("--clips=2", "--frames=30", "--batch_size=2", "--batches=1", "--repeats=1")
    rows = pipeline_media.run(arguments(pipeline_media, *flags))["rows"]
    assert {row["views"] for row in rows} == {"V", "V/A"}
    of_records = [row for row in rows if row["source"] == "records"]
    of_media = [row for row in rows if row["source"] == "media, pyav"]
    assert [row["times_the_work"] for row in of_records] == [1, 1]
    for row, other in zip(of_media, of_records):
        work = row["cpu_ms_per_clip"] / other["cpu_ms_per_clip"]
        assert row["times_the_work"] == pytest.approx(work)


@pytest.mark.series
def test_memory_is_told_for_each_number_of_clips():
    result = pipeline_memory.run(arguments(pipeline_memory, "--clips", "20", "40"))
    assert [row["clips"] for row in result["rows"]] == [20, 40]
    for row in result["rows"]:
        assert 0 < row["mb_before"] <= row["mb_first_tenth"] <= row["mb_peak"] + 1

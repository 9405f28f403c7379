"""Shards are read past damage, and their checksums are right."""

import hashlib
import zlib

import pytest
import tensorflow as tf

from brave_tf.inspection import shard_scan

SIZES = (10, 2_000_000, 30, 0, 50)
# Length and checksum before the data, a checksum after it.
OFFSETS = [sum(size + 16 for size in SIZES[:n]) for n in range(len(SIZES) + 1)]


def content(index):
    return bytes([index]) * SIZES[index]


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for index in range(len(SIZES)):
            writer.write(content(index))
    return path


def flip(path, byte):
    data = bytearray(path.read_bytes())
    data[byte] ^= 4
    path.write_bytes(data)


def scan(path):
    reader = shard_scan.ShardScan(str(path))
    return list(reader), reader


def test_a_good_shard(shard):
    records, reader = scan(shard)
    assert [(r.position, r.offset, r.data, r.damage) for r in records] == [
        (n, OFFSETS[n], content(n), None) for n in range(len(SIZES))
    ]
    assert reader.sha256 == hashlib.sha256(shard.read_bytes()).hexdigest()
    assert reader.size == OFFSETS[-1]
    assert shard_scan.read_record(str(shard), 2, OFFSETS[2]) == content(2)


@pytest.mark.parametrize("byte", [12, 1_000_000, SIZES[1] + 12])
def test_a_damaged_record_is_passed_over(shard, byte):
    flip(shard, OFFSETS[1] + byte)
    records, reader = scan(shard)
    assert [record.damage for record in records] == [None, "record_damaged", None, None, None]
    assert [record.position for record in records] == [0, 1, 2, 3, 4]
    assert records[2].data == content(2)
    assert reader.sha256 == hashlib.sha256(shard.read_bytes()).hexdigest()


@pytest.mark.parametrize("byte", [0, 7, 9])
def test_a_damaged_length_ends_the_reading(shard, byte):
    flip(shard, OFFSETS[2] + byte)
    records, _ = scan(shard)
    assert [record.damage for record in records] == [None, None, "shard_damaged"]
    assert f"byte {OFFSETS[2]:,}" in records[-1].detail


@pytest.mark.parametrize("left", [1, 11, 12, 500, SIZES[1] + 15])
def test_a_shard_that_is_cut_off(shard, left):
    shard.write_bytes(shard.read_bytes()[: OFFSETS[1] + left])
    records, reader = scan(shard)
    assert [record.damage for record in records] == [None, "shard_truncated"]
    assert reader.sha256 == hashlib.sha256(shard.read_bytes()).hexdigest()


def masked_crc(data):
    """CRC-32C (Castagnoli) bit by bit, rotated and shifted as the format of TFRecord has it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")


@pytest.mark.parametrize("length", [2**34, 2**60, 2**63 - 8])
def test_a_length_that_no_record_has_ends_the_reading_and_not_the_process(shard, length):
    whole = shard.read_bytes()
    header = length.to_bytes(8, "little")
    shard.write_bytes(whole + header + masked_crc(header) + b"x" * 100)
    records, _ = scan(shard)
    assert [record.damage for record in records] == [None] * len(SIZES) + ["shard_damaged"]
    assert records[-1].detail.endswith(f"record {len(SIZES)}")


def test_text_and_nothing(tmp_path):
    (tmp_path / "text").write_text("this is no shard at all, and long enough\n" * 9)
    (tmp_path / "empty").write_bytes(b"")
    records, _ = scan(tmp_path / "text")
    assert [record.damage for record in records] == ["shard_damaged"]
    records, reader = scan(tmp_path / "empty")
    assert records == []
    assert reader.sha256 == hashlib.sha256(b"").hexdigest()


def test_compressed_shards(tmp_path):
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for index in range(len(SIZES)):
            writer.write(content(index))
    records, reader = scan(path)
    assert [record.data for record in records] == [content(n) for n in range(len(SIZES))]
    assert reader.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert shard_scan.read_record(str(path), 2, 0) == content(2)
    flip(path, path.stat().st_size // 2)
    records, _ = scan(path)
    assert records[-1].damage == "shard_damaged"


def test_a_compressed_shard_that_ends_between_two_records(tmp_path):
    path = tmp_path / "a.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for index in range(len(SIZES)):
            writer.write(content(index))
    whole = path.read_bytes()
    packer = zlib.compressobj(wbits=31)
    data = packer.compress(whole[: OFFSETS[2]]) + packer.flush(zlib.Z_SYNC_FLUSH)
    path.write_bytes(data)
    records, _ = scan(path)
    assert [record.damage for record in records] == [None, None, "shard_truncated"]
    path.write_bytes(data + packer.compress(whole[OFFSETS[2] :]) + packer.flush())
    records, _ = scan(path)
    assert [record.data for record in records] == [content(n) for n in range(len(SIZES))]

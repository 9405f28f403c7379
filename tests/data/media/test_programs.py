"""MPEG-TS with several programs: the sound is that of the program of the pictures."""

import numpy as np
import pytest
from decoded import heard_at, numbers, samples
from media import click, numbered_frame, write_video

from brave_tf.data.media.media import MediaFile

PACKET = 188
# ITU-T H.222.0: the program association is packet 0, the map of a program that which it names.
_POLYNOMIAL = 0x04C11DB7


def checksum(data):
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ _POLYNOMIAL if value & 1 << 31 else value << 1) & 0xFFFFFFFF
    return value.to_bytes(4, "big")


def section(pid, table, number, body):
    """A packet that holds one table."""
    size = len(body) + 9
    head = bytes([table, 0xB0 | size >> 8, size & 255]) + number.to_bytes(2, "big") + b"\xc1\0\0"
    whole = head + body + checksum(head + body)
    packet = bytes([0x47, 0x40 | pid >> 8, pid & 255, 0x10, 0]) + whole
    return packet.ljust(PACKET, b"\xff")


def streams_of(path, shift):
    """The packets of a file's pictures and sound, with other numbers; tables are left out."""
    data = path.read_bytes()
    for place in range(0, len(data), PACKET):
        packet = bytearray(data[place : place + PACKET])
        pid = (packet[1] & 31) << 8 | packet[2]
        if pid >= 256 and pid < 0x1FFF:
            pid += shift
            packet[1] = packet[1] & 0xE0 | pid >> 8
            packet[2] = pid & 255
            yield pid, bytes(packet)


def write_programs(path, programs):
    """Writes one stream of several programs: (number, [(type, pid), ...]), packets in turn."""
    association, maps, lanes = b"", b"", []
    for number, (types, packets) in enumerate(programs, start=1):
        map_pid = 4000 + number
        association += number.to_bytes(2, "big") + (0xE000 | map_pid).to_bytes(2, "big")
        clock = types[0][1]
        body = (0xE000 | clock).to_bytes(2, "big") + b"\xf0\0"
        for kind, pid in types:
            body += bytes([kind]) + (0xE000 | pid).to_bytes(2, "big") + b"\xf0\0"
        maps += section(map_pid, 2, number, body)
        lanes.append(packets)
    mixed = bytearray()
    for index in range(max(map(len, lanes))):
        mixed += b"".join(lane[index] for lane in lanes if index < len(lane))
    path.write_bytes(section(0, 0, 1, association) + maps + mixed)
    return path


def test_the_clock_of_another_program_does_not_count(tmp_path):
    frames = [numbered_frame(i) for i in range(100)]
    mp2 = {"codec": "mpeg2video", "audio_codec": "mp2"}
    film = write_video(tmp_path / "film.ts", frames, audio=click(4.0, 3.0), **mp2)
    short = write_video(tmp_path / "short.ts", frames[:40], audio=click(1.6, 0.5), **mp2)
    television = [packet for _, packet in streams_of(film, 0)]
    # The radio's clock starts again, in the middle of the film.
    radio = 2 * [packet for pid, packet in streams_of(short, 300) if pid == 557]
    file = write_programs(
        tmp_path / "both.ts", [([(3, 557)], radio), ([(2, 256), (3, 257)], television)]
    )
    assert numbers(file) == list(range(100))
    np.testing.assert_allclose(heard_at(samples(file, 0, 4, pad=True)), [3.0], atol=0.03)
    assert numbers(file, 3.0, 3.4) == list(range(75, 85))
    with MediaFile(str(file)) as media:
        assert not media.warnings


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("radio_rate", [16000, 48000])
def test_the_sound_of_the_programs_own_pictures(tmp_path, order, radio_rate):
    frames = [numbered_frame(i) for i in range(50)]
    mp2 = {"codec": "mpeg2video", "audio_codec": "mp2", "sample_rate": 48000}
    film = write_video(tmp_path / "film.ts", frames, audio=click(2.0, 0.5), **mp2)
    radio_film = write_video(
        tmp_path / "radio.ts",
        frames,
        audio=click(2.0, 1.25, radio_rate),
        **{**mp2, "sample_rate": radio_rate},
    )
    television = [packet for _, packet in streams_of(film, 0)]
    radio = [packet for pid, packet in streams_of(radio_film, 300) if pid == 557]
    programs = [([(2, 256), (3, 257)], television), ([(3, 557)], radio)]
    file = write_programs(tmp_path / "both.ts", [programs[i] for i in order])
    assert numbers(file) == list(range(50))
    np.testing.assert_allclose(heard_at(samples(file, 0, 2, pad=True)), [0.5], atol=0.03)

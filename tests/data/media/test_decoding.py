"""Times of what is decoded, in files whose stamps tell little."""

import struct

import numpy as np
from decoded import numbers, samples
from media import click, numbered_frame, tone, write_audio, write_video
from remuxed import remuxed

from brave_tf.data.media.media import MediaFile

# MPEG-4 part 2: a picture begins with this code and two bits of its kind, I, P or B.
_PICTURE = b"\0\0\x01\xb6"
_USER_DATA = b"\0\0\x01\xb2"


def chunks_of(data, name):
    """Gives place and size of the chunks of an AVI called `name`."""
    place = data.index(b"movi") + 4
    while place < len(data) - 8 and data[place : place + 2].isdigit():
        (size,) = struct.unpack("<I", data[place + 4 : place + 8])
        if data[place : place + 4] == name:
            yield place + 8, size
        place += 8 + size + size % 2


def write_packed(path, source):
    """Rewrites an AVI as DivX did: with a picture that refers back, the B-picture before it, then nothing.

    Chunks come in the order of decoding; packed, one has P and B, and the next an empty picture.
    """
    data = source.read_bytes()
    pictures = [data[place : place + size] for place, size in chunks_of(data, b"00dc")]
    kinds = [picture[picture.index(_PICTURE) + 4] >> 6 for picture in pictures]
    header = pictures[0][: pictures[0].index(_PICTURE)]
    empty = _PICTURE + b"\x5a\x7f"  # A P-picture that is not coded.
    packed, number = [header + _USER_DATA + b"DivX503b1393p" + pictures[0][len(header) :]], 1
    while number < len(pictures):
        if number + 1 < len(pictures) and kinds[number + 1] == 2:
            packed += [pictures[number] + pictures[number + 1], empty]
            number += 2
        else:
            packed.append(pictures[number])
            number += 1
    body = b"".join(
        b"00dc" + struct.pack("<I", len(each)) + each + b"\0" * (len(each) % 2) for each in packed
    )
    movi = data.index(b"movi")
    head = data[: movi - 4] + struct.pack("<I", len(body) + 4) + b"movi" + body
    path.write_bytes(b"RIFF" + struct.pack("<I", len(head) - 8) + head[8:])
    return path


def test_packed_pictures_in_avi(tmp_path):
    frames = [numbered_frame(i) for i in range(101)]
    options = {"bf": "1", "g": "20", "b_strategy": "0"}
    source = write_video(tmp_path / "a.avi", frames, codec="mpeg4", options=options)
    file = write_packed(tmp_path / "packed.avi", source)
    whole = numbers(file)
    assert whole[:95] == list(range(95))
    for start in (0.4, 1.48, 2.0, 3.2):
        first = round(25 * start)
        assert numbers(file, start, start + 0.4) == whole[first : first + 10]


def test_mp4_that_has_lost_the_times_of_its_pictures(tmp_path):
    frames = [numbered_frame(i) for i in range(100)]
    options = {"x264-params": "bframes=3:b-adapt=0:keyint=25", "use_editlist": "0"}
    file = write_video(tmp_path / "a.mp4", frames, options=options)
    whole = numbers(file)
    assert whole == list(range(100))
    file.write_bytes(file.read_bytes().replace(b"ctts", b"free").replace(b"edts", b"free"))
    shown = numbers(file)
    assert shown[:95] == list(range(95)) and shown == sorted(shown)
    assert numbers(file, 2.0, 2.4) == shown[50:60]


def test_sound_that_is_stamped_when_it_arrives(tmp_path):
    whole = write_audio(tmp_path / "a.mka", tone(6.0), codec="aac")
    late = np.random.default_rng(0).uniform(0, 0.018, 400)
    file = remuxed(tmp_path / "b.mka", [whole], lambda number, kind, time: time + late[number])
    expected, heard = samples(whole), samples(file)
    lag = round(late[0] * 48000)
    assert abs(len(heard) - len(expected)) <= 0.02 * 48000
    steps = np.abs(np.diff(heard[2000:-3000]))
    # A sine moves by little from one sample to the next; pieces that were put elsewhere break it.
    assert steps.max() < 1.5 * np.abs(np.diff(expected[2000:-3000])).max(), lag


def test_a_window_that_ends_in_a_gap_has_its_length(tmp_path):
    whole = write_audio(tmp_path / "a.mka", click(6.0, 1.0) + click(6.0, 5.0), codec="flac")
    quiet = lambda number, kind, time: None if 2 < time < 4 else time  # noqa: E731
    file = remuxed(tmp_path / "b.mka", [whole], quiet)
    assert len(samples(file)) == len(samples(whole))
    for start in (1.5, 2.5):
        window = samples(file, start, start + 1)
        assert len(window) == 48000 and not np.any(window[-10000:])


def test_pictures_that_an_avi_has_lost_are_told(tmp_path):
    frames = [numbered_frame(i) for i in range(100)]
    file = write_video(tmp_path / "a.avi", frames, codec="mpeg4", options={"g": "10"})
    data = bytearray(file.read_bytes())
    place, size = list(chunks_of(data, b"00dc"))[50]
    data[place - 8 : place + size] = b"JUNK" + struct.pack("<I", size) + bytes(size)
    file.write_bytes(data)
    with MediaFile(str(file)) as media:
        assert any("1 of its 100 pictures are lost" in warning for warning in media.warnings)


def test_metadata_that_is_no_text(tmp_path):
    file = write_video(tmp_path / "a.avi", [numbered_frame(i) for i in range(25)], codec="mpeg4")
    data = file.read_bytes()
    text = b"caf\xe9 \xff\xfe"
    info = b"LIST" + struct.pack("<I", 12 + len(text)) + b"INFOINAM" + struct.pack("<I", len(text))
    file.write_bytes(data + info + text)
    assert numbers(file) == list(range(25))

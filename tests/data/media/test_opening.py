"""Files that FFmpeg has to be told something of, and files that are refused."""

import struct

import numpy as np
import pytest
from decoded import samples
from media import tone, write_audio, write_video

from brave_tf.data.media.media import MediaError, MediaFile

PCM_SUBTYPE = bytes.fromhex("0100000000001000800000aa00389b71")


def write_extensible(path, sound, bits, valid, rate=16000, form=b"RIFF", chunks=b""):
    """Writes (N, channels) sound in [-1, 1] with so many valid bits at the top of a container of `bits`."""
    steps = np.round(sound * (2 ** (valid - 1) - 1)).astype(np.int64) << (bits - valid)
    data = steps.astype("<i8").tobytes()
    size = bits // 8
    data = b"".join(data[i : i + size] for i in range(0, len(data), 8))
    channels = sound.shape[1]
    align = channels * size
    header = struct.pack(
        "<HHIIHHHHI", 0xFFFE, channels, rate, rate * align, align, bits, 22, valid, 0
    )
    body = b"WAVE" + chunks + b"fmt " + struct.pack("<I", 40) + header + PCM_SUBTYPE
    body += b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(form + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("bits", "valid"),
    [
        (32, 24),
        (32, 20),
        (32, 16),
        (32, 12),
        (24, 20),
        (24, 16),
        (16, 12),
        (16, 8),
        (32, 32),
        (16, 16),
    ],
)
def test_fewer_valid_bits_than_the_container_has(tmp_path, bits, valid, channels):
    sound = np.stack([0.4 * tone(0.5, 440 * (i + 1), 16000) for i in range(channels)], 1)
    file = write_extensible(tmp_path / "a.wav", sound, bits, valid)
    heard = samples(file, rate=16000)
    np.testing.assert_allclose(heard, sound.mean(axis=1), atol=1.1 / 2 ** (valid - 1))
    np.testing.assert_array_equal(samples(file, 0.2, 0.3, rate=16000), heard[3200:4800])


@pytest.mark.parametrize(("bits", "stated"), [(16, 24), (24, 32), (16, 0)])
def test_more_valid_bits_than_the_container_has_are_those_of_the_container(tmp_path, bits, stated):
    sound = 0.4 * tone(0.5, 440, 16000)[:, None]
    file = write_extensible(tmp_path / "a.wav", sound, bits, bits)
    data = bytearray(file.read_bytes())
    place = data.index(b"fmt ") + 8 + 18
    data[place : place + 2] = struct.pack("<H", stated)
    file.write_bytes(data)
    np.testing.assert_allclose(samples(file, rate=16000), sound[:, 0], atol=1.1 / 2 ** (bits - 1))


@pytest.mark.parametrize(("bits", "size"), [(16, 4), (16, 3), (20, 4), (20, 3), (12, 2)])
def test_the_distance_of_samples_tells_their_container(tmp_path, bits, size):
    sound = 0.4 * tone(0.5, 440, 16000)
    steps = np.round(sound * (2 ** (bits - 1) - 1)).astype(np.int64) << (8 * size - bits)
    data = b"".join(int(step).to_bytes(size, "little", signed=True) for step in steps)
    form = struct.pack("<HHIIHH", 1, 1, 16000, 16000 * size, size, bits)
    body = (
        b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    )
    file = tmp_path / "a.wav"
    file.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    np.testing.assert_allclose(samples(file, rate=16000), sound, atol=1.1 / 2 ** (bits - 1))


def test_a_wav_that_is_cut_off_says_so(tmp_path):
    file = write_audio(tmp_path / "a.wav", tone(0.5))
    with MediaFile(str(file)) as media:
        assert not media.warnings
    file.write_bytes(file.read_bytes()[:-10000])
    with MediaFile(str(file)) as media:
        assert media.warnings == ["it states 48,000 bytes of samples, and ends before that"]


def test_wave64_with_fewer_valid_bits(tmp_path):
    """Its chunks have names of 16 bytes, and lengths of 8 that count all of the chunk."""
    sound = 0.4 * tone(0.5, 440, 16000)[:, None]
    riff = write_extensible(tmp_path / "a.wav", sound, 32, 24).read_bytes()
    end = bytes.fromhex("f3acd3118cd100c04f8edb8a")
    form, data = riff[20:60], riff[68:]
    body = b"fmt " + end + struct.pack("<Q", 24 + len(form)) + form
    body += b"data" + end + struct.pack("<Q", 24 + len(data)) + data
    head = b"riff" + bytes.fromhex("2e91cf11a5d628db04c10000")
    file = tmp_path / "a.w64"
    file.write_bytes(head + struct.pack("<Q", 40 + len(body)) + b"wave" + end + body)
    np.testing.assert_allclose(samples(file, rate=16000), sound[:, 0], atol=1e-6)


def test_the_format_may_follow_other_chunks(tmp_path):
    sound = 0.4 * tone(0.5, 440, 16000)[:, None]
    chunks = (
        b"JUNK" + struct.pack("<I", 5) + b"12345\0" + b"bext" + struct.pack("<I", 602) + bytes(602)
    )
    file = write_extensible(tmp_path / "a.wav", sound, 32, 24, chunks=chunks)
    np.testing.assert_allclose(samples(file, rate=16000), sound[:, 0], atol=1e-6)


def test_samples_that_end_in_the_middle_of_one(tmp_path):
    file = write_audio(tmp_path / "a.wav", tone(0.5))
    whole = samples(file)
    file.write_bytes(file.read_bytes()[:-501])
    np.testing.assert_array_equal(samples(file), whole[: len(whole) - 251])


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfilm.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile film.ts\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("name", ["list.m3u8", "film.mp4", "film.ts"])
def test_a_playlist_leads_nowhere(tmp_path, text, name):
    folder = tmp_path / "lists"
    folder.mkdir()
    write_video(folder / "film.ts", [np.zeros((48, 64, 3), np.uint8)] * 5)
    path = tmp_path / name
    path.write_text(text.replace("film.ts", str(folder / "film.ts")))
    with pytest.raises(MediaError) as caught:
        MediaFile(str(path))
    assert caught.value.stage == "open"

import os
import time

import cv2
import numpy as np
import pytest
from media import numbered_frame, tone, write_audio, write_video

from brave_tf.data.clips import media_files, media_probe
from brave_tf.data.clips.media_files import (
    MEDIA_EXTENSIONS,
    has_media,
    is_media,
    left_out,
    media_below,
)

MEDIA = (
    "a.mp4 a.MKV a.ts a.m2ts a.mts a.vob a.f4v a.gif a.mp2 a.ac3 a.eac3 a.wv a.divx a.rm a.amr a.au a.caf "
    "a.w64 a.spx a.tta a.ape a.dts a.m1v a.m2v a.y4m a.nut a.ogx a.m4b a.3g2 a.mj2 a.h264 a.hevc a.b.dv "
    "gone.mp4"
)
OTHERS = (
    "a.jpg a.PNG a.webp a.avif a.heic a.tiff a.srt a.vtt a.ass a.sub a.idx a.lrc a.m3u a.m3u8 a.pls a.cue "
    "a.xspf a.mpd a.ffconcat a.txt a.csv a.json a.xml a.md a.npy a.npz a.zip a.pkl a.h5 a.mp4.part "
    "a.mp4.tmp a.tfrecord train-00000-of-00002"
)


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """A folder with film.mp4 and sound.wav."""
    folder = tmp_path_factory.mktemp("media")
    write_video(folder / "film.mp4", map(numbered_frame, range(10)), audio=tone(0.4))
    write_audio(folder / "sound.wav", tone(0.5))
    return folder


@pytest.fixture
def asked(monkeypatch):
    """The files that FFmpeg is asked about."""
    files = []

    def holds_media(asked, timeout=0):
        files.extend(asked)
        return dict.fromkeys(asked, False)

    monkeypatch.setattr(media_probe, "holds_media", holds_media)
    return files


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize("name", MEDIA.split())
def test_extensions_of_media_decide_at_once(tmp_path, asked, name):
    if name != "gone.mp4":
        write(tmp_path / name, b"\0\1 not looked at")
    assert is_media(str(tmp_path / name))
    assert not asked


@pytest.mark.parametrize("name", OTHERS.split())
def test_extensions_of_other_files_decide_at_once(tmp_path, media, asked, name):
    assert not is_media(write(tmp_path / name, (media / "film.mp4").read_bytes()))
    assert not asked


def test_ffmpeg_is_asked_about_unknown_names(tmp_path, media):
    film, sound = (media / "film.mp4").read_bytes(), (media / "sound.wav").read_bytes()
    good = {"film": film, "film.xyz": film, "deep/VIDEO.dat": film, "sound.001": sound}
    picture = cv2.imencode(".jpg", numbered_frame(5))[1].tobytes()
    noise = np.random.default_rng(0).bytes(200_000)
    bad = {
        "picture": picture,
        "picture.img": cv2.imencode(".png", numbered_frame(5))[1].tobytes(),
        "noise.bin": noise,
        "noise": noise[:700],
        "empty": b"",
        "cut": film[:60],
        "notes": b"plain text, nothing else\n" * 99,
        "other_encoding": "caf\xe9 \xe0 la carte\n".encode("latin-1") * 99,
    }
    for name, data in {**good, **bad}.items():
        write(tmp_path / name, data)
    assert media_below(str(tmp_path)) == sorted(good)


def test_what_names_other_files_is_not_followed(tmp_path, media):
    """Play lists are text for FFmpeg's purposes too: none is opened, whatever it is called."""
    film = str(media / "film.mp4")
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\n{film}\n#EXT-X-ENDLIST\n"
    lists = {"list.abc": f"ffconcat version 1.0\nfile '{film}'\n", "hls": hls}
    # With a byte that is no text, so that FFmpeg is asked.
    files = [write(tmp_path / name, text.encode()) for name, text in lists.items()]
    files += [write(tmp_path / f"{n}_", t.encode() + b"\n#\x01\xff\n") for n, t in lists.items()]
    assert media_probe.holds_media(files) == dict.fromkeys(files, False)
    assert media_below(str(tmp_path)) == []


def test_a_film_in_one_picture_is_a_still_image(tmp_path):
    film = write_video(tmp_path / "one.avi", [numbered_frame(3)])
    assert not is_media(write(tmp_path / "one", film.read_bytes()))
    film = write_video(tmp_path / "two.avi", [numbered_frame(3), numbered_frame(4)])
    assert is_media(write(tmp_path / "two", film.read_bytes()))


def test_ts_is_a_transport_stream_or_typescript(tmp_path):
    stream = write_video(tmp_path / "film.ts", map(numbered_frame, range(10)))
    source = b"export const caf\xc3\xa9 = (n: number): string => `${n}`;\n"
    write(tmp_path / "index.ts", source)
    write(tmp_path / "types.mts", source * 99)
    write(tmp_path / "tree.dts", b"/dts-v1/;\n/ { };\n")
    write(tmp_path / "damaged.ts", stream.read_bytes()[50:500])
    assert media_below(str(tmp_path)) == ["damaged.ts", "film.ts"]


def test_pipes_are_not_waited_for(tmp_path):
    for name in ("pipe", "pipe.ts"):
        os.mkfifo(tmp_path / name)
    began = time.monotonic()
    # By its name one of them is media that cannot be read, and no more is asked.
    assert media_below(str(tmp_path)) == ["pipe.ts"]
    assert time.monotonic() - began < 5


def test_files_that_have_not_changed_are_asked_about_once(tmp_path, media, monkeypatch):
    file = write(tmp_path / "film", (media / "film.mp4").read_bytes())
    assert is_media(file)
    monkeypatch.setattr(media_probe.worker_pool, "run_in_order", lambda *a, **k: pytest.fail())
    assert is_media(file)


def test_what_takes_too_long_is_not_media(tmp_path, media):
    file = write(tmp_path / "film", (media / "film.mp4").read_bytes())
    assert media_probe.holds_media([file], timeout=1e-6) == {file: False}


def test_a_folder_whose_names_tell_is_not_looked_into(tmp_path, media, asked):
    write(tmp_path / "a" / "unknown", b"\0\1\2")
    assert not has_media(str(tmp_path))
    assert asked == [str(tmp_path / "a" / "unknown")]
    write(tmp_path / "b" / "film.mp4", b"")
    asked.clear()
    assert has_media(str(tmp_path))
    assert not asked


def test_names_that_are_no_text(tmp_path, media):
    film = (media / "film.mp4").read_bytes()
    names = [b"caf\xe9/caf\xe9.mp4", b"caf\xe9/\xff", b"plain/b.mp4"]
    for name in names:
        path = os.path.join(os.fsencode(tmp_path), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(film)
    assert {os.fsencode(path) for path in media_below(str(tmp_path))} == set(names)


def test_left_out(tmp_path):
    for name in ("a.mp4", "x/b.mp4", "x/n.txt", "n.TXT", "c.jpg", "README", ".hidden.txt"):
        write(tmp_path / name, b"x")
    root, used = str(tmp_path), [str(tmp_path / "a.mp4"), str(tmp_path / "x" / "b.mp4")]
    found = left_out(root, used)
    assert found == "4 other files left out (2 .txt, 1 .jpg, 1 without extension)"
    assert left_out(root, used[:1], only_media=True) == "1 media file left out (1 .mp4)"
    assert left_out(root, used, only_media=True) == ""
    assert left_out(str(tmp_path / "list.csv"), []) == ""
    for number in range(9):
        write(tmp_path / f"{number}.k{number}", b"x")
    assert left_out(root, used).endswith("1 .k1, 1 .k2, 7 more)")


def test_no_extension_is_of_two_kinds():
    kinds = [MEDIA_EXTENSIONS, media_files._NO_MEDIA]
    assert not set.intersection(*map(set, kinds))
    assert all(kind == kind.lower() and kind.startswith(".") for kind in set().union(*kinds))

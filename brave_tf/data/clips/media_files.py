"""Which files are media: what FFmpeg can open, except still images, subtitles and playlists."""

from __future__ import annotations

import codecs
import collections
import os
import re
from collections.abc import Iterable, Iterator, Sequence

from brave_tf.data.clips import media_probe

# fmt: off
VIDEO_EXTENSIONS = frozenset({
    ".264", ".265", ".266", ".3g2", ".3gp", ".3gp2", ".3gpp", ".amv", ".apng", ".asf", ".avc", ".avi",
    ".bik", ".dav", ".divx", ".dv", ".dvr-ms", ".evo", ".f4p", ".f4v", ".flc", ".fli", ".flv", ".gif",
    ".gxf", ".h261", ".h263", ".h264", ".h265", ".h266", ".hevc", ".insv", ".ismv", ".ivf", ".kux",
    ".lrv", ".m1v", ".m2p", ".m2t", ".m2ts", ".m2v", ".m4v", ".mj2", ".mjp2", ".mjpeg", ".mjpg",
    ".mk3d", ".mkv", ".mlv", ".mov", ".mp4", ".mp4v", ".mpe", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf",
    ".nsv", ".nut", ".nuv", ".obu", ".ogm", ".ogv", ".ogx", ".pva", ".qt", ".rm", ".rmvb", ".roq",
    ".smk", ".tp", ".trp", ".ts", ".vc1", ".vob", ".vro", ".vvc", ".webm", ".wm", ".wmv", ".wtv",
    ".xvid", ".y4m",
})
AUDIO_EXTENSIONS = frozenset({
    ".aa3", ".aac", ".ac3", ".ac4", ".adts", ".adx", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au",
    ".awb", ".caf", ".dff", ".dsf", ".dts", ".dtshd", ".eac3", ".ec3", ".f4a", ".f4b", ".flac", ".gsm",
    ".isma", ".m2a", ".m4a", ".m4b", ".m4r", ".mka", ".mlp", ".mp1", ".mp2", ".mp3", ".mpa", ".mpc",
    ".oga", ".ogg", ".oma", ".opus", ".qcp", ".ra", ".rf64", ".shn", ".snd", ".spx", ".tak", ".thd",
    ".tta", ".voc", ".vqf", ".w64", ".wav", ".wave", ".weba", ".wma", ".wv", ".xwma",
})
_IMAGES = frozenset({
    ".ai", ".arw", ".avif", ".avifs", ".bmp", ".cr2", ".cr3", ".cur", ".dds", ".dib", ".dng", ".dpx",
    ".emf", ".eps", ".exr", ".fits", ".hdr", ".heic", ".heif", ".hif", ".ico", ".j2k", ".jfif", ".jp2",
    ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".jxl", ".kra", ".mpo", ".nef", ".orf", ".pam", ".pbm",
    ".pcx", ".pfm", ".pgm", ".png", ".pnm", ".ppm", ".psb", ".psd", ".qoi", ".raf", ".ras", ".raw",
    ".rgb", ".rw2", ".sgi", ".svg", ".svgz", ".tga", ".thm", ".tif", ".tiff", ".webp", ".wmf", ".xbm",
    ".xcf", ".xpm", ".xwd",
})
_SUBTITLES = frozenset({
    ".aqt", ".ass", ".dfxp", ".idx", ".itt", ".jss", ".lrc", ".mks", ".mpl2", ".pjs", ".rt", ".sami",
    ".sbv", ".scc", ".smi", ".srt", ".ssa", ".stl", ".sub", ".sup", ".ttml", ".usf", ".vtt", ".webvtt",
})
_PLAYLISTS = frozenset({
    ".asx", ".concat", ".cue", ".edl", ".f4m", ".ffconcat", ".ism", ".ismc", ".m3u", ".m3u8", ".mpd",
    ".pls", ".ram", ".sdp", ".smil", ".strm", ".url", ".wax", ".wpl", ".wvx", ".xspf",
})
_OTHERS = frozenset({
    ".7z", ".aria2", ".arrow", ".bak", ".bat", ".bz2", ".c", ".cfg", ".ckpt", ".conf", ".cpp",
    ".crdownload", ".css", ".csv", ".db", ".description", ".dll", ".doc", ".docx", ".exe", ".feather",
    ".gin", ".go", ".gz", ".h", ".h5", ".hdf5", ".htm", ".html", ".info", ".ini", ".ipynb", ".iso",
    ".java", ".js", ".json", ".jsonl", ".jsx", ".lmdb", ".lnk", ".lock", ".log", ".mat", ".md", ".md5",
    ".mdb", ".mid", ".midi", ".ndjson", ".nfo", ".npy", ".npz", ".ods", ".odt", ".otf", ".parquet",
    ".part", ".pdf", ".pickle", ".pkl", ".ppt", ".pptx", ".ps1", ".pt", ".pth", ".py", ".pyc", ".rar",
    ".rs", ".rst", ".rtf", ".sfv", ".sh", ".sha1", ".sha256", ".so", ".sqlite", ".sqlite3", ".swp",
    ".tar", ".temp", ".tex", ".tfrecord", ".tfrecords", ".tgz", ".tmp", ".toml", ".torrent", ".tsv",
    ".tsx", ".ttf", ".txt", ".xls", ".xlsx", ".xml", ".xmp", ".xz", ".yaml", ".yml", ".ytdl", ".zip",
    ".zst",
})
# fmt: on
MEDIA_EXTENSIONS = VIDEO_EXTENSIONS | AUDIO_EXTENSIONS
_NO_MEDIA = _IMAGES | _SUBTITLES | _PLAYLISTS | _OTHERS
# MPEG-TS or TypeScript, sound in DTS or a device tree.
_ALSO_TEXT = frozenset({".ts", ".mts", ".dts"})
# train-00003-of-00010 and the like: records, weights.
_PART = re.compile(r"-\d+-of-\d+$")
_LOOKED_AT = 1024
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NAMED_KINDS = 5


def is_media(file: str) -> bool:
    """Whether a file is video or sound, as its extension tells; of an unknown one FFmpeg is asked.

    Extensions that text has too, such as .ts, count for files that are not text. A missing file is media if
    its extension says so.
    """
    return bool(_media([file]))


def has_media(root: str) -> bool:
    """Whether a folder or its sub-folders hold media; looks into files only where no name tells."""
    unknown = []
    for path in files_below(root):
        file = os.path.join(root, path)
        known = _by_name(file)
        if known:
            return True
        if known is None:
            unknown.append(file)
    return any(map(is_media, unknown))


def media_below(root: str) -> list[str]:
    """Returns the media files of a folder and its sub-folders, relative to it, sorted; see `is_media`."""
    paths = sorted(files_below(root))
    media = _media([os.path.join(root, path) for path in paths])
    return [path for path in paths if os.path.join(root, path) in media]


def files_below(root: str) -> Iterator[str]:
    """Yields all files of a folder and its sub-folders, relative to it, but those that are hidden."""
    visited = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in visited:
            subfolders.clear()
            continue
        visited.add(real)
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        inside = os.path.relpath(folder, root).replace(os.sep, "/")
        prefix = "" if inside == "." else f"{inside}/"
        yield from (prefix + name for name in names if not name.startswith("."))


def extension(path: str) -> str:
    """Returns the extension of a file in small letters, with its dot; empty where there is none."""
    return os.path.splitext(path)[1].lower()


def left_out(root: str, used: Iterable[str], only_media: bool = False) -> str:
    """Returns "3 other files left out (2 .txt, 1 .jpg)"; nothing when there are none, or no such folder.

    Args:
      root: A folder; its hidden files do not count.
      used: The files of its that are clips.
      only_media: Count files whose extension is one of media, and call them so.
    """
    used = {os.path.abspath(file) for file in used}
    kinds = collections.Counter(
        extension(path) or "without extension"
        for path in (files_below(root) if os.path.isdir(root) else ())
        if os.path.abspath(os.path.join(root, path)) not in used
        and not (only_media and extension(path) not in MEDIA_EXTENSIONS)
    )
    count = sum(kinds.values())
    if not count:
        return ""
    noun = "media file" if only_media else "other file"
    return f"{count} {noun}{'s' if count > 1 else ''} left out ({_counted(kinds)})"


def _counted(kinds):
    ranked = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{count} {kind}" for kind, count in ranked[:_NAMED_KINDS]]
    more = sum(count for _, count in ranked[_NAMED_KINDS:])
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


def _media(files: Sequence[str]) -> set[str]:
    known = {file: _by_name(file) for file in files}
    unknown = [file for file, media in known.items() if media is None and _may_be_media(file)]
    answers = media_probe.holds_media(unknown) if unknown else {}
    return {
        file for file, media in known.items() if (answers.get(file) if media is None else media)
    }


def _by_name(file: str) -> bool | None:
    """Whether a file is media, None where its name does not tell."""
    kind = extension(file)
    if kind in MEDIA_EXTENSIONS:
        return not (kind in _ALSO_TEXT and _is_text(file))
    if kind in _NO_MEDIA or _PART.search(file):
        return False
    return None


def _may_be_media(file):
    return os.path.isfile(file) and os.path.getsize(file) > 0 and not _is_text(file)


def _is_text(file):
    """Whether a file begins like text. No container does: all have bytes that are no characters."""
    if not os.path.isfile(file):  # Opening a pipe would wait for its writer.
        return False
    try:
        with open(file, "rb") as stream:
            start = stream.read(_LOOKED_AT)
    except OSError:
        return False
    if start.startswith(_BYTE_ORDER_MARKS):
        return True
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(sign.isprintable() or sign.isspace() for sign in text)

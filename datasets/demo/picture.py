"""Draws the views of one clip of the demo's things: what a recipe's networks see, over the same seconds.

    python datasets/demo/picture.py --output=docs/pictures/views.svg

The clip is drawn larger than those of the demo, and goes through all that a user's videos go through: an
mp4 file, a clip record, and the views of gin/demo_v_fa.gin. Exit codes: 0 drawn, 2 unusable input.
"""

from __future__ import annotations

import pathlib
import tempfile

import numpy as np
import scene
from absl import flags
from markupsafe import Markup

from brave_tf.cli import app
from brave_tf.errors import UserError
from brave_tf.process import startup

FLAGS = flags.FLAGS
RECIPE = pathlib.Path(__file__).resolve().parents[2] / "gin" / "demo_v_fa.gin"
NARROW_START = 0.4  # seconds
_FILM_SIZE, _VIEW_SIZE = 192, 160  # pixels
_WIDTH, _LEFT, _PLOT = 1000, 156, 824
_STEP = 0.2  # seconds of each picture that is shown
_SIDE = _PLOT * _STEP / scene.CLIP_SECONDS
_TOP, _GAP, _WHEEL = 22, 12, 40
_AXIS = _TOP + 3 * _SIDE + 2 * _GAP + 6
_HEIGHT = round(_AXIS + 34)
_TITLE = (
    "A narrow view of colour frames, and broad views of optical flow and sound, of the same clip"
)
_STYLE = """
svg { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
text { fill: #6b6a65; } .name { fill: #1d1d1b; font-weight: 600; font-size: 15px; }
.card { fill: #ffffff; } .band { fill: #2a78d6; opacity: 0.1; } .axis { stroke: #6b6a65; }
.frame { fill: none; stroke: #e3e2dc; }
"""


def define_flags() -> None:
    flags.DEFINE_string("output", None, "The .svg file to write.")
    flags.DEFINE_enum("kind", "target", list(scene.KINDS), "The thing.")
    flags.DEFINE_integer("seed", 1, "Seed of the clip and of its crops.", lower_bound=0)


def views_of(kind: str, seed: int) -> dict[str, np.ndarray]:
    """Returns what the views of the recipe make of a clip: view -> values, see `brave_tf.data.views`."""
    from brave_tf import config
    from brave_tf.data.clips import clip_list
    from brave_tf.data.preparation import clip_encoder, record_writer
    from brave_tf.data.preparation.settings import PreparationSettings
    from brave_tf.data.records.reader import parse_clip
    from brave_tf.training.recipe import Recipe, bound

    sizes = [f"{view}.size = {_VIEW_SIZE}" for view in ("narrow/RgbView", "broad_flow/FlowView")]
    config.load_config([str(RECIPE)], sizes)
    settings = PreparationSettings(
        fps=scene.FRAME_RATE, min_side=_FILM_SIZE, flow="dis", sample_rate=scene.SAMPLE_RATE
    )
    with tempfile.TemporaryDirectory() as folder:
        film = pathlib.Path(folder, "clip.mp4")
        clip = scene.make_clip(scene.KINDS[kind], np.random.default_rng(seed), _FILM_SIZE)
        scene.write_clips(film, [clip], _FILM_SIZE)
        prepared = clip_encoder.encode(clip_list.read_clips(folder)[0], settings)
    stored = record_writer.serialize_clip(prepared, settings, {})
    found = {}
    for name, view in bound(Recipe).views.items():
        start = NARROW_START if name == "narrow" else 0.0
        found[name] = view.sample(parse_clip(stored, view.fields), start, (seed, 0)).numpy()
    return found


def draw(views: dict[str, np.ndarray]) -> str:
    """Returns the views of a clip, see `views_of`, as an SVG image that needs nothing else."""
    from brave_tf.pages import pictures

    rgb, flow, sound = (views[name] for name in ("narrow", "broad_flow", "broad_audio"))
    full = np.percentile(np.hypot(flow[..., 0], flow[..., 1]), 99)
    coloured = pictures.flow_colours(flow, full)
    frames = np.rint(rgb * 255).astype(np.uint8)[::2]  # There is place for every second one.
    heard = pictures.heat((sound.T[::-1] - sound.min()) / np.ptp(sound))
    rows = [
        ("narrow view", "colour frames", len(rgb) / scene.FRAME_RATE, _strip(frames, NARROW_START)),
        ("broad view", "optical flow", scene.CLIP_SECONDS, _strip(coloured, 0.0) + _wheel()),
        ("broad view", "sound, log-mel", scene.CLIP_SECONDS, _image(heard, _LEFT, _PLOT)),
    ]
    parts = [f'<rect class="card" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>', _band(rows[0][2])]
    for index, (name, what, seconds, body) in enumerate(rows):
        said = [_text(20, 26, name, "start", "name"), _text(20, 46, what, "start")]
        said.append(_text(20, 64, f"{seconds:g} s", "start"))
        y = _TOP + index * (_SIDE + _GAP)
        parts.append(f'<g transform="translate(0 {y:.0f})">{"".join(said)}{body}</g>')
    parts += _axis()
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"<title>{_TITLE}</title><style>{_STYLE}</style>{chr(10).join(parts)}</svg>\n"
    )


def _strip(frames: np.ndarray, start: float) -> str:
    """Draws frames, `_STEP` seconds each, beside each other from `start` on."""
    return "".join(
        _image(frame, _x(start + index * _STEP) + 1, _SIDE - 2)
        for index, frame in enumerate(frames)
    )


def _image(pixels: np.ndarray, x: float, width: float) -> str:
    from brave_tf.pages import pictures

    place = f'x="{x:.1f}" width="{width:.1f}" height="{_SIDE - 2:.1f}"'
    uri = pictures.jpeg_uri(pixels, 85)
    return (
        f'<image {place} preserveAspectRatio="none" href="{uri}"/>\n<rect {place} class="frame"/>\n'
    )


def _wheel() -> str:
    """The colours of flow, by direction and length."""
    from brave_tf.pages import pictures

    uri = pictures.png_uri(pictures.flow_wheel(2 * _WHEEL))
    return f'<image x="{_LEFT - _WHEEL - 12}" y="{_SIDE - _WHEEL - 2:.1f}" width="{_WHEEL}" href="{uri}"/>\n'


def _band(seconds: float) -> str:
    """The seconds of the narrow view, behind all rows."""
    return (
        f'<rect class="band" x="{_x(NARROW_START) - 4:.1f}" y="{_TOP - 6}" rx="4" '
        f'width="{seconds / _STEP * _SIDE + 8:.1f}" height="{_AXIS - _TOP + 6:.1f}"/>'
    )


def _axis() -> list[str]:
    parts = [_line(_LEFT, _AXIS, _LEFT + _PLOT, _AXIS)]
    for second in np.arange(0, scene.CLIP_SECONDS + _STEP / 2, _STEP):
        parts.append(_line(_x(second), _AXIS, _x(second), _AXIS + 5))
        unit = " s" if second == 0 else ""
        parts.append(_text(_x(second), _AXIS + 20, f"{second:.1f}{unit}"))
    return parts


def _text(x: float, y: float, words: str, anchor: str = "middle", style: str = "") -> str:
    kind = Markup(' class="{}"').format(style) if style else ""
    element = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>')
    return element.format(x, y, anchor, kind, words)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="axis"/>'


def _x(seconds: float) -> float:
    return _LEFT + seconds / scene.CLIP_SECONDS * _PLOT


def main(argv: list[str]) -> int:
    del argv
    path = pathlib.Path(FLAGS.output or "")
    if path.suffix != ".svg":
        raise UserError(f"--output={FLAGS.output}: expected the name of an .svg file.")
    startup.import_tensorflow()
    text = draw(views_of(FLAGS.kind, FLAGS.seed))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output={path} cannot be written ({error.strerror}).") from error
    print(f"wrote {path}")
    return 0


def console_main() -> None:
    define_flags()
    app.run(main)


if __name__ == "__main__":
    console_main()

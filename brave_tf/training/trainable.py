"""Which recipes of the package clips can train, and the command that does."""

from __future__ import annotations

import contextlib
import functools
import shlex
from collections.abc import Iterator, Mapping

from brave_tf import modality_registry as every
from brave_tf.configuration import gin_statements, recipe_header
from brave_tf.data.records.modalities import Held, MissingModalityError

_SPLIT = "train"
# Within double quotes, a shell leaves these alone.
_PLAIN = frozenset("/._-+=,:@%~()[]* ")


def recipes(held: Held) -> list[str]:
    """Returns the names of the recipes whose views can be made from clips.

    General ones come first, then those of the paper, then those of other methods. The demo's, which are made
    for its own clips, are left out.
    """
    known = [*recipe_header.general(), *recipe_header.rows(), *recipe_header.peers()]
    return [name for name in known if held.has(modalities(name))]


@functools.lru_cache
def modalities(recipe: str) -> frozenset[str]:
    """Returns the modalities of the views of a recipe of the package, from its files alone."""
    path = gin_statements.RECIPE_DIR / f"{recipe}.gin"
    bindings = gin_statements.bindings_of([gin_statements.source_of(str(path))])
    *_, bound = (binding.value for binding in bindings if binding.key == "Recipe.views")
    return frozenset(_kinds()[view.configurable] for view in bound.values())


def advice(held: Held, data_dir: str, split: str = _SPLIT) -> str:
    """Says which recipes a split can train, and how.

    Args:
      held: what its clips have.
      data_dir: where they are.
      split: its name; several with `+` between them.

    Returns:
      Lines of text; that of the command is indented.
    """
    found = recipes(held)
    if not found:
        return (
            f"No recipe of the package can be trained on split {split!r} of {data_dir}: the narrow view of "
            "all is of frames. Take clips with pictures, or write a recipe: docs/recipes.md."
        )
    lines = [f"Recipes that split {split!r} of {data_dir} can train: {', '.join(found)}."]
    lines.append(f"  {command(found[0], held, data_dir, split)}")
    lines += filter(None, (modality.advice(held) for modality in every.registered()))
    return "\n".join(lines)


def command(recipe: str, held: Held, data_dir: str, split: str = _SPLIT) -> str:
    """Returns the command that trains a recipe on a split without a GPU, to be pasted into a shell."""
    bindings = [f"train.data_dir = {data_dir!r}"]
    if split != _SPLIT:
        bindings.append(f"train.split = {split!r}")
    for modality in every.registered():
        if modality.name in modalities(recipe):
            bindings += modality.bindings(held)
    flags = [_quoted(f"--gin_bindings={binding}") for binding in bindings]
    overlay = "--gin_file=overlays/laptop.gin"
    return " ".join(["brave_tf_train", f"--gin_file={recipe}", overlay, *flags])


@contextlib.contextmanager
def advising(data_dir: str, split: str) -> Iterator[None]:
    """Adds to the error about a modality that clips lack which recipes they can train.

    Raises:
      UserError: in place of a `MissingModalityError` from the body.
    """
    try:
        yield
    except MissingModalityError as error:
        text = f"{error}\n{advice(error.held, data_dir, split)}"
        raise MissingModalityError(text, error.held) from error


def _kinds() -> Mapping[str, str]:
    """Returns the modality of each kind of view by its name."""
    return {kind.__name__: each.name for each in every.registered() for kind in each.views()}


def _quoted(flag: str) -> str:
    """Quotes a flag for a shell: the text after = in double quotes where nothing in it would be read."""
    name, _, text = flag.partition("=")
    if all(letter.isalnum() or letter == "'" or letter in _PLAIN for letter in text):
        return f'{name}="{text}"'
    return shlex.quote(flag)

"""The votes of nearest neighbours, and what is expected of them where clips are equally near."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from scipy import stats

from brave_tf.evaluation.metrics import scores
from brave_tf.evaluation.protocols.neighbours import cosines

# A class: the logarithm of the votes that are sure, and how many clips it has among the equally near.
_Class = tuple[float, int]
_DIGITS = 9


@dataclasses.dataclass(frozen=True)
class Votes:
    """What the k nearest training clips of each query vote.

    Clips that are as near as the k-th one may be more than the places that are left. Those that vote are
    then drawn at random among them, and scores are means over all draws.

    Attributes:
      sure: (queries, classes) float64, the logarithm of the votes of clips that are nearer than the k-th;
        -inf for none.
      tied: (queries, classes) int64, how many clips are as near as the k-th.
      weight: (queries,) float64, the logarithm of the vote of each of these.
      places: (queries,) int64, how many of these vote, from 1 on.
    """

    sure: np.ndarray
    tied: np.ndarray
    weight: np.ndarray
    places: np.ndarray

    def decisions(self) -> np.ndarray:
        """Returns the logarithm of the share of the expected votes that each class gets.

        Returns:
          (queries, classes) float32, at most 0; -inf for a class without a vote.
        """
        with np.errstate(divide="ignore"):
            drawn = np.log(self.tied) + np.log(self.places / self.tied.sum(axis=1))[:, None]
        votes = np.logaddexp(self.sure, drawn + self.weight[:, None])
        shares = votes - np.logaddexp.reduce(votes, axis=1, keepdims=True)
        return _rounded(shares).astype(np.float32)

    def top_hits(self, labels: np.ndarray) -> dict[str, np.ndarray]:
        """Returns `top1` and `top5`, the means over all draws of `scores.hits_at`, (queries,) float64."""
        hits = scores.top_hits(self.decisions(), labels)
        undecided = (self.places < self.tied.sum(axis=1)) & (
            np.count_nonzero(self.tied, axis=1) > 1
        )
        for query in np.flatnonzero(undecided):
            expected = self._over_draws(query, labels[query])
            for name, value in zip(hits, expected):
                hits[name][query] = value
        return hits

    def _over_draws(self, query: int, label: int) -> tuple[float, ...]:
        classes = list(zip(self.sure[query].tolist(), self.tied[query].tolist()))
        own = classes.pop(label)
        others = sorted(each for each in classes if each[0] > -np.inf or each[1])
        return _over_draws(
            scores.TOPS, own, tuple(others), float(self.weight[query]), int(self.places[query])
        )


def votes(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    features: np.ndarray,
    num_classes: int,
    k: int,
    temperature: float,
) -> Votes:
    """Counts the votes, exp(cosine / temperature) each, relative to that of the nearest clip.

    Args:
      train_features: (clips, D) float.
      train_labels: (clips,) integers below `num_classes`.
      features: (queries, D) float.
      num_classes: how many classes there are.
      k: how many vote; at most all do.
      temperature: of the votes.

    Raises:
      UserError: a feature is NaN or infinite.
    """
    k = min(k, len(train_labels))
    parts = []
    for near in cosines(train_features, features):
        last = -np.partition(-near, k - 1, axis=1)[:, k - 1, None]
        nearer, tied = near > last, near == last
        highest = near.max(axis=1, keepdims=True).astype(np.float64)
        rows, clips = np.nonzero(nearer)
        votes_of = (near[rows, clips] - highest[rows, 0]) / temperature
        shape = (len(near), num_classes)
        counts = np.zeros(shape, np.int64)
        tied_rows, tied_clips = np.nonzero(tied)
        np.add.at(counts, (tied_rows, train_labels[tied_clips]), 1)
        sure = _log_sums(votes_of, (rows, train_labels[clips]), shape)
        parts.append((sure, counts, ((last - highest) / temperature)[:, 0], k - nearer.sum(axis=1)))
    return Votes(*map(np.concatenate, zip(*parts)))


def _log_sums(
    values: np.ndarray, places: tuple[np.ndarray, np.ndarray], shape: tuple[int, int]
) -> np.ndarray:
    """The logarithm of the sums of exp(values) at places of an array, which do not underflow."""
    highest = np.full(shape, -np.inf)
    np.maximum.at(highest, places, values)
    sums = np.zeros(shape)
    np.add.at(sums, places, np.exp(values - highest[places]))
    with np.errstate(divide="ignore"):
        return np.where(sums > 0, highest + np.log(sums), -np.inf)


# Of features that are all alike, queries of one class have the same draws.
@functools.lru_cache(maxsize=4096)
def _over_draws(
    tops: Sequence[int], own: _Class, others: tuple[_Class, ...], weight: float, places: int
) -> tuple[float, ...]:
    """The chance, for each of `tops`, that a class is among so many of the most votes.

    Args:
      tops: how many classes count.
      own: the class.
      others: all others that may have votes.
      weight: the logarithm of the vote of a clip that is drawn.
      places: how many are drawn.
    """
    total, hits = own[1] + sum(tied for _, tied in others), np.zeros(len(tops))
    for count in range(min(own[1], places) + 1):
        value = _value(own[0], weight, count)
        if value == -np.inf:
            continue
        chance = stats.hypergeom.pmf(count, total, own[1], places)
        ranks = _ranks(value, others, weight, places - count, max(tops))
        above, equal = np.indices(ranks.shape)
        for index, top in enumerate(tops):
            hits[index] += chance * np.sum(ranks * np.clip((top - above) / (equal + 1), 0, 1))
    return tuple(hits.tolist())


def _ranks(
    value: float, others: Sequence[_Class], weight: float, places: int, most: int
) -> np.ndarray:
    """The chances of so many of the other classes above a value, and so many equal to it.

    Args:
      value: the logarithm of votes.
      others: the other classes.
      weight: the logarithm of the vote of a clip that is drawn.
      places: how many are drawn of theirs.
      most: more than these above are counted as these.

    Returns:
      (most + 1, some) float64, which sum to 1.
    """
    rest = sum(tied for _, tied in others)
    # By the clips that are drawn already, the classes above and the classes that are equal.
    chances = np.zeros((places + 1, most + 1, len(others) + 1))
    chances[0, 0, 0] = 1.0
    for sure, tied in others:
        counts = np.arange(min(tied, places) + 1)
        left = places - np.arange(places + 1)
        # Not a number where more would be drawn than there are, which has no chance.
        shares = np.nan_to_num(stats.hypergeom.pmf(counts[:, None], max(rest, 1), tied, left))
        after = np.zeros_like(chances)
        for count, share in zip(counts.tolist(), shares):
            moved = chances[: places + 1 - count] * share[: places + 1 - count, None, None]
            votes_of = _value(sure, weight, count)
            if votes_of > value:
                moved[:, most - 1] += moved[:, most]
                moved = np.roll(moved, 1, axis=1)
                moved[:, 0] = 0
            elif votes_of == value:
                moved = np.roll(moved, 1, axis=2)
            after[count:] += moved
        chances, rest = after, rest - tied
    return chances[places]


def _value(sure: float, weight: float, count: int) -> float:
    """The logarithm of votes."""
    drawn = weight + np.log(count) if count else -np.inf
    return float(_rounded(np.logaddexp(sure, drawn)))


def _rounded(votes: np.ndarray) -> np.ndarray:
    """Logarithms of votes, of which those of the same clips are equal in whatever order they are added."""
    return np.round(votes, _DIGITS)

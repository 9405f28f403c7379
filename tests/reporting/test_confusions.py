"""Confusions show their counts where they belong."""

import base64
import re
import xml.etree.ElementTree as ElementTree

import cv2
import numpy as np

from brave_tf.reporting.confusions import confusions
from brave_tf.reporting.predictions import StoredPredictions


def shown(cells, names):
    """Returns the figure of predictions that have these confusions."""
    pairs = [pair for pair in np.ndindex(cells.shape) for _ in range(cells[pair])]
    labels, predicted = np.array(pairs).T
    found = StoredPredictions(labels, np.eye(len(names))[predicted], tuple(names))
    text = str(confusions("<run>", found))
    return ElementTree.fromstring(re.sub(r"(<img[^>]*)>", r"\1/>", text))


def test_cells_of_few_classes_have_counts_and_shares():
    cells = np.array([[3, 1, 0], [0, 0, 2], [0, 0, 0]])
    names = ["cat", "<b>dog", "eel"]
    figure = shown(cells, names)
    found = {
        cell.get("title"): float(cell.get("style").removeprefix("--share: "))
        for cell in figure.iter("td")
        if cell.get("class") == "cell"
    }
    assert found == {
        "cat taken for cat: 3 of 4": 0.75,
        "cat taken for <b>dog: 1 of 4": 0.25,
        "<b>dog taken for eel: 2 of 2": 1.0,
    }
    head, *rows = figure.iter("tr")
    assert ["".join(cell.itertext()) for cell in head.iter("th")] == names
    texts = [["".join(cell.itertext()) for cell in row] for row in rows]
    assert texts == [["cat", "3", "1", ""], ["<b>dog", "", "", "2"], ["eel", "", "", ""]]
    dark = {cell.text for cell in figure.iter("td") if cell.get("data-dark")}
    assert dark == {"3", "2"}
    assert "50.0 % of 6 clips right" in "".join(figure.itertext())
    items = [item.text for item in figure.iter("li")]
    assert items == ["<b>dog taken for eel: 2 of 2", "cat taken for <b>dog: 1 of 4"]


def test_counts_of_more_classes_are_read_aloud_and_not_seen():
    names = [f"class {index}" for index in range(20)]
    figure = shown(2 * np.eye(20, dtype=int), names)
    cells = [cell for cell in figure.iter("td") if cell.get("class")]
    assert [cell.find("span[@class='unseen']").text for cell in cells] == ["2"] * 20
    assert not list(figure.iter("li"))


def test_many_classes_are_a_picture_with_a_pixel_each():
    cells = np.eye(60, dtype=int)
    cells[7, 20], cells[7, 7] = 1, 3
    figure = shown(cells, [str(n) for n in range(60)])
    (image,) = figure.iter("img")
    assert image.get("alt") == "60 classes in the order of their labels"
    data = base64.b64decode(image.get("src").split(",")[1])
    alpha = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., 3]
    assert alpha.shape == (60, 60)
    assert alpha[7, 7] > alpha[7, 20] > 0
    assert np.count_nonzero(alpha) == 61


def test_classes_that_do_not_occur_are_left_out():
    figure = shown(np.diag([1, 0, 1]), ["cat", "dog", "eel"])
    assert [span.text for span in figure.iter("span")] == ["cat", "eel"] * 2

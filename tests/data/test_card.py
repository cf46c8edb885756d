"""Data cards: whole, self-contained, and made from the present schema."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from delab.data import card, dataset, names
from delab.data.diagram import WIDTH, boxes, diagram
from delab.data.dictionary import dictionary
from delab.data.model import FOLDER
from delab.data.plots import plots

VOID = {"meta", "br", "hr", "img", "link"}


class Checker(HTMLParser):
    """Collects the text and the ids; fails on a tag that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = dict(attributes)
        self.ids += [value for name, value in attributes if name == "id" and value]
        self.links += [value for name, value in attributes if name in ("href", "src", "xlink:href") and value]
        assert "src" not in said
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", names())
def test_the_committed_card_and_dictionary_are_of_the_present_schema(name: str) -> None:
    data, hint = dataset(name), f"run `lab data card {name}`"
    assert f'name="made-from" content="{card.fingerprint(data)}"' in (FOLDER / name / "card.html").read_text(), hint
    assert (FOLDER / name / "dictionary.md").read_text() == dictionary(data), hint


@pytest.mark.parametrize("name", names())
def test_a_card_is_one_sound_page(name: str) -> None:
    text, data = (FOLDER / name / "card.html").read_text(), dataset(name)
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))
    assert {link for link in checker.links if not link.startswith("#")} == set()
    assert {link[1:] for link in checker.links} <= set(checker.ids)
    for word in (*data.tables, *data.faults, *data.answers()):
        assert word in text
    for column in [column for table in data.tables.values() for column in table.columns]:
        assert f"<code>{column.name}</code>" in text


def test_a_card_is_written_where_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "SCALE", 0.1)
    assert card.write(dataset("retail"), tmp_path / "card.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "dictionary.md").exists()


@pytest.mark.parametrize("name", names())
def test_the_diagram_shows_every_table_and_reference_and_boxes_do_not_overlap(name: str) -> None:
    data = dataset(name)
    root = ET.fromstring(diagram(data))
    texts = [element.text for element in root.iter("text")]
    assert all(texts.count(table) >= 1 for table in data.tables)
    placed = list(boxes(data).values())
    for one in placed:
        for other in placed:
            apart = (
                one.x + WIDTH <= other.x
                or other.x + WIDTH <= one.x
                or one.y + one.height <= other.y
                or other.y + other.height <= one.y
            )
            assert one == other or apart
    for box in placed:
        for column in box.table.columns:
            parent = column.references.partition(".")[0]
            assert not parent or parent == box.table.name or boxes(data)[parent].x < box.x


def test_plots_are_of_what_has_a_distribution() -> None:
    data = dataset("retail")
    svg = plots(data.table("customers"), data.rows("customers", data.recipe()))
    ET.fromstring(svg)
    assert set(re.findall(r">(\w+)</text>", svg)) >= {"birth_date", "country", "segment", "registered_at"}
    assert "email" not in svg
    assert "font-family" not in svg


def test_the_story_is_escaped() -> None:
    assert card.html_of("## A & B") == "<h2>A &amp; B</h2>"
    assert card.html_of("- <b>\n- `x`") == "<ul><li>&lt;b&gt;</li><li><code>x</code></li></ul>"
    assert card.html_of("one\ntwo") == "<p>one two</p>"


def test_long_texts_are_shortened() -> None:
    assert card.shortened("x" * 160) == "x" * 160
    assert card.shortened("x" * 161) == "x" * 159 + "…"
    assert card.shortened(None) is None

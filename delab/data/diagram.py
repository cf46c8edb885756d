"""An entity-relationship diagram as SVG: tables in columns by what they refer to, a line from each reference to its key."""

from dataclasses import dataclass
from html import escape

from delab.data.model import Column, Dataset, Table

ROW, HEAD, WIDTH, GAP_X, GAP_Y = 17, 26, 182, 64, 24  # px


@dataclass(frozen=True)
class Box:
    """A table on the page; x and y of its upper left corner."""

    table: Table
    x: int
    y: int

    @property
    def height(self) -> int:
        """Of the whole box."""
        return HEAD + ROW * len(self.table.columns) + 6

    def row(self, column: str) -> int:
        """The y of the middle of a column's line."""
        place = [each.name for each in self.table.columns].index(column)
        return self.y + HEAD + ROW * place + ROW // 2


def parents(table: Table) -> set[str]:
    """The other tables that a table refers to."""
    return {column.references.partition(".")[0] for column in table.columns if column.references} - {table.name}


def levels(data: Dataset) -> list[list[Table]]:
    """Tables by columns of the page, each to the right of all that it refers to, and as near as may be.

    A table that others build on stands just left of the first of them; one that nothing refers to, just right of its last parent.
    """
    children = {name: {other.name for other in data.tables.values() if name in parents(other)} for name in data.tables}
    depth: dict[str, int] = {}

    def earliest(name: str) -> int:
        return 1 + max((earliest(parent) for parent in parents(data.tables[name])), default=-1)

    for name in sorted(data.tables, key=earliest, reverse=True):
        inner = [depth[child] - 1 for child in children[name] if children[child]]
        depth[name] = min(inner) if inner else earliest(name)
    for name in data.tables:
        if not children[name]:
            depth[name] = 1 + max((depth[parent] for parent in parents(data.tables[name])), default=-1)
    found: list[list[Table]] = [[] for _ in range(1 + max(depth.values()))]
    for name, table in data.tables.items():
        found[depth[name]].append(table)
    return found


def boxes(data: Dataset) -> dict[str, Box]:
    """Where every table stands: each column of boxes sorted by the mean height of what its tables refer to, then centred."""
    placed: dict[str, Box] = {}
    for level, tables in enumerate(levels(data)):

        def wish(table: Table) -> float:
            heights = [placed[parent].y for parent in parents(table)]
            return sum(heights) / len(heights) if heights else 0.0

        y = 0
        for table in sorted(tables, key=wish):
            placed[table.name] = Box(table, level * (WIDTH + GAP_X), y)
            y += placed[table.name].height + GAP_Y
    return centred(placed)


def centred(placed: dict[str, Box]) -> dict[str, Box]:
    """Every column of boxes moved to the middle of the tallest."""
    ends: dict[int, int] = {}
    for box in placed.values():
        ends[box.x] = max(ends.get(box.x, 0), box.y + box.height)
    tallest = max(ends.values())
    return {name: Box(box.table, box.x + 12, box.y + (tallest - ends[box.x]) // 2 + 12) for name, box in placed.items()}


def line(child: Box, column: Column, parent: Box) -> str:
    """From a reference to the key that it refers to, with a crow's foot at the many."""
    y1, y2 = child.row(column.name), parent.row(column.references.partition(".")[2])
    if child == parent:
        x = child.x + WIDTH
        return f'<path class="ref" d="M{x},{y1} C{x + 34},{y1} {x + 34},{y2} {x},{y2}"/>'
    x1, x2 = child.x, parent.x + WIDTH
    bend = max(40, (x1 - x2) // 2)
    foot = "".join(f"M{x1 - 9},{y1} L{x1},{y1 + side} " for side in (-5, 0, 5))
    return (
        f'<path class="ref" d="M{x1 - 9},{y1} C{x1 - bend},{y1} {x2 + bend},{y2} {x2 + 6},{y2} L{x2},{y2}"/>'
        f'<path class="ref" d="{foot}M{x2 + 6},{y2 - 4} L{x2 + 6},{y2 + 4}"/>'
    )


def drawn(box: Box) -> str:
    """A table with its columns."""
    table, parts = box.table, []
    parts.append(f'<rect class="box" x="{box.x}" y="{box.y}" width="{WIDTH}" height="{box.height}" rx="5"/>')
    parts.append(f'<text class="name" x="{box.x + 10}" y="{box.y + 18}">{escape(table.name)}</text>')
    for column in table.columns:
        kind = "key" if column.name in table.key else "refers" if column.references else "plain"
        y = box.row(column.name) + 4
        parts.append(f'<text class="{kind}" x="{box.x + 10}" y="{y}">{escape(column.name)}</text>')
        parts.append(f'<text class="type" x="{box.x + WIDTH - 10}" y="{y}">{column.type}</text>')
    return "".join(parts)


def diagram(data: Dataset) -> str:
    """The whole diagram as one SVG element; its look is the page's style sheet."""
    placed = boxes(data)
    width = max(box.x for box in placed.values()) + WIDTH + 46
    height = max(box.y + box.height for box in placed.values()) + 12
    lines = [
        line(box, column, placed[column.references.partition(".")[0]])
        for box in placed.values()
        for column in box.table.columns
        if column.references
    ]
    content = "".join([*(drawn(box) for box in placed.values()), *lines])
    return f'<svg class="er" viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="Tables">{content}</svg>'

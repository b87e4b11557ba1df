"""What a document is made of, whether it becomes a page or a PDF."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

WORDY = 24  # characters


@dataclass(frozen=True)
class Share:
    """A cell with a probability, 0…1, and how it is written."""

    value: float
    text: str


@dataclass(frozen=True)
class Link:
    """A cell that leads to a place in the document."""

    text: str
    anchor: str


Cell = str | Share | Link


@dataclass(frozen=True)
class Paragraph:
    """Text; `kind` is empty, ``soft``, ``lead``, ``warning`` or ``code``."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Items:
    """A list of short texts."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes
    ----------
    header : names of the columns; empty: the first column names what the others hold
    widths : of the columns on paper, one to another; empty: as wide as each other
    """

    rows: Sequence[Sequence[Cell]]
    header: Sequence[str] = ()
    widths: Sequence[float] = ()

    @property
    def is_wordy(self) -> bool:
        """Whether a cell holds a sentence, which a narrow screen shows better below the others."""
        return any(isinstance(cell, str) and len(cell) > WORDY for row in self.rows for cell in row)


@dataclass(frozen=True)
class Picture:
    """A PNG, what it shows in words, and how wide it is on paper as a share of the text."""

    png: bytes
    alternative: str
    caption: str = ""
    share: float = 1.0


@dataclass(frozen=True)
class Group:
    """Blocks with a heading, inside a section; `kind` is empty, ``shot`` or ``folded``."""

    title: str
    blocks: Sequence["Block"]
    anchor: str = ""
    kind: str = ""


Block = Paragraph | Items | Table | Picture | Group


@dataclass(frozen=True)
class Section:
    """A chapter; `anchor` is unique."""

    title: str
    anchor: str
    blocks: Sequence[Block] = field(default_factory=tuple)


def drop_dead_links(sections: Sequence[Section]) -> list[Section]:
    """Return sections whose links all lead somewhere; the others are plain text."""
    known = {each.anchor for each in sections}
    known.update(anchor for each in sections for anchor in _list_anchors(each.blocks))
    return [
        replace(each, blocks=tuple(_unlink(block, known) for block in each.blocks))
        for each in sections
    ]


def _list_anchors(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Group):
            yield block.anchor
            yield from _list_anchors(block.blocks)


def _unlink(block: Block, known: set[str]) -> Block:
    if isinstance(block, Group):
        return replace(block, blocks=tuple(_unlink(each, known) for each in block.blocks))
    if not isinstance(block, Table):
        return block
    rows = [
        [cell.text if isinstance(cell, Link) and cell.anchor not in known else cell for cell in row]
        for row in block.rows
    ]
    return replace(block, rows=rows)


def kind_of(block: Block) -> str:
    """Return the name of a kind of block, as templates ask for it."""
    return type(block).__name__.lower()


def read_markdown(text: str) -> list[Block]:
    """Return the blocks of simple Markdown; marks of bold and code are dropped."""
    blocks: list[Block] = []
    parts = [part.splitlines() for part in text.replace("**", "").replace("`", "").split("\n\n")]
    for lines in (part for part in parts if part):
        if lines[0].startswith("#"):
            blocks.append(Group(lines.pop(0).lstrip("# "), ()))
        if lines and lines[0].startswith("|"):
            rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
            blocks.append(Table(rows[2:], rows[0]))
        elif lines and lines[0].startswith("- "):
            joined = "\n".join(lines).removeprefix("- ").split("\n- ")
            blocks.append(Items([" ".join(item.split()) for item in joined]))
        elif lines:
            blocks.append(Paragraph(" ".join(" ".join(lines).split())))
    return blocks

"""A report as PDF: the same blocks as the page, on A4, with page numbers and bookmarks."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib

from shotprint.errors import MissingExtraError
from shotprint.report.blocks import Block, Cell, Group, Items, Link, Paragraph, Picture, Section
from shotprint.report.case import Case

try:
    from fpdf import FPDF, FontFace
    from fpdf.enums import TableBordersLayout, XPos, YPos
except ModuleNotFoundError:
    raise MissingExtraError("report", "a PDF report") from None

MARGIN_MM, LINE = 16.0, 1.4
BODY, SMALL, TINY, TITLE, CHAPTER, HEADING = 9.5, 8.5, 7.0, 18.0, 14.0, 11.0
DARK, SOFT, SERIOUS = 20, 85, (138, 50, 0)
FONTS = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
MONO = "DejaVuSansMono.ttf"
LOGO_MM = 28.0
KEEP_MM = 30.0  # a heading stands at least so far above the end of a page
SHOT_MM, N_BESIDE = 126.0, 2  # what a shot needs; blocks at the right of its picture


def render_pdf(case: Case, sections: Sequence[Section], facts: Sequence[tuple[str, str]]) -> bytes:
    """Return the PDF; the same case gives the same bytes.

    Parameters
    ----------
    facts : names and values for the head
    """
    paper = _Paper(case)
    paper.draw_head(facts)
    for section in sections:
        paper.draw_section(section)
    return bytes(paper.output())


class _Paper(FPDF):  # type: ignore[misc]
    """Blocks on pages."""

    def __init__(self, case: Case) -> None:
        super().__init__(format="A4")
        self.case, self.texts = case, case.means.texts
        self._anchors: dict[str, int] = {}
        moment = datetime.fromisoformat(case.means.date)
        self.set_creation_date(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        self.set_title(self.texts.say("title"))
        self.set_lang(self.texts.language)
        self.set_producer("shotprint")
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        for style, name in FONTS.items():
            self.add_font("text", style, folder / name)
        self.add_font("mono", "", folder / MONO)
        self.set_margins(MARGIN_MM, MARGIN_MM)
        self.set_auto_page_break(True, MARGIN_MM + 4)
        self.add_page()

    def footer(self) -> None:
        """Write case and page number below a page."""
        self.set_y(-13)
        self.set_font("text", "", 7.5)
        self.set_text_color(SOFT)
        settings = self.case.means.settings
        name = " · ".join(
            x for x in (settings.laboratory, settings.case, self.case.means.date) if x
        )
        page = self.texts.say("page", page=self.page_no(), pages="{nb}")
        self.cell(0, 5, name)
        self.set_x(self.l_margin)
        self.cell(0, 5, page, align="R")

    def draw_head(self, facts: Sequence[tuple[str, str]]) -> None:
        logo = self.case.means.logo
        if logo is not None:
            x = self.w - self.r_margin - LOGO_MM
            self.image(
                io.BytesIO(logo[1]), x, self.t_margin, LOGO_MM, LOGO_MM / 2, keep_aspect_ratio=True
            )
            self.set_right_margin(MARGIN_MM + LOGO_MM + 4)
        self._write(self.texts.say("title"), TITLE, "B")
        self._write(self.texts.say("subtitle"), BODY, colour=SOFT)
        self.set_right_margin(MARGIN_MM)
        self.set_y(max(self.get_y(), self.t_margin + (LOGO_MM / 2 + 2 if logo else 0)))
        self.ln(2)
        self._draw_table(facts, (), (1, 3))

    def draw_section(self, section: Section) -> None:
        self._keep(KEEP_MM)
        self.ln(4)
        self._set_anchor(section.anchor)
        self.start_section(section.title)
        self._write(section.title, CHAPTER, "B")
        self.set_draw_color(180)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(2)
        for block in section.blocks:
            self._draw(block)

    def _draw(self, block: Block) -> None:
        match block:
            case Paragraph():
                self._draw_paragraph(block)
            case Items():
                for item in block.items:
                    self.set_x(self.l_margin + 3)
                    self._write(f"•  {item}", BODY, x=self.l_margin + 3)
                self.ln(1)
            case Picture():
                self._draw_picture(block)
            case Group():
                self._draw_group(block)
            case _:
                self._draw_table(block.rows, block.header, block.widths)

    def _draw_group(self, group: Group) -> None:
        pictures = [each for each in group.blocks if isinstance(each, Picture)]
        tall = sum(self._measure(each) for each in pictures[:1])
        self._keep(SHOT_MM if group.kind == "shot" else KEEP_MM + tall)
        self.ln(2.5)
        self._set_anchor(group.anchor)
        if group.anchor:
            self.start_section(group.title, 1)
        self._write(group.title, HEADING, "B")
        blocks = list(group.blocks)
        if group.kind == "shot":
            blocks = self._draw_beside(blocks)
        for each in blocks:
            self._draw(each)

    def _draw_beside(self, blocks: Sequence[Block]) -> list[Block]:
        """Draw a statement, then what follows a picture at its right; return what is left."""
        statement, picture, *others = blocks
        assert isinstance(picture, Picture)
        self._draw(statement)
        top, left, width = self.get_y(), self.l_margin, self.epw * picture.share
        self._draw_picture(picture)
        below = self.get_y()
        self.set_left_margin(left + width + 4)
        self.set_y(top)
        for each in others[:N_BESIDE]:
            self._draw(each)
        self.set_left_margin(left)
        self.set_y(max(below, self.get_y()))
        return others[N_BESIDE:]

    def _draw_paragraph(self, paragraph: Paragraph) -> None:
        style = {"lead": "B"}.get(paragraph.kind, "")
        colour = {"soft": SOFT, "warning": SERIOUS}.get(paragraph.kind, DARK)
        size = SMALL if paragraph.kind in ("soft", "code") else BODY
        family = "mono" if paragraph.kind == "code" else "text"
        self._write(paragraph.text, size, style, colour=colour, family=family)
        self.ln(1)

    def _draw_picture(self, picture: Picture) -> None:
        width = self.epw * picture.share
        self._keep(self._measure(picture))
        self.image(io.BytesIO(picture.png), w=width, alt_text=picture.alternative)
        self.ln(1)
        if picture.caption:
            self._write(picture.caption, SMALL, colour=SOFT)

    def _measure(self, picture: Picture) -> float:
        """Return the height of a picture on paper; width and height stand in the PNG's head."""
        across, up = (int.from_bytes(picture.png[i : i + 4], "big") for i in (16, 20))
        return float(self.epw) * picture.share * up / across + 2

    def _draw_table(
        self, rows: Sequence[Sequence[Cell]], header: Sequence[str], widths: Sequence[float]
    ) -> None:
        if not rows:
            return
        size = SMALL if self.l_margin == MARGIN_MM else TINY
        self.set_font("text", "", size)
        self.set_text_color(DARK)
        self.set_draw_color(200)
        columns = len(rows[0])
        with self.table(
            col_widths=tuple(widths) or tuple([1] * columns),
            first_row_as_headings=bool(header),
            headings_style=FontFace(emphasis="BOLD", color=SOFT),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            line_height=size * 0.3528 * LINE,
            padding=(0.6, 1, 0.6, 0.4),
            align="LEFT",
            text_align="LEFT",
        ) as table:
            for row in [header, *rows] if header else rows:
                shown = table.row()
                for place, cell in enumerate(row):
                    soft = FontFace(color=SOFT) if not header and place == 0 else None
                    shown.cell(_write_cell(cell), style=soft, link=self._find_link(cell))
        self.ln(2)

    def _find_link(self, cell: Cell) -> Any:
        return self._find_anchor(cell.anchor) if isinstance(cell, Link) else None

    def _find_anchor(self, anchor: str) -> int:
        if anchor not in self._anchors:
            self._anchors[anchor] = self.add_link()
        return self._anchors[anchor]

    def _set_anchor(self, anchor: str) -> None:
        if anchor:
            self.set_link(self._find_anchor(anchor), y=self.get_y(), page=self.page)

    def _keep(self, height_mm: float) -> None:
        """Begin a new page where less than so much is left of this one."""
        if self.will_page_break(height_mm):
            self.add_page()

    def _write(
        self,
        text: str,
        size: float,
        style: str = "",
        *,
        colour: Any = DARK,
        family: str = "text",
        x: float | None = None,
    ) -> None:
        self.set_font(family, style, size)
        self.set_text_color(*(colour if isinstance(colour, tuple) else (colour,)))
        self.set_x(self.l_margin if x is None else x)
        height = size * 0.3528 * LINE
        self.multi_cell(0, height, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _write_cell(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.text

"""A report as PDF: the same blocks as the page, as its layout says, with bookmarks."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib

from shotprint.errors import MissingExtraError
from shotprint.report.blocks import Block, Cell, Group, Items, Link, Paragraph, Picture, Section
from shotprint.report.case import Case
from shotprint.report.layout import SIZES_MM
from shotprint.report.texts import find_fields

try:
    from fpdf import FPDF, FontFace
    from fpdf.enums import TableBordersLayout, XPos, YPos
except ModuleNotFoundError:
    raise MissingExtraError("report", "a PDF report") from None

LINE_MM = 1.4 * 0.3528  # from line to line, for letters of one point
FONTS = {  # of a layout → family, style and file of what stands in for it
    "regular": ("text", "", "DejaVuSans.ttf"),
    "bold": ("text", "B", "DejaVuSans-Bold.ttf"),
    "mono": ("mono", "", "DejaVuSansMono.ttf"),
}
KEEP_MM = 30.0  # a heading stands at least so far above the end of a page
SHOT_LINES, N_BESIDE = 36.5, 2  # what a shot needs, in tiny lines; blocks right of its picture
BESIDE_MM = 150.0  # from this width of the text on, anything stands right of a picture


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
        layout = case.means.layout
        super().__init__(layout.page["orientation"], format=SIZES_MM[layout.page["size"]])
        self.case, self.texts, self.layout = case, case.means.texts, layout
        self._anchors: dict[str, int] = {}
        moment = datetime.fromisoformat(case.means.date)
        self.set_creation_date(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        self.set_title(self.texts.say("title"))
        self.set_lang(self.texts.language)
        self.set_producer("shotprint")
        folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        for name, (family, style, file) in FONTS.items():
            self.add_font(family, style, layout.fonts[name] or folder / file)
        left, top, right, bottom = layout.page["margins_mm"]
        self._left, self._right = left, right
        self.set_margins(left, top, right)
        self.set_auto_page_break(True, bottom)
        self.add_page()

    def header(self) -> None:
        """Write what stands above a page; the text begins below its margin."""
        self._draw_edge(self.layout.header, 0.35 * self.t_margin)
        self.set_y(self.t_margin)

    def footer(self) -> None:
        """Write what stands below a page."""
        self._draw_edge(self.layout.footer, self.h - 0.65 * self.b_margin)

    def _draw_edge(self, edge: Mapping[str, list[str]], y: float) -> None:
        settings, means = self.case.means.settings, self.case.means
        values = {
            "title": self.texts.say("title"),
            "page": self.texts.say("page", page=self.page_no(), pages="{nb}"),
            "date": means.date,
            **{name: getattr(settings, name) for name in ("laboratory", "case", "examiner")},
        }
        self.set_font("text", "", self.layout.sizes["edge"])
        self.set_text_color(self.layout.colours["soft"])
        left, right = (
            " · ".join(x for x in edge[side] if all(values[name] for name in find_fields(x)))
            for side in ("left", "right")
        )
        left, right = left.format(**values), right.format(**values)
        width = self.w - self._left - self._right
        while left and self.get_string_width(f"{left}  {right}") > width:
            left = f"{left[:-2]}…"[: len(left) - 1]
        for text, align in ((left, "L"), (right, "R")):
            self.set_xy(self._left, y)
            self.cell(width, 5, text, align=align)

    def draw_head(self, facts: Sequence[tuple[str, str]]) -> None:
        logo, wide = self.case.means.logo, self.layout.page["logo_mm"]
        if logo is not None:
            x = self.w - self.r_margin - wide
            picture = io.BytesIO(logo[1])
            self.image(picture, x, self.t_margin, wide, wide / 2, keep_aspect_ratio=True)
            self.set_right_margin(self._right + wide + 4)
        self._write(self.texts.say("title"), "title", "B")
        self._write(self.texts.say("subtitle"), "body", colour="soft")
        self.set_right_margin(self._right)
        self.set_y(max(self.get_y(), self.t_margin + (wide / 2 + 2 if logo else 0)))
        self.ln(2)
        self._draw_table(facts, (), (1, 3))

    def draw_section(self, section: Section) -> None:
        self._keep(KEEP_MM)
        self.ln(4)
        self._set_anchor(section.anchor)
        self.start_section(section.title)
        self._write(section.title, "chapter", "B")
        self.set_draw_color(self.layout.colours["line"])
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
                    self._write(f"•  {item}", "body", x=self.l_margin + 3)
                self.ln(1)
            case Picture():
                self._draw_picture(block)
            case Group():
                self._draw_group(block)
            case _:
                self._draw_table(block.rows, block.header, block.widths)

    def _draw_group(self, group: Group) -> None:
        pictures = [each for each in group.blocks if isinstance(each, Picture)]
        tall = sum(self._measure(each)[1] for each in pictures[:1])
        shot_mm = SHOT_LINES * self.layout.sizes["tiny"] * LINE_MM
        self._keep(shot_mm if group.kind == "shot" else KEEP_MM + tall)
        self.ln(2.5)
        self._set_anchor(group.anchor)
        if group.anchor:
            self.start_section(group.title, 1)
        self._write(group.title, "heading", "B")
        blocks = list(group.blocks)
        if group.kind == "shot" and self.epw >= BESIDE_MM:
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
        colour = paragraph.kind if paragraph.kind in ("soft", "warning") else "text"
        size = "small" if paragraph.kind in ("soft", "code") else "body"
        family = "mono" if paragraph.kind == "code" else "text"
        self._write(paragraph.text, size, style, colour=colour, family=family)
        self.ln(1)

    def _draw_picture(self, picture: Picture) -> None:
        width, height = self._measure(picture)
        self._keep(height + 2)
        self.image(io.BytesIO(picture.png), w=width, alt_text=picture.alternative)
        self.ln(1)
        if picture.caption:
            self._write(picture.caption, "small", colour="soft")

    def _measure(self, picture: Picture) -> tuple[float, float]:
        """Return width and height of a picture on paper; the PNG's head states its dots."""
        across, up = (int.from_bytes(picture.png[i : i + 4], "big") for i in (16, 20))
        width = min(self.epw * picture.share, (self.eph - KEEP_MM) * across / up)
        return width, width * up / across

    def _draw_table(
        self, rows: Sequence[Sequence[Cell]], header: Sequence[str], widths: Sequence[float]
    ) -> None:
        if not rows:
            return
        size = self.layout.sizes["small" if self.l_margin == self._left else "tiny"]
        colours = self.layout.colours
        self.set_font("text", "", size)
        self.set_text_color(colours["text"])
        self.set_draw_color(colours["line"])
        columns = len(rows[0])
        with self.table(
            col_widths=tuple(widths) or tuple([1] * columns),
            first_row_as_headings=bool(header),
            headings_style=FontFace(emphasis="BOLD", color=colours["soft"]),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            line_height=size * LINE_MM,
            padding=(0.6, 1, 0.6, 0.4),
            align="LEFT",
            text_align="LEFT",
        ) as table:
            for row in [header, *rows] if header else rows:
                shown = table.row()
                for place, cell in enumerate(row):
                    soft = FontFace(color=colours["soft"]) if not header and place == 0 else None
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
        size: str,
        style: str = "",
        *,
        colour: str = "text",
        family: str = "text",
        x: float | None = None,
    ) -> None:
        self.set_font(family, style, self.layout.sizes[size])
        self.set_text_color(self.layout.colours[colour])
        self.set_x(self.l_margin if x is None else x)
        height = self.layout.sizes[size] * LINE_MM
        self.multi_cell(0, height, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _write_cell(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.text

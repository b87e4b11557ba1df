"""A report as one HTML page that opens without a network: style and pictures lie inside."""

import base64
from collections.abc import Sequence
from importlib import resources

from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.report.blocks import Section, kind_of
from shotprint.report.case import Case

try:
    import jinja2
except ModuleNotFoundError:
    raise MissingExtraError("report", "a report") from None


def render_page(case: Case, sections: Sequence[Section], facts: Sequence[tuple[str, str]]) -> str:
    """Return the page.

    Parameters
    ----------
    facts : names and values for the head

    Raises
    ------
    ShotprintError : a template of the user's that cannot be filled
    """
    means, texts = case.means, case.means.texts
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["inline"] = lambda png: _inline("png", png)
    environment.filters["kind_of"] = kind_of
    source = means.template
    if source is None:
        place = resources.files("shotprint.report").joinpath("page.html.j2")
        source = place.read_text(encoding="utf-8")
    try:
        page = environment.from_string(source).render(
            language=texts.language,
            title=texts.say("title"),
            subtitle=texts.say("subtitle"),
            contents=texts.say("contents"),
            back=texts.say("back"),
            laboratory=means.settings.laboratory,
            logo=None if means.logo is None else _inline(*means.logo),
            facts=facts,
            sections=sections,
            case=case,
        )
    except jinja2.TemplateError as error:
        raise ShotprintError(
            f"the template {means.settings.template} cannot be filled ({error}); start from the "
            "shipped report/page.html.j2"
        ) from None
    return page + "\n"


def _inline(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"

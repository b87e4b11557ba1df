"""An audit as one HTML page that opens without a network: style and pictures lie inside."""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Protocol

from shotprint.audit.auditing import Audit
from shotprint.audit.confounds import WORDS, list_facts
from shotprint.audit.findings import SERIOUS, Finding
from shotprint.audit.output import count_groups
from shotprint.errors import MissingExtraError
from shotprint.files import write_text

try:
    import jinja2
except ModuleNotFoundError:
    raise MissingExtraError("evaluate", "the page of an audit") from None

N_SHOWN = 8


class Drawn(Protocol):
    """A picture with its words, as `plots.audit` draws it."""

    @property
    def svg(self) -> bytes: ...

    @property
    def caption(self) -> str: ...

    @property
    def alternative(self) -> str: ...


def write_page(
    path: Path,
    audit: Audit,
    findings: Sequence[Finding],
    pictures: Mapping[str, Sequence[Drawn]],
) -> None:
    """Write the page.

    Parameters
    ----------
    pictures : ``pairs``, ``confounds`` and ``facts``
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["inline"] = _inline
    source = resources.files("shotprint.audit").joinpath("page.html.j2")
    template = environment.from_string(source.read_text(encoding="utf-8"))
    known, proposed = count_groups(audit)
    page = template.render(
        audit=audit,
        n_classes=len({clip.row.label for clip in audit.clips}),
        n_known=known,
        n_proposed=proposed,
        n_alike=sum(pair.shared is not None for pair in audit.pairs),
        serious=[each for each in findings if each.severity == SERIOUS],
        notes=[each for each in findings if each.severity != SERIOUS],
        n_shown=N_SHOWN,
        tables=_count_words(audit),
        pictures=pictures,
    )
    write_text(path, page + "\n")


def _inline(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _count_words(audit: Audit) -> list[tuple[str, list[str], list[tuple[str, list[int]]]]]:
    """Return for each fact of few values its name, the values, and their counts by class."""
    heard = [(clip.row.label, clip.sound) for clip in audit.clips if clip.sound is not None]
    facts = list_facts([sound for _, sound in heard])
    labels = sorted({label for label, _ in heard})
    tables = []
    for name in WORDS:
        values = [str(value) for value in facts[name]]
        shown = [value for value, _ in Counter(values).most_common(N_SHOWN)]
        if len(shown) < 2:
            continue
        counts = Counter(zip((label for label, _ in heard), values, strict=True))
        rows = [(label, [counts[label, value] for value in shown]) for label in labels]
        tables.append((name, shown, rows))
    return tables

"""What a report is asked for."""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from shotprint.errors import ShotprintError
from shotprint.evidence import Hypothesis

EPOCH_VARIABLE = "SOURCE_DATE_EPOCH"
PASSWORD_VARIABLE = "SHOTPRINT_KEY_PASSWORD"


@dataclass(frozen=True)
class ReportSettings:
    """What stands in a report beside the answers.

    Attributes
    ----------
    question : that the report answers, in words
    hypothesis, values : what H1 is about, and which values were asked for beforehand; no values:
        the strongest is shown, and that it was chosen afterwards
    case, examiner, laboratory : names for the head; empty: left out
    logo : PNG or JPEG file
    language : of the texts that are shipped
    texts : TOML file of own texts, which stand in for those of the same name
    template : Jinja file in place of the shipped page
    layout : TOML file: order and choice of sections, and the form of the PDF
    verbal : TOML file of own words for likelihood ratios
    card : Markdown file, the model's card; None: that of the shipped model, where it answered
    key, key_password : the laboratory's private key, which signs the list of hashes
    date : ISO 8601; empty: that of ``SOURCE_DATE_EPOCH``, else now
    command : which makes the report again; empty: not stated
    paths : as given by the user, so that recordings which are added below them are noticed
    max_pictures : shots that get a picture and a table of their own; the rest are only listed
    """

    question: str = ""
    hypothesis: Hypothesis = "model"
    values: tuple[str, ...] = ()
    case: str = ""
    examiner: str = ""
    laboratory: str = ""
    logo: Path | None = None
    language: str = "en"
    texts: Path | None = None
    template: Path | None = None
    layout: Path | None = None
    verbal: Path | None = None
    card: Path | None = None
    key: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    date: str = ""
    command: str = ""
    paths: tuple[str, ...] = ()
    max_pictures: int = 150

    def find_date(self) -> str:
        """Return the date of the report, in ISO 8601.

        Raises
        ------
        ShotprintError : neither `date` nor ``SOURCE_DATE_EPOCH`` is what it must be
        """
        epoch = os.environ.get(EPOCH_VARIABLE, "")
        if self.date:
            try:
                datetime.fromisoformat(self.date)
            except ValueError:
                raise ShotprintError(
                    f"the date {self.date!r} is none; write it as 2026-11-25 or "
                    "2026-11-25T14:30:00+01:00"
                ) from None
            return self.date
        if not epoch:
            return datetime.now(UTC).isoformat(timespec="seconds")
        try:
            return datetime.fromtimestamp(int(epoch), UTC).isoformat(timespec="seconds")
        except (ValueError, OverflowError, OSError):
            raise ShotprintError(
                f"{EPOCH_VARIABLE} is {epoch!r}, expected seconds since 1970; mend or unset it"
            ) from None


@dataclass(frozen=True)
class Correction:
    """What an examiner says of an exhibit beside the machine's answer.

    Attributes
    ----------
    who, when : name, and time in ISO 8601
    action : what was done, such as ``label``, ``move``, ``add``, ``delete``, ``comment``
    text : in words
    """

    who: str
    when: str
    action: str
    text: str

"""The report of a case: one page that opens offline, a PDF, JSON, and a signed list of hashes.

`settings` says what is asked for, `case` gathers exhibits, answers and likelihood ratios,
`document` puts them into words (`texts`) and `pictures` as `blocks`, as `layout` says; `page` and
`paper` show these, `twin` is the JSON, `sealing` writes and checks the hashes, `writing` does it
all.
"""

from shotprint.report.sealing import Verification, make_key, verify
from shotprint.report.settings import Correction, ReportSettings
from shotprint.report.writing import Answers, write_report

__all__ = [
    "Answers",
    "Correction",
    "ReportSettings",
    "Verification",
    "make_key",
    "verify",
    "write_report",
]

"""Archives of a million recordings, on many processes and machines: Ray, an extra.

`listing` names what lies below paths and URLs, `spool` brings one of it to where it is heard,
`worker` hears it in a process of its own, `engine` hands out the work and survives the loss of
workers, `journal` keeps what is done, `output` writes it as Parquet.
"""

from shotprint.cluster.engine import Cluster, Driver, Outcome, connect
from shotprint.cluster.journal import ArchiveJournal
from shotprint.cluster.listing import WorkItem, list_work
from shotprint.cluster.output import check_folder, write_parts
from shotprint.cluster.worker import describe_answers

__all__ = [
    "ArchiveJournal",
    "Cluster",
    "Driver",
    "Outcome",
    "WorkItem",
    "check_folder",
    "connect",
    "describe_answers",
    "list_work",
    "write_parts",
]

"""The service and its page: recordings in, answers out, corrections kept beside them.

`settings` says how it runs, `store` keeps everything in SQLite, `jobs` gives recordings to the
`worker` process, `sounds` serves what can be heard and drawn, `corrections` puts what an examiner
says beside the machine's answer, `exports` writes files, `backup` all of them, `gate` keeps
strangers out, `connection` those who trickle, `service` joins these, `app` is HTTP.
"""

from shotprint.web.settings import ServiceSettings

__all__ = ["ServiceSettings"]

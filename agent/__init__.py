"""The site daemon: polls meters, keeps every reading, signs the log and sends it until the office's receipt is here.

daemon.py is the table of contents; the other files are named by the verbs of the flow: poll, record, close, publish.
"""

from typing import Final

#: Where tests may kill the daemon (MRV_FAILPOINT, link/failpoint.py), in the order a reading meets them.
FAILPOINTS: Final = frozenset(
    {
        "append.begun",  # transaction open, nothing written
        "append.leaves",  # leaf rows written
        "append.head",  # frontier and head written
        "append.signed",  # checkpoint written, not committed
        "append.committed",  # durable, nobody told yet
        "publish.before",  # bundle packed, not sent
        "publish.sent",  # handed to the connection
        "receipt.verified",  # believed, not kept
        "receipt.kept",  # durable
    }
)

"""What outlives the process: keys, limits, the ledger, stored responses. SQLite or PostgreSQL."""

from system2.server.data.batches import Batch, Batches, Counts, Line
from system2.server.data.chats import Chat, Chats
from system2.server.data.database import Database
from system2.server.data.files import File, Files
from system2.server.data.keys import LOCAL, SCOPES, Issued, Key, Keys
from system2.server.data.ledger import Entry, Ledger, Spent
from system2.server.data.limits import Limits, Ticket
from system2.server.data.processes import Processes
from system2.server.data.requests import Claim, Requests
from system2.server.data.responses import Response, Responses
from system2.server.data.rows import Page
from system2.server.data.stored import Expired, Stored

__all__ = [
    "LOCAL",
    "SCOPES",
    "Batch",
    "Batches",
    "Chat",
    "Chats",
    "Claim",
    "Counts",
    "Database",
    "Entry",
    "Expired",
    "File",
    "Files",
    "Issued",
    "Key",
    "Keys",
    "Ledger",
    "Limits",
    "Line",
    "Page",
    "Processes",
    "Requests",
    "Response",
    "Responses",
    "Spent",
    "Stored",
    "Ticket",
]

"""What outlives the process: keys, limits, the ledger, stored responses. SQLite or PostgreSQL."""

__all__: list[str] = []

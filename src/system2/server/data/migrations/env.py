"""What Alembic runs: the steps, on the connection it is handed. Opens none itself."""

from __future__ import annotations

from alembic import context

from system2.server.data.tables import METADATA, VERSIONS

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSIONS,
    render_as_batch=True,  # SQLite cannot alter a table, only copy it
    transaction_per_migration=False,
)
context.run_migrations()

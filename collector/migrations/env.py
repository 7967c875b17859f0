"""Run by Alembic: hands it the connection we were given, inside whose transaction it stays."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    transactional_ddl=False,  # the caller's transaction is the one
    version_table="schema_revision",
)
context.run_migrations()

"""Alembic migrations, run in process by `service.database.upgrade`."""

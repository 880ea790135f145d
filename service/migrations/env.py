"""Alembic's entry point: runs in process, on the connection that ``service.database.upgrade`` hands over."""

from typing import Any

from alembic import context

from service import models_governance, models_log  # noqa: F401  # registers their tables
from service.models import Base


def _ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    return kind != "table" or name in Base.metadata.tables


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    include_object=_ours,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()

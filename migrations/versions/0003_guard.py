"""The audit's guard: entries are added, never changed or deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# A later migration that recreates the table (batch mode on SQLite) has to recreate these too.
SQLITE = """\
create trigger audit_no_{verb} before {verb} on audit
begin select raise(abort, 'audit entries are never changed or deleted'); end
"""
FUNCTION = """\
create function audit_refuse() returns trigger language plpgsql as
$$ begin raise exception 'audit entries are never changed or deleted'; end $$
"""
TRIGGER = """\
create trigger audit_refuse before update or delete or truncate on audit
for each statement execute function audit_refuse()
"""


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(sa.text(SQLITE.format(verb=verb)))
    else:
        op.execute(sa.text(FUNCTION))
        op.execute(sa.text(TRIGGER))


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(sa.text(f"drop trigger audit_no_{verb}"))
    else:
        op.execute(sa.text("drop trigger audit_refuse on audit"))
        op.execute(sa.text("drop function audit_refuse"))

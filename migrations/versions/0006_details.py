"""What each mailed invite says beside its time, to know which no longer say what the settings do."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("message", sa.Column("details", sa.String(32), nullable=True))


def downgrade() -> None:
    op.drop_column("message", "details")

"""The calendars of an account, until somebody has chosen among them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outside_calendar", sa.Column("choices", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("outside_calendar", "choices")

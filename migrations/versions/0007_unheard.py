"""An index of the answers that do not count and that nobody at the desk has dealt with: every page says how many."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

WHERE = sa.text("comment is not null and outcome != 'taken'")


def upgrade() -> None:
    op.create_index("ix_answer_unheard", "answer", ["clinic_id"], sqlite_where=WHERE, postgresql_where=WHERE)


def downgrade() -> None:
    op.drop_index("ix_answer_unheard", "answer")

"""What the front desk needs: passwords and sessions, the life of a visit, the search, the audit."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("clinic_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_kind", sa.String(length=12), nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("object", sa.String(length=60), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", "seq", name=op.f("pk_audit")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_clinic_at", ["clinic_id", "at"], unique=False)
        batch_op.create_index("ix_audit_clinic_object", ["clinic_id", "object", "seq"], unique=False)

    op.create_table(
        "audit_head",
        sa.Column("clinic_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("clinic_id", name=op.f("pk_audit_head")),
    )
    op.create_table(
        "challenge",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_challenge")),
    )
    with op.batch_alter_table("challenge", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_challenge_expires_at"), ["expires_at"], unique=False)

    op.create_table(
        "access",
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("period", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("object", sa.String(length=60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("chained", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_access_clinic_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_access_staff_id")),
        sa.PrimaryKeyConstraint("clinic_id", "period", "staff_id", "object", name=op.f("pk_access")),
    )
    op.create_table(
        "clinic_version",
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["changed_by"], ["staff.id"], name=op.f("fk_clinic_version_changed_by")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_clinic_version_clinic_id")),
        sa.PrimaryKeyConstraint("clinic_id", "revision", name=op.f("pk_clinic_version")),
    )
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=26), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("detail", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.CheckConstraint("detail in ('busy', 'initials', 'names')", name=op.f("ck_feed_detail")),
        sa.CheckConstraint("kind in ('practitioner', 'location', 'room', 'patient')", name=op.f("ck_feed_kind")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_feed_clinic_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        sa.UniqueConstraint("clinic_id", "kind", "subject_id", name=op.f("uq_feed_clinic_id_kind_subject_id")),
        sa.UniqueConstraint("public_id", name=op.f("uq_feed_public_id")),
    )
    op.create_table(
        "imported",
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_imported_clinic_id")),
        sa.PrimaryKeyConstraint("clinic_id", "digest", name=op.f("pk_imported")),
    )
    op.create_table(
        "passkey",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("credential", sa.String(length=1400), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_passkey_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential", name=op.f("uq_passkey_credential")),
    )
    with op.batch_alter_table("passkey", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_passkey_staff_id"), ["staff_id"], unique=False)

    op.create_table(
        "recovery_code",
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_recovery_code_staff_id")),
        sa.PrimaryKeyConstraint("staff_id", "digest", name=op.f("pk_recovery_code")),
    )
    op.create_table(
        "patient_apart",
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("second_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_patient_apart_clinic_id")),
        sa.ForeignKeyConstraint(["first_id"], ["patient.id"], name=op.f("fk_patient_apart_first_id")),
        sa.ForeignKeyConstraint(["second_id"], ["patient.id"], name=op.f("fk_patient_apart_second_id")),
        sa.PrimaryKeyConstraint("clinic_id", "first_id", "second_id", name=op.f("pk_patient_apart")),
    )
    with op.batch_alter_table("patient_apart", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_patient_apart_second_id"), ["second_id"], unique=False)

    op.create_table(
        "patient_key",
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column(
            "key",
            sa.String(length=120).with_variant(sa.String(length=120, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_patient_key_clinic_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk_patient_key_patient_id")),
        sa.PrimaryKeyConstraint("clinic_id", "key", "patient_id", name=op.f("pk_patient_key")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("patient_key", schema=None) as batch_op:
        batch_op.create_index("ix_patient_key_patient", ["patient_id"], unique=False)

    op.create_table(
        "patient_merge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=26), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("kept_id", sa.Integer(), nullable=False),
        sa.Column("merged_id", sa.Integer(), nullable=False),
        sa.Column("visits", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("records", sa.JSON(), nullable=False),
        sa.Column("filled", sa.JSON(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_patient_merge_clinic_id")),
        sa.ForeignKeyConstraint(["kept_id"], ["patient.id"], name=op.f("fk_patient_merge_kept_id")),
        sa.ForeignKeyConstraint(["merged_id"], ["patient.id"], name=op.f("fk_patient_merge_merged_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_patient_merge_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_merge")),
        sa.UniqueConstraint("public_id", name=op.f("uq_patient_merge_public_id")),
    )
    with op.batch_alter_table("patient_merge", schema=None) as batch_op:
        batch_op.create_index("ix_patient_merge_clinic_merged_at", ["clinic_id", "merged_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_patient_merge_kept_id"), ["kept_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_patient_merge_merged_id"), ["merged_id"], unique=False)

    op.create_table(
        "patient_note",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=26), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_patient_note_clinic_id")),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name=op.f("fk_patient_note_patient_id")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_patient_note_staff_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_patient_note")),
        sa.UniqueConstraint("public_id", name=op.f("uq_patient_note_public_id")),
    )
    with op.batch_alter_table("patient_note", schema=None) as batch_op:
        batch_op.create_index("ix_patient_note_patient", ["patient_id", "id"], unique=False)

    op.create_table(
        "answer",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=True),
        sa.Column("appointment_id", sa.Integer(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(length=10), nullable=False),
        sa.Column("sender_role", sa.String(length=12), nullable=True),
        sa.Column("wants", sa.String(length=10), nullable=True),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("comment", sa.LargeBinary(), nullable=True),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointment.id"], name=op.f("fk_answer_appointment_id")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name=op.f("fk_answer_clinic_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
    )
    with op.batch_alter_table("answer", schema=None) as batch_op:
        batch_op.create_index("ix_answer_appointment", ["appointment_id", "id"], unique=False)

    with op.batch_alter_table("appointment", schema=None) as batch_op:
        batch_op.add_column(sa.Column("place", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default="1", nullable=False))
        batch_op.create_index("ix_appointment_clinic_reference", ["clinic_id", "reference"], unique=False)
        batch_op.create_index(
            "ix_appointment_marked",
            ["clinic_id"],
            unique=False,
            sqlite_where=sa.text("needs_desk is not null"),
            postgresql_where=sa.text("needs_desk is not null"),
        )
        batch_op.create_index(
            "ix_appointment_pending",
            ["clinic_id"],
            unique=False,
            sqlite_where=sa.text("status = 'pending'"),
            postgresql_where=sa.text("status = 'pending'"),
        )
        batch_op.create_index("ix_appointment_practitioner_starts", ["practitioner_id", "starts_at"], unique=False)

    with op.batch_alter_table("clinic", schema=None) as batch_op:
        batch_op.add_column(sa.Column("day_sheet", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("declines", sa.String(length=10), server_default="note", nullable=False))
        batch_op.add_column(sa.Column("idle_minutes", sa.Integer(), server_default="30", nullable=False))
        batch_op.add_column(sa.Column("require_second_factor", sa.Boolean(), server_default=sa.false(), nullable=False))

    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("phoned_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("phoned_by", sa.Integer(), nullable=True))
        batch_op.create_index(
            "ix_message_failed",
            ["clinic_id"],
            unique=False,
            sqlite_where=sa.text("state = 'failed' and phoned_at is null"),
            postgresql_where=sa.text("state = 'failed' and phoned_at is null"),
        )
        batch_op.create_foreign_key(batch_op.f("fk_message_phoned_by"), "staff", ["phoned_by"], ["id"])

    with op.batch_alter_table("patient", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("merged_into_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("keys_version", sa.Integer(), server_default="0", nullable=False))
        batch_op.create_index(batch_op.f("ix_patient_merged_into_id"), ["merged_into_id"], unique=False)
        batch_op.create_foreign_key(batch_op.f("fk_patient_merged_into_id"), "patient", ["merged_into_id"], ["id"])

    with op.batch_alter_table("role", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_role_staff_id"), ["staff_id"], unique=False)

    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.add_column(sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("factor_due", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("device", sa.String(length=60), server_default="", nullable=False))

    with op.batch_alter_table("staff", schema=None) as batch_op:
        batch_op.add_column(sa.Column("password", sa.String(length=200), nullable=True))
        batch_op.add_column(sa.Column("totp", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("totp_step", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("staff", schema=None) as batch_op:
        batch_op.drop_column("signed_in_at")
        batch_op.drop_column("totp_step")
        batch_op.drop_column("totp")
        batch_op.drop_column("password")

    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.drop_column("device")
        batch_op.drop_column("factor_due")
        batch_op.drop_column("locked_at")
        batch_op.drop_column("proven_at")

    with op.batch_alter_table("role", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_role_staff_id"))

    with op.batch_alter_table("patient", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_patient_merged_into_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_patient_merged_into_id"))
        batch_op.drop_column("keys_version")
        batch_op.drop_column("merged_into_id")
        batch_op.drop_column("version")

    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_message_phoned_by"), type_="foreignkey")
        batch_op.drop_index(
            "ix_message_failed",
            sqlite_where=sa.text("state = 'failed' and phoned_at is null"),
            postgresql_where=sa.text("state = 'failed' and phoned_at is null"),
        )
        batch_op.drop_column("phoned_by")
        batch_op.drop_column("phoned_at")

    with op.batch_alter_table("clinic", schema=None) as batch_op:
        batch_op.drop_column("require_second_factor")
        batch_op.drop_column("idle_minutes")
        batch_op.drop_column("declines")
        batch_op.drop_column("day_sheet")

    with op.batch_alter_table("appointment", schema=None) as batch_op:
        batch_op.drop_index("ix_appointment_practitioner_starts")
        batch_op.drop_index(
            "ix_appointment_pending",
            sqlite_where=sa.text("status = 'pending'"),
            postgresql_where=sa.text("status = 'pending'"),
        )
        batch_op.drop_index(
            "ix_appointment_marked",
            sqlite_where=sa.text("needs_desk is not null"),
            postgresql_where=sa.text("needs_desk is not null"),
        )
        batch_op.drop_index("ix_appointment_clinic_reference")
        batch_op.drop_column("version")
        batch_op.drop_column("place")

    with op.batch_alter_table("answer", schema=None) as batch_op:
        batch_op.drop_index("ix_answer_appointment")

    op.drop_table("answer")
    with op.batch_alter_table("patient_note", schema=None) as batch_op:
        batch_op.drop_index("ix_patient_note_patient")

    op.drop_table("patient_note")
    with op.batch_alter_table("patient_merge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_merge_merged_id"))
        batch_op.drop_index(batch_op.f("ix_patient_merge_kept_id"))
        batch_op.drop_index("ix_patient_merge_clinic_merged_at")

    op.drop_table("patient_merge")
    with op.batch_alter_table("patient_key", schema=None) as batch_op:
        batch_op.drop_index("ix_patient_key_patient")

    op.drop_table("patient_key")
    with op.batch_alter_table("patient_apart", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_patient_apart_second_id"))

    op.drop_table("patient_apart")
    op.drop_table("recovery_code")
    with op.batch_alter_table("passkey", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_passkey_staff_id"))

    op.drop_table("passkey")
    op.drop_table("imported")
    op.drop_table("feed")
    op.drop_table("clinic_version")
    op.drop_table("access")
    with op.batch_alter_table("challenge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_challenge_expires_at"))

    op.drop_table("challenge")
    op.drop_table("audit_head")
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_clinic_object")
        batch_op.drop_index("ix_audit_clinic_at")

    op.drop_table("audit")

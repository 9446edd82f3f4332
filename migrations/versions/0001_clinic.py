"""Clinics, their actors and services, patients, appointments with the holds that guard them, messages and staff."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clinic",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("website", sa.String(length=500), nullable=True),
        sa.Column("region", sa.String(length=2), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("confirmation", sa.String(length=20), nullable=False),
        sa.Column("request_lapses", sa.Integer(), nullable=False),
        sa.Column("hold_minutes", sa.Integer(), nullable=False),
        sa.Column("minimum_notice", sa.Integer(), nullable=False),
        sa.Column("horizon", sa.Integer(), nullable=False),
        sa.Column("cancellation_notice", sa.Integer(), nullable=False),
        sa.Column("open_visits_per_patient", sa.Integer(), nullable=False),
        sa.Column("notices", sa.String(length=10), nullable=False),
        sa.Column("contact", sa.JSON(), nullable=True),
        sa.Column("privacy", sa.JSON(), nullable=True),
        sa.Column("before_you_come", sa.JSON(), nullable=False),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("board_revision", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clinic"),
        sa.UniqueConstraint("slug", name="uq_clinic_slug"),
    )

    op.create_table(
        "rate",
        sa.Column("bucket", sa.String(length=100), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "window", name="pk_rate"),
    )
    op.create_index("ix_rate_expires_at", "rate", ["expires_at"])

    op.create_table(
        "staff",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_staff"),
        sa.UniqueConstraint("email", name="uq_staff_email"),
    )

    op.create_table(
        "key",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_key_clinic_id"),
        sa.PrimaryKeyConstraint("id", name="pk_key"),
        sa.UniqueConstraint("digest", name="uq_key_digest"),
    )

    op.create_table(
        "location",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", sa.JSON(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("directions", sa.JSON(), nullable=True),
        sa.Column("transit", sa.JSON(), nullable=True),
        sa.Column("parking", sa.JSON(), nullable=True),
        sa.Column("access", sa.JSON(), nullable=True),
        sa.Column("map_url", sa.String(length=500), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_location_clinic_id"),
        sa.PrimaryKeyConstraint("id", name="pk_location"),
        sa.UniqueConstraint("clinic_id", "slug", name="uq_location_clinic_id_slug"),
    )

    op.create_table(
        "patient",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=26), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_patient_clinic_id"),
        sa.PrimaryKeyConstraint("id", name="pk_patient"),
        sa.UniqueConstraint("clinic_id", "identity", name="uq_patient_clinic_id_identity"),
        sa.UniqueConstraint("public_id", name="uq_patient_public_id"),
    )
    op.create_index("ix_patient_clinic_email", "patient", ["clinic_id", "email"])
    op.create_index("ix_patient_clinic_phone", "patient", ["clinic_id", "phone"])

    op.create_table(
        "role",
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.CheckConstraint("role in ('owner', 'front-desk', 'practitioner')", name=op.f("ck_role_role")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_role_clinic_id"),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_role_staff_id"),
        sa.PrimaryKeyConstraint("clinic_id", "staff_id", name="pk_role"),
    )

    op.create_table(
        "service",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.JSON(), nullable=False),
        sa.Column("public_name", sa.JSON(), nullable=True),
        sa.Column("description", sa.JSON(), nullable=True),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("every", sa.Integer(), nullable=False),
        sa.Column("price", sa.JSON(), nullable=True),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("new_patient_stages", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("new_patients", sa.String(length=10), nullable=False),
        sa.Column("first_visit_id", sa.Integer(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_service_clinic_id"),
        sa.ForeignKeyConstraint(["first_visit_id"], ["service.id"], name="fk_service_first_visit_id"),
        sa.PrimaryKeyConstraint("id", name="pk_service"),
        sa.UniqueConstraint("clinic_id", "slug", name="uq_service_clinic_id_slug"),
    )

    op.create_table(
        "session",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_session_staff_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
    )
    op.create_index("ix_session_staff_id", "session", ["staff_id"])

    op.create_table(
        "sign_in_link",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("staff_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_sign_in_link_staff_id"),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_in_link"),
    )

    op.create_table(
        "actor",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("slug", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("location_id", sa.Integer(), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("invites", sa.Boolean(), nullable=False),
        sa.Column("credentials", sa.String(length=200), nullable=True),
        sa.Column("licence", sa.String(length=100), nullable=True),
        sa.Column("about", sa.JSON(), nullable=True),
        sa.Column("conditions", sa.JSON(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('practitioner', 'room')", name=op.f("ck_actor_kind")),
        sa.CheckConstraint("capacity >= 1", name=op.f("ck_actor_capacity")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_actor_clinic_id"),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name="fk_actor_location_id"),
        sa.PrimaryKeyConstraint("id", name="pk_actor"),
        sa.UniqueConstraint("clinic_id", "kind", "slug", name="uq_actor_clinic_id_kind_slug"),
    )

    op.create_table(
        "appointment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public_id", sa.String(length=26), nullable=False),
        sa.Column("reference", sa.String(length=8), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("practitioner_id", sa.Integer(), nullable=False),
        sa.Column("room_id", sa.Integer(), nullable=True),
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("new_patient", sa.Boolean(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("start_time", sa.DateTime(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("waits_for", sa.String(length=10), nullable=True),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("needs_desk", sa.String(length=40), nullable=True),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.Column("remind", sa.Boolean(), nullable=False),
        sa.Column("uid", sa.String(length=100), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("stamped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("link_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_appointment_ends")),
        sa.CheckConstraint("sequence >= 0", name=op.f("ck_appointment_sequence")),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_appointment_clinic_id"),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name="fk_appointment_location_id"),
        sa.ForeignKeyConstraint(["patient_id"], ["patient.id"], name="fk_appointment_patient_id"),
        sa.ForeignKeyConstraint(["practitioner_id"], ["actor.id"], name="fk_appointment_practitioner_id"),
        sa.ForeignKeyConstraint(["room_id"], ["actor.id"], name="fk_appointment_room_id"),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_appointment_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_appointment"),
        sa.UniqueConstraint("public_id", name="uq_appointment_public_id"),
        sa.UniqueConstraint("uid", name="uq_appointment_uid"),
    )
    op.create_index("ix_appointment_clinic_starts", "appointment", ["clinic_id", "starts_at"])
    op.create_index(
        "ix_appointment_lapses",
        "appointment",
        ["lapses_at"],
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index("ix_appointment_patient_starts", "appointment", ["patient_id", "starts_at"])

    op.create_table(
        "available_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=False),
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("opens", sa.Integer(), nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.Column("weeks", sa.Integer(), nullable=False),
        sa.Column("since_on", sa.Date(), nullable=True),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_available_time_actor_id"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_available_time_clinic_id"),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name="fk_available_time_location_id"),
        sa.PrimaryKeyConstraint("id", name="pk_available_time"),
    )
    op.create_index("ix_available_time_clinic_id", "available_time", ["clinic_id"])

    op.create_table(
        "extra_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=False),
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("opens_on", sa.Date(), nullable=False),
        sa.Column("opens", sa.Integer(), nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_extra_time_actor_id"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_extra_time_clinic_id"),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name="fk_extra_time_location_id"),
        sa.PrimaryKeyConstraint("id", name="pk_extra_time"),
    )
    op.create_index("ix_extra_time_clinic_id", "extra_time", ["clinic_id"])

    op.create_table(
        "not_available",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("location_id", sa.Integer(), nullable=True),
        sa.Column("from_time", sa.DateTime(), nullable=False),
        sa.Column("to_time", sa.DateTime(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_not_available_actor_id"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_not_available_clinic_id"),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name="fk_not_available_location_id"),
        sa.PrimaryKeyConstraint("id", name="pk_not_available"),
    )
    op.create_index("ix_not_available_clinic_id", "not_available", ["clinic_id"])

    op.create_table(
        "service_actor",
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_service_actor_actor_id"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_service_actor_clinic_id"),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_service_actor_service_id"),
        sa.PrimaryKeyConstraint("service_id", "actor_id", name="pk_service_actor"),
    )
    op.create_index("ix_service_actor_clinic_id", "service_actor", ["clinic_id"])

    op.create_table(
        "touched",
        sa.Column("actor_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("stop", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["actor_id"], ["actor.id"], name="fk_touched_actor_id"),
        sa.PrimaryKeyConstraint("actor_id", "revision", name="pk_touched"),
    )

    op.create_table(
        "change",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("appointment_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_kind", sa.String(length=12), nullable=False),
        sa.Column("by_id", sa.Integer(), nullable=True),
        sa.Column("old_status", sa.String(length=20), nullable=True),
        sa.Column("new_status", sa.String(length=20), nullable=False),
        sa.Column("what", sa.JSON(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointment.id"], name="fk_change_appointment_id"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_change_clinic_id"),
        sa.PrimaryKeyConstraint("id", name="pk_change"),
    )
    op.create_index("ix_change_appointment", "change", ["appointment_id", "id"])

    op.create_table(
        "hold",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("appointment_id", sa.Integer(), nullable=True),
        sa.Column("session_key", sa.String(length=64), nullable=True),
        sa.Column("service_id", sa.Integer(), nullable=False),
        sa.Column("practitioner_id", sa.Integer(), nullable=False),
        sa.Column("room_id", sa.Integer(), nullable=True),
        sa.Column("location_id", sa.Integer(), nullable=False),
        sa.Column("new_patient", sa.Boolean(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_tick", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(expires_at is null) = (appointment_id is not null)", name=op.f("ck_hold_owner")),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointment.id"], name="fk_hold_appointment_id"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_hold_clinic_id"),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name="fk_hold_location_id"),
        sa.ForeignKeyConstraint(["practitioner_id"], ["actor.id"], name="fk_hold_practitioner_id"),
        sa.ForeignKeyConstraint(["room_id"], ["actor.id"], name="fk_hold_room_id"),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name="fk_hold_service_id"),
        sa.PrimaryKeyConstraint("id", name="pk_hold"),
        sa.UniqueConstraint("appointment_id", name="uq_hold_appointment_id"),
    )
    op.create_index("ix_hold_clinic_session", "hold", ["clinic_id", "session_key"])
    op.create_index("ix_hold_last_tick", "hold", ["last_tick"])

    op.create_table(
        "idempotency",
        sa.Column("clinic_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("body_digest", sa.String(length=64), nullable=False),
        sa.Column("appointment_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointment.id"], name="fk_idempotency_appointment_id"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_idempotency_clinic_id"),
        sa.PrimaryKeyConstraint("clinic_id", "scope", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])

    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("clinic_id", sa.Integer(), nullable=True),
        sa.Column("appointment_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("method", sa.String(length=10), nullable=True),
        sa.Column("address", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("facts", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.String(length=120), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("error", sa.String(length=300), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state in ('queued', 'sent', 'failed', 'superseded')", name=op.f("ck_message_state")),
        sa.ForeignKeyConstraint(["appointment_id"], ["appointment.id"], name="fk_message_appointment_id"),
        sa.ForeignKeyConstraint(["clinic_id"], ["clinic.id"], name="fk_message_clinic_id"),
        sa.PrimaryKeyConstraint("id", name="pk_message"),
        sa.UniqueConstraint("message_id", name="uq_message_message_id"),
    )
    op.create_index("ix_message_appointment", "message", ["appointment_id", "id"])
    op.create_index(
        "ix_message_due",
        "message",
        ["due_at"],
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )

    op.create_table(
        "hold_tick",
        sa.Column("clinic_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("actor_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tick", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("seat", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("hold_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"], name="fk_hold_tick_hold_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clinic_id", "actor_id", "tick", "seat", name="pk_hold_tick"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_hold_tick_hold", "hold_tick", ["hold_id"])
    op.create_index(
        "ix_hold_tick_provisional",
        "hold_tick",
        ["clinic_id", "expires_at"],
        sqlite_where=sa.text("expires_at is not null"),
        postgresql_where=sa.text("expires_at is not null"),
    )


def downgrade() -> None:
    op.drop_table("hold_tick")
    op.drop_table("message")
    op.drop_table("idempotency")
    op.drop_table("hold")
    op.drop_table("change")
    op.drop_table("touched")
    op.drop_table("service_actor")
    op.drop_table("not_available")
    op.drop_table("extra_time")
    op.drop_table("available_time")
    op.drop_table("appointment")
    op.drop_table("actor")
    op.drop_table("sign_in_link")
    op.drop_table("session")
    op.drop_table("service")
    op.drop_table("role")
    op.drop_table("patient")
    op.drop_table("location")
    op.drop_table("key")
    op.drop_table("staff")
    op.drop_table("rate")
    op.drop_table("clinic")

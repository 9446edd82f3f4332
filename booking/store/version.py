"""Earlier settings of clinics: what was before each change, as a clinic file says it, so that changes can be undone."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from booking.store.base import Base, db

KEPT = 50  # of each clinic, the newest


class ClinicVersion(Base):
    __tablename__ = "clinic_version"

    clinic_id: Mapped[int] = mapped_column(sa.ForeignKey("clinic.id"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)  # the last one at which the settings were like this
    file: Mapped[str] = mapped_column(sa.Text)  # staff left out
    changed_at: Mapped[datetime]
    changed_by: Mapped[int | None] = mapped_column(sa.ForeignKey("staff.id"))  # None: by command


def keep(clinic_id: int, revision: int, file: str, *, staff_id: int | None, now: datetime) -> None:
    """Remember what the settings were at this revision, which somebody changes now; forget the oldest."""
    db.session.add(
        ClinicVersion(clinic_id=clinic_id, revision=revision, file=file, changed_at=now, changed_by=staff_id)
    )
    db.session.execute(
        sa.delete(ClinicVersion).where(ClinicVersion.clinic_id == clinic_id, ClinicVersion.revision <= revision - KEPT)
    )


def find(clinic_id: int, revision: int) -> ClinicVersion | None:
    """The settings as they were at this revision, until somebody changed them; None if that is not known."""
    return db.session.get(ClinicVersion, (clinic_id, revision))

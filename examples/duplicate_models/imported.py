"""Users of the old system; written by somebody else, a year later."""

from examples.duplicate_models.models import Base
from sqlalchemy.orm import Mapped, mapped_column


class User(Base):
    """Someone who could log in once."""

    __tablename__ = "imported_users"

    id: Mapped[int] = mapped_column(primary_key=True)

"""What has been written? Lines, the newest first."""

from sqlalchemy import String, delete, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from resilient_auth import GuardedRegistry, run_in_transaction


class Base(DeclarativeBase):
    """The one base; a second class of a name is refused when it is defined."""

    registry = GuardedRegistry()


class Line(Base):
    """What somebody wrote."""

    __tablename__ = "lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    author: Mapped[str] = mapped_column(String(256))
    text: Mapped[str] = mapped_column(String(200))


class Lines:
    """The lines in the database."""

    def __init__(self, rows: sessionmaker[Session]) -> None:
        self._rows = rows

    def newest(self) -> list[str]:
        """Return the last twenty, each with its author."""
        with self._rows() as session:
            found = session.scalars(select(Line).order_by(Line.id.desc()).limit(20))
            return [f"{each.author}: {each.text}" for each in found]

    def add(self, author: str, text: str) -> None:
        """Keep what *author* wrote."""

        def write(session: Session) -> None:
            session.add(Line(author=author, text=text))

        run_in_transaction(self._rows, write)

    def clear(self) -> None:
        """Forget everything."""
        with self._rows.begin() as session:
            session.execute(delete(Line))

"""The tables as PostgreSQL keeps them, whichever way they were made."""

import pytest
import sqlalchemy as sa

from resilient_auth import SQLAlchemyStore
from resilient_auth.stores.sqlalchemy import metadata

OPTIONS = sa.text("SELECT reloptions FROM pg_class WHERE relname = 'ra_sessions'")


@pytest.mark.parametrize("way", ["create_schema", "create_all"])
def test_a_rotation_has_room_in_its_page(way: str, postgres: sa.URL) -> None:
    """The new version of a row is written beside the old one, without an index."""
    engine = sa.create_engine(postgres.set(drivername="postgresql+psycopg"))
    metadata.drop_all(engine)
    if way == "create_schema":
        SQLAlchemyStore(engine).create_schema()
    else:
        metadata.create_all(engine)
    with engine.connect() as connection:
        found = connection.scalar(OPTIONS)
    metadata.drop_all(engine)
    engine.dispose()

    assert ["fillfactor=80"] == found


def test_what_an_administrator_chose_stays(postgres: sa.URL) -> None:
    """The schema is asked for at each start, and changes nothing that is there."""
    engine = sa.create_engine(postgres.set(drivername="postgresql+psycopg"))
    metadata.drop_all(engine)
    store = SQLAlchemyStore(engine)
    store.create_schema()
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE ra_sessions SET (fillfactor = 70)"))
    store.create_schema()
    with engine.connect() as connection:
        found = connection.scalar(OPTIONS)
    metadata.drop_all(engine)
    engine.dispose()

    assert ["fillfactor=70"] == found

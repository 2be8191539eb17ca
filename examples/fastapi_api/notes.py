"""What can be done with notes? Each rule is one dependency."""

from collections.abc import Sequence
from typing import Annotated

from examples.fastapi_api.users import Base
from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import String, delete, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Mapped, mapped_column

from resilient_auth import FastAPIAuth, Principal, Refused
from resilient_auth.web.openapi import problem_responses


class Note(Base):
    """A row; *owner* is the subject of the session that wrote it."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(256), index=True)
    text: Mapped[str] = mapped_column(String(1000))


class NoteText(BaseModel):
    """What is sent."""

    text: str = Field(min_length=1, max_length=1000)


class NoteRow(NoteText):
    """What is answered."""

    model_config = ConfigDict(from_attributes=True)
    id: int


def notes_router(api: FastAPIAuth, rows: async_sessionmaker[AsyncSession]) -> APIRouter:
    """Return the routes, to be included at ``/api/notes``."""
    router = APIRouter()
    anybody = Annotated[Principal, Depends(api.principal)]
    writer = Annotated[Principal, Depends(api.required(scopes=["notes:write"]))]
    lately = Annotated[Principal, Depends(api.required(recent=300))]

    @router.get("", response_model=list[NoteRow])
    async def list_notes(who: anybody) -> Sequence[Note]:
        async with rows() as session:
            own = select(Note).where(Note.owner == who.subject).order_by(Note.id)
            return (await session.scalars(own)).all()

    unread = {400: {"description": "The body is no JSON."}}

    @router.post("", status_code=201, response_model=NoteRow, responses=unread)
    async def add_note(who: writer, said: NoteText) -> Note:
        async with rows.begin() as session:
            note = Note(owner=who.subject, text=said.text)
            session.add(note)
        return note

    @router.delete("/{note_id}", status_code=204, responses=problem_responses([404]))
    async def delete_note(
        who: writer, note_id: Annotated[int, Path(ge=1, le=2**31)]
    ) -> None:
        own = delete(Note).where(Note.owner == who.subject, Note.id == note_id)
        async with rows.begin() as session:
            deleted = (await session.scalars(own.returning(Note.id))).all()
        if not deleted:
            raise Refused("not_found", "You have no such note.")

    @router.delete("", status_code=204)
    async def delete_all(who: lately) -> None:
        """Delete everything: only minutes after the password was typed."""
        async with rows.begin() as session:
            await session.execute(delete(Note).where(Note.owner == who.subject))

    return router

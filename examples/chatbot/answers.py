"""
Who writes an answer? A task of its own, which outlives the request that asked.

A page may reload, lose its connection or be logged out in mid-sentence: the answer is
written to its end all the same, and whoever asks again follows it from its start. What
came is stored every second, so that not even a killed server forgets a half answer.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from examples.chatbot.conversations import Conversations, Question
from examples.chatbot.excuses import excuse, provenance
from examples.chatbot.feed import Feed
from examples.chatbot.llm import SAID, ChatModels, Piece
from examples.chatbot.models import COMPLETE, DEGRADED, INTERRUPTED, STREAMING

from resilient_auth import AsyncAnswerStream, StreamInterrupted, Unavailable, classify

_STORE_EVERY = 1.0  # seconds
_TRIES = 12  # to store an end; with the waits, longer than the demo's own outage


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How an answer ended: its *status*, and a *note* for the reader."""

    status: str
    note: str = ""


class Answer:
    """An answer as it is written; any number of readers follow it from its start."""

    def __init__(self, text: str = "", end: End | None = None) -> None:
        self._pieces = [text] if text else []
        self._news = asyncio.Event()
        self.end = end

    @property
    def text(self) -> str:
        """Return what was written so far."""
        return "".join(self._pieces)

    def add(self, piece: str) -> None:
        """Write one more *piece*."""
        self._pieces.append(piece)
        self._tell()

    def finish(self, end: End) -> None:
        """Say that nothing more comes."""
        self.end = end
        self._tell()

    async def follow(self) -> AsyncIterator[str]:
        """Yield the pieces, the old ones first, until the answer has ended."""
        seen = 0
        while True:
            news = self._news
            while seen < len(self._pieces):
                yield self._pieces[seen]
                seen += 1
            if self.end is not None:
                return
            await news.wait()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


class Answers:
    """The answers that are being written; belongs to one event loop."""

    def __init__(
        self, conversations: Conversations, models: ChatModels, feed: Feed
    ) -> None:
        self._conversations = conversations
        self._models = models
        self._feed = feed
        self._running: dict[tuple[str, str], Answer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False

    async def answer(self, question: Question) -> Answer:
        """
        Return the answer to *question*: the running one, a complete one, or a new try.

        Raises `Unavailable` when the database cannot take it.
        """
        name = (question.conversation_id, question.key)
        if name in self._running:
            return self._running[name]
        stored = await self._conversations.answer_to(question)
        if stored is not None and stored[1] == COMPLETE:
            return Answer(stored[0], End(status=COMPLETE))
        if name not in self._running:  # still: another request may have been quicker
            self._running[name] = Answer()
            task = asyncio.create_task(self._write(question, self._running[name]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return self._running[name]

    async def close(self) -> None:
        """Interrupt what is being written, and store it."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _write(self, question: Question, answer: Answer) -> None:
        end = End(status=INTERRUPTED, note="The answer was cut short.")
        try:
            end = await self._compose(question, answer)
        finally:
            answer.finish(end)
            await self._keep(question, answer)
            del self._running[question.conversation_id, question.key]

    async def _compose(self, question: Question, answer: Answer) -> End:
        """Ask the models, and say how it ended; whatever fails, the chat goes on."""
        try:
            async with self._models.stream(question.history) as pieces:
                await self._pass_on(question, answer, pieces)
        except StreamInterrupted:
            note = "The model stopped in mid-sentence. What came is kept."
            return End(status=INTERRUPTED, note=note)
        except Exception as error:
            verdict = classify(error)
            if verdict.kind == "bug":
                raise
            answer.add(excuse(verdict.kind))
            self._feed.note("answer_degraded")
            return End(status=DEGRADED)
        return self._end(pieces)

    def _end(self, pieces: AsyncAnswerStream[Piece]) -> End:
        """Say honestly who spoke: a model, an earlier answer, or nobody."""
        is_model = pieces.served_by in self._models.names
        if pieces.served_by == SAID:
            self._feed.note("answer_degraded")
        note = provenance(
            pieces.served_by,
            pieces.stale_for,
            pieces.failures,
            self._models.circuits(),
        )
        return End(status=COMPLETE if is_model else DEGRADED, note=note)

    async def _pass_on(
        self, question: Question, answer: Answer, pieces: AsyncAnswerStream[Piece]
    ) -> None:
        """Pass the words on; storing them never holds them up."""
        await self._store(question, answer)
        clock = asyncio.get_running_loop().time
        stored_at, storing = clock(), None
        try:
            async for piece in pieces:
                answer.add(piece.text)
                if clock() - stored_at > _STORE_EVERY and (
                    storing is None or storing.done()
                ):
                    stored_at = clock()
                    storing = asyncio.create_task(self._store(question, answer))
        finally:
            if storing is not None:
                await storing

    async def _keep(self, question: Question, answer: Answer) -> None:
        """Store how it ended, also through an outage of some seconds."""
        attempts = 1 if self._closing else _TRIES
        if not await self._store(question, answer, attempts=attempts):
            self._feed.note("answer_not_stored")

    async def _store(
        self, question: Question, answer: Answer, *, attempts: int = 1
    ) -> bool:
        """Store what came so far; say whether the database took it."""
        status = STREAMING if answer.end is None else answer.end.status
        try:
            await self._conversations.write_answer(
                question, answer.text, status, attempts=attempts
            )
        except Unavailable:
            return False
        return True

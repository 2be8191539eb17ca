"""`Auth` and `AsyncAuth` are one text: strip ``await`` and they are equal."""

import ast
import re
from pathlib import Path

from resilient_auth.auth import sessions
from resilient_auth.stores import base, redis, sqlalchemy

#: What only the asynchronous twin says: its names, and what it takes besides.
ASYNC_WORDS = (
    r"as_async_|(?<=redis\.)asyncio\.|OnRefresh \| (?=Async)|\bAsync"
    r"| \| MemoryStore(?= \| None)"
)


class StripAwait(ast.NodeTransformer):
    """Turn asynchronous syntax into its synchronous twin, docstrings dropped."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        """Make ``async def`` a ``def``."""
        plain = ast.FunctionDef(**{name: getattr(node, name) for name in node._fields})
        return self.generic_visit(ast.copy_location(plain, node))

    def visit_Await(self, node: ast.Await) -> ast.AST:
        """Drop ``await``."""
        return self.visit(node.value)


def text_of(module: object, name: str) -> str:
    """Return the class *name* of *module* without asynchrony and docstrings."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    for node in ast.walk(found):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = node.body[ast.get_docstring(node) is not None :]
    text = ast.unparse(StripAwait().visit(found))
    return re.sub(ASYNC_WORDS, strip, text)


def verbs_of(module: object, name: str, *, but: set[str]) -> dict[str, str]:
    """Return the text of each verb of the class *name*, *but* for some."""
    (found,) = ast.parse(text_of(module, name)).body
    return {
        verb.name: ast.unparse(verb)
        for verb in found.body
        if isinstance(verb, ast.FunctionDef) and verb.name not in but
    }


def strip(match: re.Match[str]) -> str:
    """Return the synchronous twin of one word."""
    return "as_" if match[0] == "as_async_" else ""


def test_auth_twins_are_one_text() -> None:
    """Twins written by hand drift; in one library 10 of 20 methods had."""
    assert text_of(sessions, "Auth") == text_of(sessions, "AsyncAuth")


def test_store_protocols_are_one_text() -> None:
    """A verb that only one kind of store had would split the shells."""
    assert text_of(base, "SessionStore") == text_of(base, "AsyncSessionStore")


def test_redis_stores_are_one_text() -> None:
    """Which step comes first is what a crash is survived by; it is said twice."""
    assert text_of(redis, "RedisStore") == text_of(redis, "AsyncRedisStore")


def test_sql_stores_are_one_text() -> None:
    """But for how they are built and where they meet their engine."""
    differ = {"__init__", "create_schema", "_run"}
    plain, twin = (
        verbs_of(sqlalchemy, name, but=differ)
        for name in ("SQLAlchemyStore", "AsyncSQLAlchemyStore")
    )

    assert plain == twin
    assert "self._run(PURGE_ENDED, said)" in plain["purge"]


def test_the_comparison_can_fail() -> None:
    """A transformer that strips too much would prove nothing."""
    assert text_of(sessions, "Auth") != text_of(base, "SessionStore")
    assert "self._store.rotate" in text_of(sessions, "AsyncAuth")

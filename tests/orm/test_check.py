"""`ModelCheck`: readiness is red until the models were found sound, once."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.orm.conftest import Modules
from tests.orm.test_guard import BASE, FROM_BASE, user

from resilient_auth import ConfigError, Health, ModelCheck
from resilient_auth.testing import FrozenClock

POST = """
from sqlalchemy import ForeignKey
class Post(Base):
    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user = relationship("Usr")
"""
COUNTED = """
import base
base.counted = getattr(base, "counted", 0) + 1
"""


async def shown(*checks: ModelCheck) -> tuple[int, bytes]:
    """Return what readiness shows of *checks*."""
    answer = await Health(checks, clock=FrozenClock()).ready()
    return answer.status, answer.body


def test_sound_models_are_ready(modules: Modules) -> None:
    """Nothing has to be asked twice for it."""
    base = modules.load("base", BASE).Base
    modules.write("one", FROM_BASE + user("users"))
    status, body = asyncio.run(shown(ModelCheck(base, packages=["one"])))

    assert (200, b'{"status":"pass","checks":{"models":[{"status":"pass"}]}}') == (
        status,
        body,
    )


def test_unsound_models_are_never_ready(modules: Modules) -> None:
    """The public body says no name; the reason tells the kinds of faults."""
    base = modules.load("base", BASE).Base
    modules.write("one", FROM_BASE + user("users") + POST)
    check = ModelCheck(base, packages=["one"], name="orm")
    status, body = asyncio.run(shown(check))

    assert (503, b'{"status":"fail","checks":{"orm":[{"status":"fail"}]}}') == (
        status,
        body,
    )
    assert "unresolved_name" == asyncio.run(check.arun()).reason
    with pytest.raises(ConfigError, match="'Usr'"):
        check.require()


def test_who_asks_at_once_has_one_answer(modules: Modules) -> None:
    """Modules are imported by one thread; the others wait for it."""
    base = modules.load("base", BASE)
    modules.write("one", FROM_BASE + COUNTED + user("users"))
    check = ModelCheck(base.Base, packages=["one"])
    with ThreadPoolExecutor(8) as threads:
        reports = list(threads.map(lambda _: check.report(), range(8)))

    assert 1 == base.counted
    assert all(each is reports[0] for each in reports)


def test_a_module_that_asks_while_it_is_imported_is_told(modules: Modules) -> None:
    """The thread that would answer is the one that asks; it cannot wait for itself."""
    base = modules.load("app.base", BASE).Base
    base.check = ModelCheck(base, packages=["app"])
    site = "from app.base import Base\nBase.check.require()\n"
    file = modules.write("app.site", site)
    (finding,) = base.check.report().errors

    assert ("import_failed", str(file), 2) == (
        finding.code,
        finding.file,
        finding.line,
    )
    assert "ConfigError: A module asks the check 'models'" in finding.text


@pytest.mark.parametrize(
    ("base", "settings", "said"),
    [
        ("Base", {}, "base"),
        (None, {}, "base"),
        (object, {"packages": "app"}, "packages"),
        (object, {"packages": [""]}, "packages"),
        (object, {"name": ""}, "name"),
        (object, {"timeout": 0}, "timeout"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    base: Any, settings: dict[str, Any], said: str
) -> None:
    """When it is built, and not when the first probe comes."""
    with pytest.raises(ConfigError, match=said):
        ModelCheck(base, **settings)

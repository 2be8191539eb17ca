"""The service that only verifies knows who calls, from the keys of a real issuer."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from examples.fastapi_api import app as notes
from examples.verify_only_service import app as words
from fastapi.testclient import TestClient
from tests.servers import uvicorn_serving

from resilient_auth.cli.commands import resilient_auth

ANN = {"username": "ann", "password": "correct horse", "transport": "bearer"}
TEXT = {"text": "to be or not to be"}


@pytest.fixture
def issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield the origin of a notes API that signs with a key pair."""
    file = tmp_path / "keys.json"
    made = CliRunner().invoke(resilient_auth, ["keys", "generate", str(file)])
    assert 0 == made.exit_code, made.output
    monkeypatch.setenv("AUTH_KEYS", file.read_text())

    def make(port: int) -> Any:
        database = f"sqlite+aiosqlite:///{tmp_path}/notes.db"
        return notes.create_app(notes.Settings(port=port, database=database))

    with uvicorn_serving(make) as port:
        yield f"http://localhost:{port}"


@pytest.fixture
def service(issuer: str) -> Iterator[TestClient]:
    """Yield a client of the service that trusts *issuer*."""
    with TestClient(words.create_app(words.Settings(issuer=issuer))) as client:
        yield client


def token_of(issuer: str, name: str) -> dict[str, str]:
    """Return the header that carries the token of *name*, who logs in for it."""
    said = httpx.post(f"{issuer}/api/auth/login", json=ANN | {"username": name})
    return {"Authorization": f"Bearer {said.json()['access_token']}"}


def test_who_logged_in_elsewhere_is_known_here(
    issuer: str, service: TestClient
) -> None:
    """The keys are fetched once, with the first token."""
    ann, bob = token_of(issuer, "ann"), token_of(issuer, "bob")

    counted = service.post("/count", json=TEXT, headers=ann)
    assert {"words": 6, "asked_by": "ann"} == counted.json()
    assert "1 keys" in service.get("/keys", headers=ann).json()
    refused = service.get("/keys", headers=bob)
    assert (403, "permission_denied") == (refused.status_code, refused.json()["code"])


def test_what_is_no_token_of_the_issuer_is_refused(
    issuer: str, service: TestClient
) -> None:
    """Each with its own reason, in a problem body with its challenge."""
    good = token_of(issuer, "ann")["Authorization"]
    for header, code in (
        ("", "token_missing"),
        ("Basic YW5uOng=", "token_missing"),
        (good[:-4] + "AAAA", "token_invalid"),
    ):
        refused = service.post("/count", json=TEXT, headers={"Authorization": header})

        assert (401, code) == (refused.status_code, refused.json()["code"])
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert "application/problem+json" == refused.headers["Content-Type"]


def test_an_issuer_that_is_away_is_nobodys_fault(issuer: str) -> None:
    """Without keys nothing can be believed, and nobody is told to log in again."""
    token = token_of(issuer, "ann")
    away = words.Settings(issuer="http://localhost:9")  # discard: nothing listens
    with TestClient(words.create_app(away)) as client:
        refused = client.post("/count", json=TEXT, headers=token)

    assert (503, "retry") == (refused.status_code, refused.json()["action"])
    assert 0 < int(refused.headers["Retry-After"])

"""The FastAPI example does what its page says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples.fastapi_api.app import Settings, create_app
from fastapi.testclient import TestClient

HEADERS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a database of their own."""
    return Settings(database=f"sqlite+aiosqlite:///{tmp_path}/notes.db")


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """Yield a browser on the API's own page."""
    with TestClient(
        create_app(settings), base_url=settings.address, headers=HEADERS
    ) as client:
        yield client


def log_in(client: TestClient, name: str = "ann") -> dict[str, Any]:
    """Log in as *name*, and return what the page is told."""
    said = {"username": name, "password": "correct horse"}
    response = client.post("/api/auth/login", json=said)

    assert 200 == response.status_code, response.text
    body: dict[str, Any] = response.json()
    return body


def test_a_day_with_notes(client: TestClient) -> None:
    """Log in, write, read, delete, log out; the cookies do the rest."""
    log_in(client)
    written = client.post("/api/notes", json={"text": "milk"}).json()

    assert {"id": written["id"], "text": "milk"} == written
    assert [written] == client.get("/api/notes").json()
    assert 204 == client.delete(f"/api/notes/{written['id']}").status_code
    assert "not_found" == client.delete(f"/api/notes/{written['id']}").json()["code"]
    client.post("/api/auth/logout")
    assert "token_missing" == client.get("/api/notes").json()["code"]


def test_a_reader_of_german_is_told_in_german(client: TestClient) -> None:
    """And everybody else in English."""
    german = client.get("/api/notes", headers={"Accept-Language": "de-CH"})
    other = client.get("/api/notes", headers={"Accept-Language": "fr"})

    assert "Sie sind nicht angemeldet." == german.json()["title"]
    assert "You are not logged in." == other.json()["title"]
    assert german.json()["code"] == other.json()["code"]


def test_notes_are_their_owners(client: TestClient) -> None:
    """Another user sees none, deletes none, and without the scope writes none."""
    log_in(client)
    mine = client.post("/api/notes", json={"text": "mine"}).json()["id"]
    log_in(client, "bob")

    assert [] == client.get("/api/notes").json()
    for refused in (
        client.post("/api/notes", json={"text": "x"}),
        client.delete(f"/api/notes/{mine}"),
    ):
        assert "permission_denied" == refused.json()["code"]
    assert 204 == client.delete("/api/notes").status_code
    log_in(client)
    assert ["mine"] == [each["text"] for each in client.get("/api/notes").json()]


def test_a_foreign_page_writes_nothing(client: TestClient) -> None:
    """It rides on the cookie, and is refused."""
    log_in(client)
    response = client.post(
        "/api/notes", json={"text": "x"}, headers={"Sec-Fetch-Site": "cross-site"}
    )

    assert (403, "csrf_failed") == (response.status_code, response.json()["code"])


def test_sessions_and_notes_survive_a_restart(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With keys from the environment, as in production."""
    monkeypatch.setenv(
        "AUTH_KEYS", "k1:HS256:b6wqmQ0HkVrRD0ujc3eQ1mDLu3Jd6f2Gx3Rk5cQpJ8Y="
    )
    with TestClient(
        create_app(settings), base_url=settings.address, headers=HEADERS
    ) as before:
        log_in(before)
        before.post("/api/notes", json={"text": "milk"})
        cookies = before.cookies
    with TestClient(
        create_app(settings),
        base_url=settings.address,
        headers=HEADERS,
        cookies=cookies,
    ) as after:
        assert ["milk"] == [each["text"] for each in after.get("/api/notes").json()]


def test_probes_and_documents_are_served(client: TestClient) -> None:
    """The health of the database, and a page that knows how to log in."""
    assert 200 == client.get("/readyz").status_code
    assert 200 == client.get("/docs").status_code
    schemes = client.get("/openapi.json").json()["components"]["securitySchemes"]
    assert "ra_access" == schemes["session_cookie"]["name"]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or are those of a developer's machine."""
    monkeypatch.setenv("PORT", "8123")
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite://")

    assert Settings(port=8123, database="sqlite+aiosqlite://") == Settings.from_env()
    assert "http://localhost:8123" == Settings.from_env().address

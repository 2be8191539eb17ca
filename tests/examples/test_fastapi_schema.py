"""
Does the FastAPI example keep its own document? Asked by schemathesis, bounded.

Requests are generated from the OpenAPI document, fitting ones and unfit ones, with and
without a session: no answer is a 500, and none has a status, a media type or a body
that the document does not know.
"""

from collections.abc import Iterator
from functools import partial

import pytest
import schemathesis
from examples.fastapi_api.app import Settings, create_app
from fastapi.testclient import TestClient
from hypothesis import given, settings
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.specs.openapi import checks

Asked = tuple[BaseSchema, list[TestClient]]

PAGE = {"Sec-Fetch-Site": "same-origin"}
#: "Plain characters" is finer than what a schema says, and a good header that we send
#: ourselves is taken for a generated one.
NOT_MEANT = [checks.positive_data_acceptance, checks.ignored_auth]
DOCUMENT = create_app(Settings(database="sqlite+aiosqlite://")).openapi()
ASKED = [
    pytest.param(path, method.upper(), mode, id=f"{method} {path} {mode.value}")
    for path, methods in DOCUMENT["paths"].items()
    for method, said in methods.items()
    for mode in GenerationMode
    # What takes nothing can be sent nothing that is wrong.
    if mode is GenerationMode.POSITIVE or {"parameters", "requestBody"} & said.keys()
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Yield the document, and an anonymous client and one that is logged in."""
    folder = tmp_path_factory.mktemp("notes")
    chosen = Settings(database=f"sqlite+aiosqlite:///{folder}/notes.db")
    app = create_app(chosen)
    make = partial(
        TestClient,
        app,
        base_url=chosen.address,
        raise_server_exceptions=False,  # a 500 is what is looked for
    )
    with make() as anonymous:
        said = {"username": "ann", "password": "correct horse", "transport": "bearer"}
        token = anonymous.post("/api/auth/login", json=said).json()["access_token"]
        ann = make(headers={"Authorization": f"Bearer {token}"})
        yield schemathesis.openapi.from_asgi("/openapi.json", app), [anonymous, ann]


@pytest.mark.parametrize(("path", "method", "mode"), ASKED)
def test_no_answer_is_undocumented(
    path: str, method: str, mode: GenerationMode, asked: Asked
) -> None:
    """Clients are generated from the document, and believe it."""
    schema, clients = asked
    cases = schema[path][method].as_strategy(mode)

    @settings(max_examples=15, deadline=None)
    @given(cases)
    def ask(case: Case) -> None:
        for client in clients:
            response = case.call(session=client, headers=PAGE)
            case.validate_response(response, excluded_checks=NOT_MEANT)

    ask()

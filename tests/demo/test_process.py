"""The demo as a program: it starts or says why not, and leaves nothing behind."""

import contextlib
import errno
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import psutil
import pytest
import sqlalchemy as sa
from examples.chatbot import program

from tests.stores.victims import PostgreSQL

ROOT = Path(__file__).parent.parent.parent
DEMO_USER = {"username": "demo", "password": "correct horse battery"}


class Program:
    """The demo in a process group of its own, as a shell would start it."""

    def __init__(self, data: Path, **environment: str) -> None:
        self._environment = {
            "PORT": "0",
            "DEMO_DATA": str(data),
            "DEMO_DATABASE_URL": "",
            "OPENAI_API_KEY": "",
            "DEMO_PACE": "0",
        } | environment
        self._process: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self, **environment: str) -> None:
        """Start it, on its former port if it had one, and wait for its address."""
        self._environment |= environment
        self._process = start(self._environment)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip().startswith("http://"):
                self.address = line.strip()
                self._environment["PORT"] = self.address.rpartition(":")[2]
                return
        raise AssertionError("The demo ended before it was ready.")

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send a signal to the whole group, as Ctrl-C does; return the exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        os.killpg(process.pid, how)
        process.communicate(timeout=30)
        assert not is_alive(process.pid)
        return process.returncode

    def kill(self) -> None:
        """Kill it without a chance to clean up."""
        process, self._process = self._process, None
        assert process is not None
        process.kill()
        process.communicate(timeout=30)


def start(environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    """Start the demo with *environment*."""
    return subprocess.Popen(
        [sys.executable, "-m", "examples.chatbot"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def is_alive(group: int) -> bool:
    """Say whether any process of *group* is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Program]:
    """Return the demo, to be started; ended afterwards, whatever happened."""
    program = Program(tmp_path / "data")
    yield program
    program.end()


@pytest.fixture
def page() -> Iterator[httpx2.Client]:
    """Return a browser as far as the server can tell: cookies and fetch metadata."""
    with httpx2.Client(headers={"Sec-Fetch-Site": "same-origin"}, timeout=30) as client:
        yield client


def log_in(page: httpx2.Client, demo: Program) -> None:
    """Log in as the user that the demo prints."""
    answer = page.post(f"{demo.address}/api/auth/login", json=DEMO_USER)

    assert answer.status_code == 200


def say(
    page: httpx2.Client,
    demo: Program,
    text: str,
    key: str,
    conversation: str = "c" * 8,
) -> dict[str, object]:
    """Say *text* and return how the answer ended, its text included."""
    said = {"conversation": conversation, "key": key, "text": text}
    answer = page.post(f"{demo.address}/api/chat", json=said)
    events = [
        json.loads(line.removeprefix("data: "))
        for line in answer.text.splitlines()
        if line.startswith("data: ")
    ]
    text = "".join(str(event.get("text", "")) for event in events)
    return {**events[-1], "text": text}


def messages(page: httpx2.Client, demo: Program) -> list[dict[str, str]]:
    """Return what is stored of the conversation."""
    found = page.get(f"{demo.address}/api/conversations/{'c' * 8}")
    stored: list[dict[str, str]] = found.json()["messages"]
    return stored


def events(page: httpx2.Client, demo: Program) -> list[dict[str, str]]:
    """Return what the feed tells."""
    found: list[dict[str, str]] = page.get(f"{demo.address}/demo/events").json()[
        "events"
    ]
    return found


class TestStart:
    """It starts, or says in a sentence why it cannot."""

    @pytest.mark.parametrize(
        ("family", "host"),
        [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")],
        ids=["IPv4", "IPv6"],
    )
    def test_a_port_in_use_says_so(
        self, tmp_path: Path, family: socket.AddressFamily, host: str
    ) -> None:
        """Half of "localhost" taken is taken: a browser may choose either."""
        try:
            other = socket.create_server((host, 0), family=family)
        except OSError:
            pytest.skip(f"this machine has no {host}")
        with other:
            port = str(other.getsockname()[1])
            process = start({"PORT": port, "DEMO_DATA": str(tmp_path)})
            said, complained = process.communicate(timeout=30)

        assert process.returncode == 1
        assert said == ""
        assert f"Port {port} is in use" in complained
        assert "PORT=" in complained
        assert "Traceback" not in complained
        assert not is_alive(process.pid)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "eighty"),
            ("PORT", "65536"),
            ("DEMO_PACE", "-1"),
            ("DEMO_PACE", "nan"),
            ("DEMO_DATA", "/dev/null"),
            ("DEMO_DATABASE_URL", "postgresql+asyncpg://ann:secret@127.0.0.1:1/x"),
            ("DEMO_DATABASE_URL", "no address"),
            ("DEMO_DATABASE_URL", "postgresql+asyncpg://ann:secret@127.0.0.1:x/x"),
            ("DEMO_DATABASE_URL", "postgresql+psycopg2://ann:secret@127.0.0.1:1/x"),
            ("DEMO_DATABASE_URL", "mysql+aiomysql://ann:secret@127.0.0.1:1/x"),
            ("DEMO_DATABASE_URL", "sqlite:///no-async-driver.db"),
        ],
    )
    def test_an_unfit_environment_says_so(
        self, tmp_path: Path, name: str, value: str
    ) -> None:
        """One sentence instead of a traceback, and no password in it."""
        fit = {"PORT": "0", "DEMO_DATA": str(tmp_path), "DEMO_DATABASE_URL": ""}
        process = start(fit | {name: value})
        _, complained = process.communicate(timeout=30)

        assert process.returncode == 1
        assert complained.startswith("The demo cannot start.")
        assert 1 == complained.count("\n")
        assert "secret" not in complained

    def test_a_file_that_is_no_database_says_so(self, tmp_path: Path) -> None:
        """In one line, without the statement that failed first."""
        (tmp_path / "chatbot.db").write_bytes(b"no database" * 100)
        fit = {"PORT": "0", "DEMO_DATA": str(tmp_path), "DEMO_DATABASE_URL": ""}
        process = start(fit)
        _, complained = process.communicate(timeout=30)

        assert process.returncode == 1
        assert complained.endswith("file is not a database\n")
        assert 1 == complained.count("\n")

    def test_a_port_of_the_system_says_so(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Below 1024 a plain user may not listen, on most machines."""

        def forbid(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(socket, "create_server", forbid)
        monkeypatch.setenv("PORT", "80")
        monkeypatch.setenv("DEMO_DATA", str(tmp_path))

        assert 1 == program.run()
        assert (
            "The demo cannot start. Port 80 cannot be used: Permission denied.\n"
            == capsys.readouterr().err
        )

    def test_a_model_that_does_not_start_says_so(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The child says why on the same screen; this line says what it means."""
        dead = tmp_path / "dead"
        dead.write_text("#!/bin/sh\nexit 1\n")
        dead.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(dead))
        for name in ("DEMO_DATABASE_URL", "OPENAI_API_KEY"):
            monkeypatch.setenv(name, "")
        monkeypatch.setenv("DEMO_DATA", str(tmp_path))
        monkeypatch.setenv("PORT", "0")

        assert 1 == program.run()
        assert (
            "The demo cannot start. The local model did not start.\n"
            == capsys.readouterr().err
        )

    def test_ctrl_c_while_it_imports_says_nothing(self, tmp_path: Path) -> None:
        """An impatient finger is no bug; the shell sees that a signal ended it."""
        slow = "print('importing', flush=True); import time; time.sleep(60)"
        (tmp_path / "uvicorn.py").write_text(slow)
        path = os.pathsep.join([str(tmp_path), *sys.path])
        process = start({"DEMO_DATA": str(tmp_path), "PYTHONPATH": path})
        assert process.stdout is not None
        assert "importing\n" == process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=30)

        assert (-signal.SIGINT, "") == (process.returncode, complained)

    def test_a_damaged_key_says_so(self, tmp_path: Path) -> None:
        """Never a silent new key, which would log everybody out."""
        (tmp_path / "signing-key").write_bytes(b"short")
        process = start({"PORT": "0", "DEMO_DATA": str(tmp_path)})
        _, complained = process.communicate(timeout=30)

        assert process.returncode == 1
        assert "shorter than 32 bytes" in complained
        assert "Traceback" not in complained

    def test_the_key_is_the_owners_alone(self, demo: Program, tmp_path: Path) -> None:
        """Who reads this file can forge every session."""
        demo.start()
        key = tmp_path / "data" / "signing-key"

        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert [key] == list(key.parent.glob("signing-key*"))

    def test_the_numeric_address_leads_to_the_named_one(self, demo: Program) -> None:
        """On 127.0.0.1 the page would be another origin, whose cookies go nowhere."""
        demo.start()
        answer = httpx2.get(demo.address.replace("localhost", "127.0.0.1"))

        assert answer.is_redirect
        assert demo.address == answer.headers["location"]


class TestLadder:
    """Who answers when the first model cannot, and what is said about it."""

    def test_second_model_earlier_answer_said_text(
        self, demo: Program, page: httpx2.Client
    ) -> None:
        """Down the rungs, one after the other, and each says so."""
        demo.start()
        log_in(page, demo)
        fresh = say(page, demo, "tell me about tabs", "key-0001", "conversation-1")
        page.post(f"{demo.address}/demo/llm", json={"mode": "500"})
        second = say(page, demo, "tell me about cookies", "key-0002", "conversation-2")
        page.post(f"{demo.address}/demo/llm", json={"mode": "429", "both": True})
        earlier = say(page, demo, "tell me about tabs", "key-0003", "conversation-3")
        page.post(f"{demo.address}/demo/llm", json={"mode": "down"})
        sorry = say(page, demo, "something new", "key-0004", "conversation-4")
        told = [each["name"] for each in events(page, demo)]

        assert (fresh["status"], fresh["note"]) == ("complete", "")
        assert second["status"] == "complete"
        assert str(second["note"]).startswith("Answered by toy-0; toy-1 did not: it ")
        assert (earlier["status"], earlier["text"]) == ("degraded", fresh["text"])
        assert re.match(r"An earlier answer, \d+ s old; toy-1", str(earlier["note"]))
        assert sorry["status"] == "degraded"
        assert "comes from the chatbot itself" in str(sorry["text"])
        assert "toy-1 did not" in str(sorry["note"])
        assert told.count("fell_back") == 1 + 2 + 3

    def test_a_model_behind_does_not_share_the_circuit(
        self, demo: Program, page: httpx2.Client
    ) -> None:
        """The first is not called any more, and the second speaks at once."""
        demo.start()
        log_in(page, demo)
        page.post(f"{demo.address}/demo/llm", json={"mode": "500"})
        for number in range(3):
            end = say(page, demo, f"word {number}", f"key-{number:04}")
            assert end["status"] == "complete"
        state = page.get(f"{demo.address}/demo/events").json()

        assert state["circuit"]["state"] == "open"
        assert state["others"]["toy-0"]["state"] == "closed"


class TestPressure:
    """What a page does in its worst moment, or a person with curl."""

    def test_twenty_sends_into_a_new_conversation(
        self, demo: Program, page: httpx2.Client
    ) -> None:
        """All race to make the conversation, and pairs of them to store one message."""
        demo.start()
        log_in(page, demo)
        with ThreadPoolExecutor(20) as pool:
            ends = list(
                pool.map(
                    lambda n: say(page, demo, f"word {n // 2}", f"key-{n // 2:04}"),
                    range(20),
                )
            )
        asked = [each for each in messages(page, demo) if each["role"] == "user"]

        assert ["complete"] * 20 == [each["status"] for each in ends]
        assert 10 == len(asked)

    @pytest.mark.parametrize("name", ["%00", "a", "x" * 37, "../secret"])
    def test_an_impossible_conversation_is_refused(
        self, demo: Program, page: httpx2.Client, name: str
    ) -> None:
        """PostgreSQL takes no NUL; asked for one it fails, which would be a 500."""
        demo.start()
        log_in(page, demo)
        answer = page.get(f"{demo.address}/api/conversations/{name}")

        assert answer.status_code in (400, 404)

    def test_a_model_that_hangs_is_an_outage(
        self, demo: Program, page: httpx2.Client
    ) -> None:
        """Its process is stopped, not dead: nothing answers, and nobody crashes."""
        demo.start()
        log_in(page, demo)
        server = child(demo, "examples.chatbot.llm_server")
        os.kill(server, signal.SIGSTOP)
        try:
            answer = page.post(f"{demo.address}/demo/llm", json={"mode": "429"})
        finally:
            os.kill(server, signal.SIGCONT)

        assert (503, "llm_unavailable") == (answer.status_code, answer.json()["code"])
        assert page.post(f"{demo.address}/demo/llm", json={"mode": "none"}).is_success

    def test_many_hands_on_the_panel(self, demo: Program, page: httpx2.Client) -> None:
        """Down, up and down again at once: each is answered, and one of them wins."""
        demo.start()
        log_in(page, demo)
        modes = ["down", "none", "429", "down", "500", "none"] * 2
        with ThreadPoolExecutor(len(modes)) as pool:
            statuses = set(
                pool.map(
                    lambda mode: (
                        page.post(
                            f"{demo.address}/demo/llm", json={"mode": mode}
                        ).status_code
                    ),
                    modes,
                )
            )

        assert {200} == statuses


def child(demo: Program, module: str) -> int:
    """Return the process id of the demo's child that runs *module*."""
    assert demo._process is not None
    for each in psutil.Process(demo._process.pid).children(recursive=True):
        if module in each.cmdline():
            return each.pid
    raise AssertionError(f"{module} does not run")


class TestEnd:
    """Whatever ends it, no process is left."""

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it_whole(self, demo: Program, how: signal.Signals) -> None:
        """Ctrl-C reaches parent and child; a service manager's SIGTERM too."""
        demo.start()

        assert demo.end(how) == 0
        with pytest.raises(httpx2.ConnectError):
            httpx2.get(demo.address)

    def test_an_answer_in_progress_does_not_hold_it_up(
        self, demo: Program, page: httpx2.Client
    ) -> None:
        """The stream ends with its own end event, and what came is kept."""
        demo.start(DEMO_PACE="0.01")
        log_in(page, demo)
        said = {"conversation": "c" * 8, "key": "k" * 8, "text": "a long answer"}
        with page.stream("POST", f"{demo.address}/api/chat", json=said) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if "delta" in line)
            assert demo.end() == 0
            rest = list(lines)
        demo.start()

        assert "event: done" in rest
        stored = messages(page, demo)
        assert ["complete", "interrupted"] == [each["status"] for each in stored]
        assert "a long answer" == stored[0]["text"]
        assert stored[1]["text"].startswith("Gladly.")


class TestRestart:
    """State is in the database and in one file: a restart is nothing special."""

    def test_session_and_conversation_survive(
        self, demo: Program, page: httpx2.Client
    ) -> None:
        """The same cookies, the same conversation, the same memory."""
        demo.start()
        log_in(page, demo)
        say(page, demo, "my name is Ada", "key-0001")
        demo.end()
        demo.start()

        verified = page.get(f"{demo.address}/api/auth/verify")
        refreshed = page.post(f"{demo.address}/api/auth/refresh")
        answer = say(page, demo, "what is my name?", "key-0002")
        assert verified.status_code == 204
        assert refreshed.json()["rotation"] == "rotated"
        assert "Your name is Ada." in str(answer["text"])

    def test_a_killed_server_forgets_nothing_that_was_stored(
        self, demo: Program, page: httpx2.Client
    ) -> None:
        """After SIGKILL the question is there, its answer marked as interrupted."""
        demo.start(DEMO_PACE="0.02")
        log_in(page, demo)
        said = {"conversation": "c" * 8, "key": "k" * 8, "text": "a long answer"}
        with page.stream("POST", f"{demo.address}/api/chat", json=said) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if "delta" in line)
            demo.kill()
            with contextlib.suppress(httpx2.TransportError):
                assert "event: done" not in list(lines)
        demo.start(DEMO_PACE="0")

        stored = messages(page, demo)
        again = say(page, demo, "a long answer", "k" * 8)
        assert "a long answer" == stored[0]["text"]
        assert "interrupted" == stored[1]["status"]
        assert "complete" == again["status"]
        assert len(messages(page, demo)) == 2


@pytest.fixture(scope="module")
def killable(postgres_folder: Path) -> Iterator[PostgreSQL]:
    """Start a PostgreSQL that is killed under the demo."""
    server = PostgreSQL(postgres_folder / "demo")
    yield server
    server.end()


class TestDatabase:
    """A database that goes, and comes back, under a chat."""

    def test_a_database_that_is_killed_under_an_answer(
        self, demo: Program, page: httpx2.Client, killable: PostgreSQL
    ) -> None:
        """The answer goes on, nobody is logged out, and all is stored, once."""
        url = sa.make_url(killable.address).set(drivername="postgresql+asyncpg")
        demo.start(
            DEMO_PACE="0.02",
            DEMO_DATABASE_URL=url.render_as_string(hide_password=False),
        )
        log_in(page, demo)
        first = {"conversation": "c" * 8, "key": "key-0001", "text": "a long answer"}
        second = {**first, "key": "key-0002", "text": "hello"}
        with page.stream("POST", f"{demo.address}/api/chat", json=first) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if "delta" in line)
            killable.kill()
            verified = page.get(f"{demo.address}/api/auth/verify")
            refused = page.post(f"{demo.address}/api/chat", json=second)
            rest = list(lines)  # to its end, while nothing can be stored
        killable.start()
        again = say(page, demo, "hello", "key-0002")

        assert 204 == verified.status_code
        assert (503, "store_unavailable") == (
            refused.status_code,
            refused.json()["code"],
        )
        assert "event: done" in rest
        assert "complete" == again["status"]
        while (
            len(stored := messages(page, demo)) < 4 or stored[1]["status"] != "complete"
        ):
            pass  # what could not be stored is tried again, at most for some seconds
        assert ["complete"] * 4 == [each["status"] for each in stored]
        names = [each["name"] for each in events(page, demo)]
        assert "transaction_retried" in names
        assert [1, 1] == [
            names.count(each) for each in ("database_lost", "database_reconnected")
        ]

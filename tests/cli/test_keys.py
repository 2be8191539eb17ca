"""Keys from a shell: whole files for their owner alone, and no step too early."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from resilient_auth import KeyRing, TokenIssuer, TokenPolicy, TokenVerifier
from resilient_auth.cli.commands import resilient_auth
from resilient_auth.core.algorithms import ALGORITHMS
from resilient_auth.core.entries import ANNOUNCED, SIGNING, VERIFY_ONLY

POLICY = TokenPolicy(issuer="i", audience="a")


class Shell:
    """Runs ``resilient-auth keys`` on one file, at a time of its own."""

    def __init__(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = file
        self.now = 1_800_000_000
        monkeypatch.setattr("resilient_auth.cli.keys._now", lambda: self.now)

    def run(self, command: str, *said: str) -> Result:
        """Run *command* on the file and return what came of it."""
        arguments = ["keys", command, str(self.file), *said]
        return CliRunner().invoke(resilient_auth, arguments)

    def ring(self) -> KeyRing:
        """Return what is in the file."""
        return KeyRing.from_text(self.file.read_text())

    def states(self) -> list[str]:
        """Return the states of the keys, in the order of the file."""
        return [each.state for each in self.ring().entries]

    def secrets(self) -> list[str]:
        """Return every secret text in the file."""
        document = json.loads(self.file.read_text())
        members = ("d", "k", "p", "q", "dp", "dq", "qi")
        found = [
            jwk[each] for jwk in document["keys"] for each in members if each in jwk
        ]
        return found + list(document.get("ra_refresh", {}).values())


def mac_of_newest(ring: KeyRing) -> bytes:
    """Return what only the newest master of *ring* can write."""
    masters = ring.masters("p")
    return masters.mac(masters.kids[-1], b"x")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a shell beside an empty folder."""
    return Shell(tmp_path / "keys.json", monkeypatch)


@pytest.mark.parametrize("alg", ["HS256", "RS256", "ES256", "EdDSA"])
def test_a_new_file_serves_a_service_at_once(shell: Shell, alg: str) -> None:
    """It signs, it masters refresh tokens, and only its owner can read it."""
    result = shell.run("generate", "--alg", alg)
    ring = shell.ring()
    token = TokenIssuer(ring, POLICY).issue("ann")

    assert (0, alg) == (result.exit_code, ring.signing.alg)
    assert "ann" == TokenVerifier(ring, POLICY).verify(token).subject
    assert 1 == len(ring.masters("p").kids)
    assert 0o600 == stat.S_IMODE(shell.file.stat().st_mode)
    assert [shell.file] == list(shell.file.parent.iterdir())


def test_no_command_prints_a_secret_unasked(shell: Shell) -> None:
    """Terminals are recorded, and shells keep their history."""
    said = [shell.run("generate"), shell.run("rotate"), shell.run("check")]
    shell.now += 600
    said += [shell.run("rotate"), shell.run("jwks"), shell.run("generate")]
    shown = "".join(each.output for each in said)

    assert not [each for each in shell.secrets() if each in shown]
    assert 3 == len(shell.secrets())


def test_printing_is_asked_for_by_name(shell: Shell) -> None:
    """For a vault that reads a pipe; nothing is written then."""
    result = shell.run("generate", "--stdout")

    assert KeyRing.from_text(result.output).signing.can_sign
    assert not shell.file.exists()


def test_a_file_is_not_replaced_unasked(shell: Shell) -> None:
    """A new file logs everybody out."""
    shell.run("generate")
    before = shell.file.read_text()
    refused = shell.run("generate")

    assert 2 == refused.exit_code
    assert "exists; --force" in refused.output
    assert before == shell.file.read_text()
    assert 0 == shell.run("generate", "--force").exit_code
    assert before != shell.file.read_text()


def test_a_rotation_goes_in_steps_that_wait(shell: Shell) -> None:
    """Announced, signing, verifying only, gone; none of it too early."""
    shell.run("generate")
    shell.run("rotate")
    assert [SIGNING, ANNOUNCED] == shell.states()

    shell.now += 599
    early = shell.run("rotate")
    assert 2 == early.exit_code
    assert "(in 1 s)" in early.output
    assert [SIGNING, ANNOUNCED] == shell.states()

    shell.now += 1
    shell.run("rotate")
    assert [VERIFY_ONLY, SIGNING] == shell.states()

    shell.now += 86_730
    shell.run("rotate")
    assert [SIGNING, ANNOUNCED] == shell.states()


LONGER = ("--max-ttl", "172800", "--leeway", "60", "--reload", "1800")


def test_longer_lives_are_waited_for(shell: Shell) -> None:
    """They are in the file, so no later command can forget them."""
    shell.run("generate", *LONGER)
    shell.run("rotate")
    shell.now += 2_100
    shell.run("rotate")
    said = shell.run("check").output
    shell.now += 1_800 + 172_800 + 60 - 1
    shell.run("rotate")
    assert [VERIFY_ONLY, SIGNING, ANNOUNCED] == shell.states()

    shell.now += 2_100
    shell.run("rotate")
    assert [VERIFY_ONLY, SIGNING] == shell.states()
    assert "It may go from 2027-01-17T09:06:00Z on" in said


def test_a_slow_deployment_is_waited_for(shell: Shell) -> None:
    """Half an hour, until the last process knows the announced key."""
    shell.run("generate", "--reload", "1800")
    shell.run("rotate")
    shell.now += 2_099
    early = shell.run("rotate")

    assert 2 == early.exit_code
    assert "(in 1 s)" in early.output


def test_longer_sessions_keep_their_master(shell: Shell) -> None:
    """An HMAC key masters refresh tokens: gone too early, it logs everybody out."""
    shell.run("generate", "--alg", "HS256", "--absolute", "7776000")
    shell.run("rotate")
    shell.now += 600
    shell.run("rotate")
    shell.now += 7_776_000
    shell.run("rotate")
    assert [VERIFY_ONLY, SIGNING, ANNOUNCED] == shell.states()


def test_the_default_lives_are_not_written(shell: Shell) -> None:
    """Most files hold keys, and nothing that could be read as one more thing to set."""
    shell.run("generate", "--max-ttl", "86400")

    assert {"keys", "ra_refresh"} == set(json.loads(shell.file.read_text()))


@pytest.mark.parametrize(
    "said",
    [
        ("--max-ttl", "0"),
        ("--leeway", "301"),
        ("--absolute", "-1"),
        ("--reload", "-1"),
        ("--reload", "9" * 30),
        ("--max-ttl", "9" * 30),
        ("--absolute", "9" * 30),
    ],
    ids=" ".join,
)
def test_a_life_that_cannot_be_is_one_line(shell: Shell, said: tuple[str, str]) -> None:
    """The policies say what they say in a service."""
    result = shell.run("generate", *said)

    assert 2 == result.exit_code
    assert 1 == result.output.count("\n")
    assert not shell.file.exists()


@pytest.mark.parametrize(
    "said", [7, [], None, {"announce": 1}, {"master": "9"}, {"verify_only": -1}]
)
@pytest.mark.parametrize("command", ["rotate", "check"])
def test_damaged_stays_are_one_line(shell: Shell, command: str, said: object) -> None:
    """Taken for the default ones, they would let a key go too early."""
    shell.run("generate")
    document = json.loads(shell.file.read_text())
    shell.file.write_text(json.dumps(document | {"ra_stays": said}))
    result = shell.run(command)

    assert 2 == result.exit_code
    assert 1 == result.output.count("\n")


def test_masters_stay_over_a_rotation(shell: Shell) -> None:
    """Nobody is logged out because the access tokens get a new key."""
    shell.run("generate", "--alg", "ES256")
    before = shell.ring()
    shell.run("rotate", "--alg", "EdDSA")
    shell.now += 600
    shell.run("rotate")

    assert "EdDSA" == shell.ring().signing.alg
    assert mac_of_newest(before) == mac_of_newest(shell.ring())


def test_masters_in_a_file_of_their_own_rotate_like_keys(shell: Shell) -> None:
    """What the old master sealed is read until the last session of it has ended."""
    shell.run("generate", "--no-refresh")
    keys, shell.file = shell.file.read_text(), shell.file.with_name("refresh.json")
    shell.run("generate", "--alg", "HS256")
    orders = [[*KeyRing.from_text(keys, shell.file.read_text()).masters("p").kids]]
    for wait in (0, 600, 2_592_330):
        shell.now += wait
        shell.run("rotate")
        ring = KeyRing.from_text(keys, shell.file.read_text())
        orders.append([*ring.masters("p").kids])
    old, new, third = orders[0][0], orders[1][0], orders[3][0]

    assert [[old], [new, old], [old, new], [third, new]] == orders
    assert 3 == len({old, new, third})


@pytest.mark.parametrize("announced", [False, True])
def test_a_leaked_key_goes_at_once(shell: Shell, announced: Any) -> None:
    """The announced key takes its place, or a new one."""
    shell.run("generate")
    leaked = shell.ring().signing.kid
    if announced:
        shell.run("rotate")
    result = shell.run("retire", leaked)

    assert 0 == result.exit_code
    assert [SIGNING] == shell.states()
    assert leaked != shell.ring().signing.kid
    assert 2 == shell.run("retire", leaked).exit_code


def test_the_public_set_is_public(shell: Shell) -> None:
    """What is printed can be put behind a web server as it is."""
    shell.run("generate", "--alg", "RS256")
    published = json.loads(shell.run("jwks").output)

    assert {"kid", "kty", "alg", "use", "n", "e"} == set(published["keys"][0])


def test_secrets_have_no_public_set(shell: Shell) -> None:
    """An HMAC key that is published is a key for everybody."""
    shell.run("generate", "--alg", "HS256")
    result = shell.run("jwks")

    assert 2 == result.exit_code
    assert "never published" in result.output


def test_check_sees_who_can_read(shell: Shell) -> None:
    """A key that the whole machine can read is a key to be rotated."""
    shell.run("generate")
    assert 0 == shell.run("check").exit_code

    shell.file.chmod(0o644)
    result = shell.run("check")
    assert 1 == result.exit_code
    assert "chmod 600" in result.output


@pytest.mark.parametrize("command", ["rotate", "retire"])
def test_an_open_file_is_not_closed_in_silence(shell: Shell, command: str) -> None:
    """The new file is for the owner alone, so nobody would hear of the old one."""
    shell.run("generate")
    shell.file.chmod(0o644)
    before = shell.file.read_text()
    said = ["retire", shell.ring().signing.kid] if command == "retire" else [command]
    result = shell.run(*said)

    assert 2 == result.exit_code
    assert "Others may read" in result.output
    assert before == shell.file.read_text()

    shell.file.chmod(0o600)
    assert 0 == shell.run(*said).exit_code


def test_check_says_what_comes_next_and_when(shell: Shell) -> None:
    """The operator need not know the rules by heart."""
    shell.run("generate")
    shell.run("rotate")
    said = shell.run("check").output

    assert re.search(r"Signs, since 2027-01-15T08:00:00Z\.", said)
    assert re.search(r"Announced: .* It may sign from 2027-01-15T08:10:00Z on", said)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"keys":[]}', '{"keys":[7]}', "a:HS256:AAAA", "\ud800"],
)
@pytest.mark.parametrize("command", ["rotate", "check", "jwks"])
def test_a_damaged_file_is_one_line(shell: Shell, command: str, text: str) -> None:
    """No traceback, which might hold the file."""
    shell.file.write_bytes(text.encode("utf-8", "surrogatepass"))
    result = shell.run(command)

    assert 2 == result.exit_code
    assert 1 == result.output.count("\n")
    assert isinstance(result.exception, SystemExit)


def test_a_file_that_is_not_there_is_one_line(shell: Shell) -> None:
    """The name is repeated, for it is usually the mistake."""
    result = shell.run("rotate")

    assert 2 == result.exit_code
    assert "keys.json: No such file" in result.output


def test_two_writers_at_once_are_refused(shell: Shell) -> None:
    """The second would undo the first one's step."""
    shell.run("generate")
    before = shell.file.read_text()
    shell.file.with_name("keys.json.new").touch()
    result = shell.run("rotate")

    assert 2 == result.exit_code
    assert "another command is writing" in result.output
    assert before == shell.file.read_text()


def test_a_folder_that_cannot_be_written_is_one_line(shell: Shell) -> None:
    """The reason is the system's own."""
    shell.file = shell.file.parent / "missing" / "keys.json"
    result = shell.run("generate")

    assert 2 == result.exit_code
    assert "No such file" in result.output


def test_it_is_a_program() -> None:
    """``python -m`` and the installed script are the same."""
    done = subprocess.run(
        [sys.executable, "-m", "resilient_auth.cli", "keys", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )

    for command in ("generate", "rotate", "retire", "check", "jwks"):
        assert command in done.stdout


def test_without_the_extra_it_says_which() -> None:
    """The library itself needs no command line."""
    code = (
        "import sys; sys.modules['click'] = None; "
        "from resilient_auth.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert 1 == done.returncode
    assert "resilient-auth[cli]" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_algorithm_can_be_chosen() -> None:
    """The choice is the table's."""
    said = CliRunner().invoke(resilient_auth, ["keys", "generate", "--help"]).output

    assert all(alg in said for alg in ALGORITHMS)

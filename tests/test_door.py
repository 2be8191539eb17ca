"""The front door is light, complete and says what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

import resilient_auth
from resilient_auth import MissingDependency

HERE = Path(__file__).parent


def run(code: str) -> str:
    """Return what *code* prints in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_list_of_names_is_written_down() -> None:
    """A public name comes and goes only with its line in api.txt."""
    written = (HERE / "api.txt").read_text("utf-8").split()

    assert written == sorted(resilient_auth.__all__)
    assert resilient_auth.__all__ == list(resilient_auth._HOMES)


@pytest.mark.parametrize("name", sorted(resilient_auth.__all__))
def test_every_name_opens(name: str) -> None:
    """A name in the table whose home lacks it would fail at the user's first use."""
    assert getattr(resilient_auth, name).__name__ == name
    assert name in dir(resilient_auth)


def test_an_unknown_name_is_an_attribute_error() -> None:
    """``hasattr`` and star imports rely on it."""
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = resilient_auth.no_such_name


def test_importing_loads_no_third_party() -> None:
    """Design §6: at most five new modules, all of them our own or typing's."""
    code = (
        "import sys, importlib, typing; before = set(sys.modules);"
        "import resilient_auth; new = set(sys.modules) - before;"
        "print(len(new), *sorted(m for m in new if not m.startswith('resilient_auth')))"
    )

    assert run(code) == "1"


def test_a_name_loads_only_what_it_needs() -> None:
    """The errors need nothing, and a session no framework and no database."""
    loaded = (
        "print(*sorted({m.partition('.')[0] for m in sys.modules}"
        "& {'jwt', 'sqlalchemy', 'starlette', 'tenacity', 'pybreaker', 'argon2'}))"
    )

    assert run(f"import sys, resilient_auth; resilient_auth.Refused; {loaded}") == ""
    for name in ("Auth", "AsgiAuth"):
        assert run(f"import sys, resilient_auth as r; r.{name}; {loaded}") == "jwt"


@pytest.mark.parametrize(
    ("name", "driver", "extra"),
    [
        ("SQLAlchemyStore", "sqlalchemy", "sqlalchemy"),
        ("RedisStore", "redis", "redis"),
        ("StarletteAuth", "starlette", "starlette"),
        ("FastAPIAuth", "fastapi", "fastapi"),
        ("PasswordHasher", "argon2", "passwords"),
    ],
)
def test_a_missing_extra_says_how_to_install_it(
    name: str, driver: str, extra: str
) -> None:
    """The bare ModuleNotFoundError names a package, not what to do."""
    code = (
        f"import sys; sys.modules['{driver}'] = None\n"
        "import resilient_auth\n"
        f"try: resilient_auth.{name}\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    said = run(code)

    assert said.startswith(MissingDependency.__name__)
    assert f"resilient-auth[{extra}]" in said

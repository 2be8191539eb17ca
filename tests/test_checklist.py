"""
Is every row of the attack list a test? Here is where each one stands.

The rows are T tokens, K keys, S sessions, C cookies, CSRF and CORS, L login and
transport. Most are in `tests/test_advisories.py`, named by their number; the others,
which need a server, an adapter or all schedules, stand where their subject does.
"""

import ast
import re
from pathlib import Path

import pytest

from resilient_auth.testing import wire

ROOT = Path(__file__).parent.parent
ADVISORIES = ROOT / "tests/test_advisories.py"
#: The wire suite is part of the package: it is read where the package is installed.
WIRE = Path(wire.__file__).parent
AUTH = "tests/auth"
CORE = "tests/core"
ROWS = [
    f"{letter}{number}"
    for letter, count in {"T": 18, "K": 11, "S": 13, "C": 9, "L": 8}.items()
    for number in range(1, count + 1)
]
#: Row, file and test of what is not, or not only, in `tests/test_advisories.py`.
ELSEWHERE = [
    (
        "T9",
        f"{AUTH}/test_remote.py",
        "test_a_flood_of_unknown_ids_costs_few_fetches",
    ),
    ("T9", f"{AUTH}/test_remote.py", "test_a_flood_does_not_slow_a_good_token"),
    ("T18", f"{CORE}/test_vectors_jose.py", "test_wycheproof"),
    ("T18", f"{CORE}/test_vectors_jose.py", "test_rfc_examples"),
    ("T18", f"{CORE}/test_vectors_jose.py", "test_joserfc_examples"),
    ("K4", f"{CORE}/test_weakness.py", "test_a_roca_modulus_is_recognised"),
    ("K9", f"{CORE}/test_jwks.py", "test_a_bad_set_is_refused_whole"),
    (
        "S2",
        f"{AUTH}/test_refresh_interleavings.py",
        "test_an_eager_tab_does_not_betray_a_slow_one",
    ),
    ("S2", "tests/web/test_wire.py", "test_no_request_breaks_the_never_wipe_rule"),
    ("S4", f"{AUTH}/test_on_refresh.py", "test_a_disabled_user_is_out"),
    (
        "S11",
        f"{AUTH}/test_refresh_interleavings.py",
        "test_a_failure_at_any_step_costs_no_session",
    ),
    ("S11", f"{AUTH}/test_sessions.py", "test_a_store_that_is_down_is_unavailable"),
    (
        "S12",
        f"{AUTH}/test_tickets.py",
        "test_a_host_ahead_does_not_forget_for_one_behind",
    ),
    ("S12", f"{AUTH}/test_session_machine.py", "set_the_clock"),
    ("C7", f"{WIRE}/sockets.py", "test_a_foreign_page_opens_no_socket"),
    ("C7", f"{WIRE}/requests.py", "test_another_method_is_405"),
    ("C9", f"{CORE}/test_vectors_web.py", "test_what_a_browser_sends_is_read"),
    ("C9", f"{CORE}/test_vectors_web.py", "test_the_site_of_a_host"),
    ("L1", f"{WIRE}/login.py", "test_unknown_user_and_wrong_password_look_the_same"),
    ("L1", f"{AUTH}/test_passwords.py", "test_an_unknown_user_takes_the_same_path"),
    ("L2", f"{WIRE}/credentials.py", "test_a_password_is_judged_as_it_was_typed"),
    (
        "L2",
        f"{AUTH}/test_passwords.py",
        "test_nothing_of_a_password_is_cut_or_changed",
    ),
    ("L3", f"{CORE}/test_proxies.py", "test_nobody_chooses_his_own_address"),
    ("L3", f"{AUTH}/test_passwords.py", "test_only_so_many_run_and_wait"),
    ("L4", f"{WIRE}/credentials.py", "test_a_bad_body_is_400"),
    ("L5", f"{WIRE}/requests.py", "test_the_scheme_is_read_without_case"),
    ("L5", f"{WIRE}/requests.py", "test_what_is_no_bearer_token_is_401"),
    ("L6", f"{WIRE}/refresh.py", "test_body_and_cookie_that_disagree"),
    ("L6", f"{WIRE}/requests.py", "test_a_token_in_the_query_is_refused"),
    ("L7", "tests/web/test_wire.py", "test_a_refusal_quotes_nothing_that_came"),
    ("L7", f"{CORE}/test_sessions.py", "test_a_device_is_short_and_safe_to_show"),
    ("L8", f"{WIRE}/endpoints.py", "test_an_endpoint_answers_a_state"),
]


def rows_of_the_advisories() -> set[str]:
    """Return the rows that ids, names and docstrings of the advisories name."""
    text = ADVISORIES.read_text("utf-8")
    ids = re.findall(r'id=f?"([TKSC]\d+)', text)
    names = re.findall(r"def test_([ks]\d+)_", text)
    told = [
        row
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        for row in re.findall(r"\b([TKSC]\d+)\b", ast.get_docstring(node) or "")
    ]
    return {*ids, *told, *map(str.upper, names)}


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_list_is_a_test(row: str) -> None:
    """A row that nobody tests is a promise that nobody keeps."""
    assert row in rows_of_the_advisories() | {each for each, _, _ in ELSEWHERE}


@pytest.mark.parametrize(
    ("row", "path", "name"), ELSEWHERE, ids=lambda each: Path(each).name
)
def test_the_test_of_a_row_is_where_it_is_said(row: str, path: str, name: str) -> None:
    """A test that was renamed must not leave its row without one."""
    assert row in ROWS
    assert f"def {name}(" in (ROOT / path).read_text("utf-8")

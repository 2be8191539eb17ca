"""The client's address is what a trusted hop saw, or it is unknown."""

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_auth import ConfigError, TrustedProxies
from resilient_auth.core.proxies import MAX_HOPS, Client
from resilient_auth.core.view import RequestView

TRUSTED = ["10.0.0.0/8", "fd00::/16", "203.0.113.9"]
PROXIES = TrustedProxies(TRUSTED)
FORWARDED = TrustedProxies(TRUSTED, header="Forwarded")
PEER = "10.0.0.1"
UNKNOWN = "unknown"


def view(*headers: tuple[str, str], peer: str = PEER) -> RequestView:
    """Return a request with *headers* over a connection from *peer*."""
    raw = [(name.lower().encode(), said.encode("latin-1")) for name, said in headers]
    return RequestView(method="GET", path="/", headers=raw, peer=peer)


def behind(said: str, proxies: TrustedProxies = PROXIES) -> Client:
    """Return the client of a request whose one line of the header is *said*."""
    return proxies.client(view((proxies.header, said)))


# ------------------------------------------------------------------ the walk


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param("198.51.100.7", "198.51.100.7", id="one"),
        pytest.param("6.6.6.6, 198.51.100.7", "198.51.100.7", id="spoofed-left"),
        pytest.param("6.6.6.6,198.51.100.7, 10.9.9.9", "198.51.100.7", id="two-hops"),
        pytest.param(
            "198.51.100.7, 203.0.113.9 ,10.1.1.1,\t10.2.2.2",
            "198.51.100.7",
            id="spaces",
        ),
        pytest.param("10.0.0.7, 198.51.100.7", "198.51.100.7", id="spoofed-inside"),
        pytest.param("10.0.0.7", "10.0.0.7", id="from-inside"),
        pytest.param("10.0.0.7, 10.0.0.8", "10.0.0.7", id="all-trusted"),
        pytest.param("198.51.100.7:443", "198.51.100.7", id="port"),
        pytest.param("2001:db8::1", "2001:db8::/64", id="six"),
        pytest.param("[2001:db8::1]", "2001:db8::/64", id="brackets"),
        pytest.param("[2001:db8::1]:443", "2001:db8::/64", id="brackets-port"),
        pytest.param("198.51.100.7, fd00::1", "198.51.100.7", id="trusted-six"),
        pytest.param("::ffff:198.51.100.7", "198.51.100.7", id="mapped"),
        pytest.param("[::FFFF:198.51.100.7]:1", "198.51.100.7", id="mapped-port"),
        pytest.param("198.51.100.7, ::ffff:10.0.0.9", "198.51.100.7", id="mapped-hop"),
        pytest.param("fe80::1%eth0", "fe80::/64", id="zone"),
        pytest.param("garbage, 198.51.100.7", "198.51.100.7", id="garbage-left"),
        pytest.param("x" * 100_000 + ", 198.51.100.7", "198.51.100.7", id="huge-left"),
        pytest.param("," * 100_000 + "198.51.100.7", "198.51.100.7", id="commas-left"),
        pytest.param("198.51.100.7, garbage", UNKNOWN, id="garbage-right"),
        pytest.param("198.51.100.7,", UNKNOWN, id="empty-right"),
        pytest.param("198.51.100.7, , 10.0.0.9", UNKNOWN, id="empty-between"),
        pytest.param("", UNKNOWN, id="empty"),
        pytest.param("unknown", UNKNOWN, id="unknown"),
        pytest.param("198.51.100.7, unknown, 10.0.0.9", UNKNOWN, id="unknown-hop"),
        pytest.param("_hidden", UNKNOWN, id="obfuscated"),
        pytest.param("198.51.100.07", UNKNOWN, id="leading-zero"),
        pytest.param("0xc6.51.100.7", UNKNOWN, id="hexadecimal"),
        pytest.param("198.51.100", UNKNOWN, id="three-parts"),
        pytest.param("3325256711", UNKNOWN, id="one-number"),
        pytest.param("198.51.100.7:", UNKNOWN, id="colon"),
        pytest.param("198.51.100.7:port", UNKNOWN, id="named-port"),
        pytest.param("198.51.100.7:123456", UNKNOWN, id="long-port"),
        pytest.param("[198.51.100.7]", UNKNOWN, id="four-in-brackets"),
        pytest.param("[2001:db8::1", UNKNOWN, id="half-a-bracket"),
        pytest.param("[2001:db8::1]x", UNKNOWN, id="behind-the-bracket"),
        pytest.param("198.51.100.7/32", UNKNOWN, id="network"),
        pytest.param("198.51.100.7 6.6.6.6", UNKNOWN, id="space"),
        pytest.param('"198.51.100.7"', UNKNOWN, id="quotes"),
        pytest.param("198.51.100.7\x00", UNKNOWN, id="nul"),
        pytest.param("\xb9.51.100.7", UNKNOWN, id="superscript"),
        pytest.param("localhost", UNKNOWN, id="name"),
        pytest.param("for=198.51.100.7", UNKNOWN, id="other-form"),
    ],
)
def test_the_first_address_that_is_not_ours(said: str, expected: str) -> None:
    """L3: what stands left of it was written by anybody, and is never looked at."""
    assert expected == behind(said).bucket()


def test_lines_are_one_list() -> None:
    """A proxy may add a line of its own instead of appending (RFC 9110 §5.3)."""
    lines = [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.7")]

    assert "198.51.100.7" == PROXIES.client(view(*lines)).bucket()


@pytest.mark.parametrize("peer", ["198.51.100.7", "::ffff:198.51.100.7"])
@pytest.mark.parametrize("said", ["6.6.6.6", "10.0.0.1", "garbage"])
def test_a_stranger_is_not_listened_to(peer: str, said: str) -> None:
    """Whoever connects directly can write any header."""
    for proxies in (PROXIES, TrustedProxies()):
        client = proxies.client(view(("X-Forwarded-For", said), peer=peer))

        assert ("198.51.100.7", "") == (client.bucket(), client.scheme)
        assert () == client.findings


@pytest.mark.parametrize("peer", ["testclient", "x", "10.0.0.1:80 ", "@", "\x00"])
def test_a_peer_that_is_no_address_is_unknown(peer: str) -> None:
    """And its headers count for nothing."""
    said = view(("X-Forwarded-For", "6.6.6.6"), peer=peer)

    assert UNKNOWN == PROXIES.client(said).bucket()


def test_a_unix_socket_is_trusted_by_name_alone() -> None:
    """The usual way from nginx to a worker has no address at all."""
    said = view(("X-Forwarded-For", "6.6.6.6, 198.51.100.7"), peer="")

    assert UNKNOWN == PROXIES.client(said).bucket()
    assert "198.51.100.7" == TrustedProxies(["unix"]).client(said).bucket()


@pytest.mark.parametrize("peer", ["10.0.0.1", "127.0.0.1", "::1", "fd00::1"])
@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded"])
def test_an_undeclared_proxy_is_not_the_client(peer: str, name: str) -> None:
    """Else one guesser makes everybody wait; a machine of ours itself says nothing."""
    client = TrustedProxies().client(view((name, "for=6.6.6.6"), peer=peer))
    alone = TrustedProxies().client(view(peer=peer))
    beside = TrustedProxies(["192.168.0.0/16"]).client(view((name, "x"), peer=peer))

    assert UNKNOWN == client.bucket()
    assert ["undeclared_proxy"] == [each.id for each in client.findings]
    assert "the connection's own address" == alone.reason == beside.reason


def test_the_answer_says_why_and_over_what() -> None:
    """Each reason is whole: a person looks for the hop that is wrong."""
    secure = ("X-Forwarded-Proto", "https")
    first = PROXIES.client(view(("X-Forwarded-For", "6.6.6.6, 10.0.0.7"), secure))
    inside = PROXIES.client(view(("X-Forwarded-For", "10.0.0.7"), secure))
    hops = ", ".join(["10.0.0.7"] * MAX_HOPS)

    assert ("hop 2 of x-forwarded-for", "https") == (first.reason, first.scheme)
    assert ("all of x-forwarded-for is trusted", "https") == (
        inside.reason,
        inside.scheme,
    )
    assert f"more than {MAX_HOPS} trusted hops" == behind(hops).reason
    assert "the connection has no address" == PROXIES.client(view(peer="")).reason
    assert "the connection's address cannot be read" == (
        PROXIES.client(view(peer="x")).reason
    )


def test_a_proxy_that_says_nothing_names_nobody() -> None:
    """All users would share its address; better to know that it is not known."""
    client = PROXIES.client(view())

    assert client.address is None
    assert "the proxy sent no x-forwarded-for" == client.reason


def test_the_walk_has_an_end() -> None:
    """A loop of proxies is a mistake, not a client."""
    hops = ", ".join(["10.0.0.9"] * (MAX_HOPS - 1))

    assert "198.51.100.7" == behind(f"198.51.100.7, {hops}").bucket()
    assert UNKNOWN == behind(f"198.51.100.7, 10.0.0.9, {hops}").bucket()
    assert UNKNOWN == behind("10.0.0.9, " * 100_000).bucket()


# ------------------------------------------------------------------ Forwarded


@pytest.mark.parametrize(
    ("said", "expected", "scheme"),
    [
        pytest.param("for=198.51.100.7", "198.51.100.7", "", id="token"),
        pytest.param(
            "For=198.51.100.7;Proto=HTTPS", "198.51.100.7", "https", id="case"
        ),
        pytest.param(
            'for="198.51.100.7:4711";proto=http;by=10.0.0.9;host="x:80"',
            "198.51.100.7",
            "http",
            id="all-four",
        ),
        pytest.param(
            'for="[2001:db8:1:2:3::4]:4711"', "2001:db8:1:2::/64", "", id="six"
        ),
        pytest.param(
            "for=6.6.6.6;proto=http, for=198.51.100.7;proto=https, for=10.0.0.9",
            "198.51.100.7",
            "https",
            id="the-scheme-of-the-client",
        ),
        pytest.param(
            'for="6.6.6.6, for=198.51.100.7', "198.51.100.7", "", id="open-quote-left"
        ),
        pytest.param(
            "proto=https ; for=198.51.100.7", "198.51.100.7", "https", id="ws"
        ),
        pytest.param("for=198.51.100.7;proto=ftp", "198.51.100.7", "", id="scheme"),
        pytest.param("proto=https", UNKNOWN, "", id="no-for"),
        pytest.param("for=unknown", UNKNOWN, "", id="unknown"),
        pytest.param("for=_hidden;proto=https", UNKNOWN, "", id="obfuscated"),
        pytest.param('for="_SEVKISEK:_port"', UNKNOWN, "", id="obfuscated-port"),
        pytest.param("for=198.51.100.7;for=6.6.6.6", UNKNOWN, "", id="twice"),
        pytest.param("for=198.51.100.7;;proto=http", UNKNOWN, "", id="empty-pair"),
        pytest.param("for=198.51.100.7:80", UNKNOWN, "", id="port-unquoted"),
        pytest.param("for = 198.51.100.7", UNKNOWN, "", id="spaces"),
        pytest.param('for="198.51.100.7', UNKNOWN, "", id="open-quote"),
        pytest.param('for="198.51.100.\\7"', UNKNOWN, "", id="escape"),
        pytest.param('for=""', UNKNOWN, "", id="empty"),
        pytest.param("for=", UNKNOWN, "", id="nothing"),
        pytest.param("198.51.100.7", UNKNOWN, "", id="other-form"),
    ],
)
def test_forwarded_is_read_strictly(said: str, expected: str, scheme: str) -> None:
    """RFC 7239 §4 and §6; what an outer proxy hid stays hidden, and is not guessed."""
    client = behind(said, FORWARDED)

    assert (expected, scheme) == (client.bucket(), client.scheme)


@pytest.mark.parametrize(
    ("proxies", "own", "other"),
    [
        (PROXIES, ("X-Forwarded-For", "198.51.100.7"), ("Forwarded", "for=6.6.6.6")),
        (FORWARDED, ("Forwarded", "for=198.51.100.7"), ("X-Forwarded-For", "6.6.6.6")),
    ],
)
def test_the_other_header_is_ignored_and_told(
    proxies: TrustedProxies, own: tuple[str, str], other: tuple[str, str]
) -> None:
    """A proxy passes the header that it does not write on as the client sent it."""
    both = proxies.client(view(own, other))
    alone = proxies.client(view(other))

    assert "198.51.100.7" == both.bucket()
    assert UNKNOWN == alone.bucket()
    for client in (both, alone):
        assert ["other_forwarded_header"] == [each.id for each in client.findings]
    assert () == proxies.client(view(own)).findings


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], ""),
        (["https"], "https"),
        (["HTTP"], "http"),
        (["https, http"], ""),
        (["https", "https"], ""),
        (["wss"], ""),
        (["\xff"], ""),
    ],
)
def test_the_scheme_is_one_word(lines: list[str], expected: str) -> None:
    """For diagnosis: with two words nobody knows which hop meant what."""
    said = [("X-Forwarded-Proto", each) for each in lines]
    client = PROXIES.client(view(("X-Forwarded-For", "1.2.3.4"), *said))

    assert expected == client.scheme


# ------------------------------------------------------------------ buckets


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("198.51.100.7", "::ffff:198.51.100.7", True),
        ("198.51.100.7", "198.51.100.8", False),
        ("2001:DB8::1", "2001:0db8:0:0::2", True),
    ],
)
def test_one_customer_is_one_bucket(first: str, second: str, *, same: bool) -> None:
    """A host can call from each address of its /64; a neighbour has another."""
    assert same == (behind(first).bucket() == behind(second).bucket())


ADDRESSES = st.ip_addresses().map(str)


@given(
    st.lists(
        ADDRESSES | st.text("0159.:[]%, abcdef", max_size=12) | st.text(max_size=5)
    ),
    ADDRESSES,
)
def test_nobody_chooses_his_own_address(spoofed: list[str], real: str) -> None:
    """Whatever the client sends, the proxy's own word behind it is what counts."""
    honest = behind(real)
    sent = ",".join(spoofed).encode("utf-8").decode("latin-1")
    trusted = ipaddress.ip_address(real) in ipaddress.ip_network("10.0.0.0/8")
    client = behind(f"{sent}, {real}")

    assert trusted or honest.bucket() == client.bucket()


@given(st.text(st.characters(max_codepoint=255)), st.text(max_size=30))
def test_any_header_is_read_or_unknown(said: str, peer: str) -> None:
    """L3, and never a 500: this runs before anything is known of the request."""
    for proxies in (PROXIES, FORWARDED, TrustedProxies(["unix"])):
        names = ("X-Forwarded-For", "Forwarded", "X-Forwarded-Proto")
        for each in (peer, PEER, ""):
            client = proxies.client(view(*((name, said) for name in names), peer=each))

            assert client.scheme in {"", "http", "https"}
            assert (client.address is None) == (client.bucket() == UNKNOWN)
            assert said not in client.reason or len(said) < 40


# ------------------------------------------------------------------ building


@pytest.mark.parametrize(
    ("networks", "fault"),
    [
        pytest.param("10.0.0.0/8", "not one string", id="one-string"),
        pytest.param(["10.0.0.1/8"], "write 10.0.0.0/8", id="host-bits"),
        pytest.param(["10.0.0.0/33"], "neither", id="too-long"),
        pytest.param(["proxy.example.com"], "neither", id="name"),
        pytest.param(["*"], "neither", id="star"),
        pytest.param([""], "neither", id="empty"),
        pytest.param([None], "neither", id="none"),
        pytest.param([167772160], "neither", id="number"),
        pytest.param(["0.0.0.0/0"], "wider", id="everybody"),
        pytest.param(["::/0"], "wider", id="everybody-six"),
        pytest.param(["128.0.0.0/1"], "wider", id="half"),
        pytest.param(["2000::/3"], "wider", id="the-internet"),
        pytest.param(["::ffff:10.0.0.0/104"], "IPv4 network itself", id="mapped"),
        pytest.param(["UNIX"], "neither", id="unix-in-capitals"),
    ],
)
def test_a_wrong_list_cannot_be_built(networks: Any, fault: str) -> None:
    """An entry that trusts everybody makes each client what he says he is."""
    with pytest.raises(ConfigError, match=fault):
        TrustedProxies(networks)


@pytest.mark.parametrize(
    "header", ["x-real-ip", "", None, "x-forwarded-for, forwarded"]
)
def test_the_header_is_one_of_two(header: Any) -> None:
    """Which one the proxy writes is declared; both together cannot be right."""
    with pytest.raises(ConfigError, match="header is one of"):
        TrustedProxies([], header=header)


@pytest.mark.parametrize("network", ["fc00::/7", "10.0.0.0/8", "127.0.0.1", "::1"])
def test_ones_own_networks_are_built(network: str) -> None:
    """The private ranges, whole, and single addresses."""
    proxies = TrustedProxies(each for each in [network])

    assert (network,) == proxies.networks
    assert f"TrustedProxies(['{network}'], header='x-forwarded-for')" == repr(proxies)

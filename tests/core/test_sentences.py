"""What does a developer read who built something wrong? Each sentence, whole."""

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from resilient_auth import (
    ConfigError,
    CookiePolicy,
    CorsPolicy,
    Deployment,
    Key,
    KeyRing,
    Pace,
    TokenPolicy,
    TrustedProxies,
)
from resilient_auth.core.keyfile import read_stays
from resilient_auth.core.pages import Pages
from resilient_auth.core.stays import Stays

SECRET = hashlib.sha256(b"key").digest()
B64 = base64.b64encode(hashlib.sha256(b"master").digest()).decode()
SECRET_KEY = Key.from_secret(SECRET, kid="k1")
SECRET_TEXT = f"k1:HS256:{base64.b64encode(SECRET).decode()}"
PAIR, OTHER = Key.generate("EdDSA", kid="p"), Key.generate("EdDSA", kid="q")
PUBLIC, OTHER_PUBLIC = (Key.from_jwk(each.public_jwk()) for each in (PAIR, OTHER))
PEM = (
    Ed25519PrivateKey.generate()
    .public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
)
API = "https://api.example.com"
POLICY = TokenPolicy(issuer=API, audience="api")
#: What no type checker would let through.
ONE: Any = 1
HALF: Any = 1.5
NOTHING: Any = None
WORD: Any = "x"
LIST: Any = ["10.0.0.0/8"]


def of(*keys: object, **members: object) -> str:
    """Return the text of a key file."""
    return json.dumps({"keys": keys, **members})


FILE_KEY = SECRET_KEY.secret_jwk()
SENTENCES: dict[str, tuple[Callable[[], object], str]] = {
    "cors-credentials": (
        lambda: CorsPolicy([], credentials=ONE),
        "credentials is True or False, not an object of type int.",
    ),
    "cors-one-method": (
        lambda: CorsPolicy([], methods="GET"),
        "methods takes a list, not one string: methods=[…].",
    ),
    "cors-one-header": (
        lambda: CorsPolicy([], headers="X"),
        "headers takes a list, not one string: headers=[…].",
    ),
    "cors-one-exposed": (
        lambda: CorsPolicy([], expose="X"),
        "expose takes a list, not one string: expose=[…].",
    ),
    "cors-one-origin": (
        lambda: CorsPolicy("https://a.example"),
        "origins takes a list, not one string: origins=[…].",
    ),
    "cors-age": (
        lambda: CorsPolicy([], max_age=86_401),
        "max_age is 0 to 86,400 whole seconds.",
    ),
    "cors-age-float": (
        lambda: CorsPolicy([], max_age=HALF),
        "max_age is 0 to 86,400 whole seconds.",
    ),
    "cors-star": (
        lambda: CorsPolicy([], methods=["*"]),
        "'*': name each method and header, never *.",
    ),
    "cors-word": (
        lambda: CorsPolicy([], headers=["X Y"]),
        "'X Y': name each method and header, never *.",
    ),
    "cors-number": (
        lambda: CorsPolicy([], expose=[ONE]),
        "A method or header takes str, not an object of type int.",
    ),
    "cookie-name-kind": (
        lambda: CookiePolicy(ONE),
        "name takes str, not an object of type int.",
    ),
    "cookie-path-kind": (
        lambda: CookiePolicy("a", path=NOTHING),
        "path takes str, not None.",
    ),
    "cookie-secure-kind": (
        lambda: CookiePolicy("a", secure=ONE),
        "secure is True or False, not an object of type int.",
    ),
    "cookie-http-only-kind": (
        lambda: CookiePolicy("a", http_only=ONE),
        "http_only is True or False, not an object of type int.",
    ),
    "cookie-partitioned-kind": (
        lambda: CookiePolicy("a", partitioned=ONE),
        "partitioned is True or False, not an object of type int.",
    ),
    "cookie-domain-kind": (
        lambda: CookiePolicy("a", domain=ONE),
        "domain takes str | None, not an object of type int.",
    ),
    "cookie-name": (
        lambda: CookiePolicy("a b"),
        "A cookie's name is an RFC 9110 token.",
    ),
    "cookie-path": (
        lambda: CookiePolicy("a", path="b"),
        (
            "A cookie's path starts with /, has neither spaces nor ; in it and "
            "at most 1024 bytes."
        ),
    ),
    "cookie-domain": (
        lambda: CookiePolicy("a", domain="Com"),
        (
            "a: browsers drop a cookie whose Domain is not a host name in lower"
            " case, or is an address or a public suffix."
        ),
    ),
    "cookie-age": (
        lambda: CookiePolicy("a", max_age=HALF),
        "max_age is a whole number of seconds.",
    ),
    "cookie-same-site": (
        lambda: CookiePolicy("a", same_site="lax"),
        "same_site is one of Lax, Strict, None.",
    ),
    "cookie-none": (
        lambda: CookiePolicy("a", same_site="None", secure=False),
        "SameSite=None needs Secure; browsers drop it otherwise.",
    ),
    "cookie-partitioned": (
        lambda: CookiePolicy("a", partitioned=True, secure=False),
        "Partitioned needs Secure; browsers drop it otherwise.",
    ),
    "cookie-prefix": (
        lambda: CookiePolicy("__host-a"),
        "__host-a: write the prefix as one of __Host-, __Secure-, __Http-.",
    ),
    "cookie-prefix-secure": (
        lambda: CookiePolicy("__Secure-a", secure=False),
        "__Secure-a needs Secure (RFC 6265bis §4.1.3).",
    ),
    "cookie-prefix-http": (
        lambda: CookiePolicy("__Http-a", http_only=False),
        "__Http-a needs HttpOnly (RFC 6265bis §4.1.3).",
    ),
    "cookie-prefix-host": (
        lambda: CookiePolicy("__Host-a", path="/b"),
        (
            "__Host-a needs Path=/ and no Domain (RFC 6265bis §4.1.3.2). Rename"
            " the cookie to share it across subdomains."
        ),
    ),
    "cookie-value": (
        lambda: CookiePolicy("a").set("b;c"),
        "a: the value has a character unfit for cookies.",
    ),
    "cookie-size": (
        lambda: CookiePolicy("a").set("b" * 4096),
        (
            "a: name and value pass 4096 bytes, so browsers drop the cookie "
            "silently. Put fewer claims into the token."
        ),
    ),
    "file-kind": (lambda: KeyRing.from_text(ONE), "Keys are read from text."),
    "file-refresh-kind": (
        lambda: KeyRing.from_text(SECRET_TEXT, ONE),
        "Keys are read from text.",
    ),
    "file-json": (
        lambda: KeyRing.from_text("{"),
        "The key file cannot be read: not JSON.",
    ),
    "file-surrogate": (
        lambda: KeyRing.from_text('{"\ud800'),
        "The key file cannot be read: not UTF-8.",
    ),
    "file-empty": (
        lambda: KeyRing.from_text(of()),
        "A key file is a JWK set: 1 to 100 keys.",
    ),
    "file-many": (
        lambda: KeyRing.from_text(of(*[{}] * 101)),
        "A key file is a JWK set: 1 to 100 keys.",
    ),
    "file-items": (
        lambda: KeyRing.from_text(of(7)),
        "A key of the file is not an object.",
    ),
    "file-masters-kind": (
        lambda: KeyRing.from_text(of(FILE_KEY, ra_refresh=[])),
        "ra_refresh maps the kid of a master to its base64url.",
    ),
    "file-masters-twice": (
        lambda: KeyRing.from_text(of(FILE_KEY, ra_refresh={"m": B64}), f"n:{B64}"),
        "The masters stand in the key file and beside it; say once.",
    ),
    "file-master-kind": (
        lambda: KeyRing.from_text(of(FILE_KEY, ra_refresh={"m": ONE})),
        "The base64 of a master is not text.",
    ),
    "file-master-base64": (
        lambda: KeyRing.from_text(of(FILE_KEY, ra_refresh={"m": "!"})),
        "The base64 of a master cannot be read.",
    ),
    "file-stays": (
        lambda: read_stays(of(FILE_KEY, ra_stays={"x": 1})),
        "ra_stays holds announced, verify_only and master.",
    ),
    "file-stays-kind": (
        lambda: read_stays(of(FILE_KEY, ra_stays=[])),
        "ra_stays holds announced, verify_only and master.",
    ),
    "file-state": (
        lambda: KeyRing.from_text(of({**FILE_KEY, "ra_state": "x"})),
        ("The ra_state of 'k1' is not one of announced, signing, verify_only."),
    ),
    "file-public-signs": (
        lambda: KeyRing.from_text(of({**PAIR.public_jwk(), "ra_state": "signing"})),
        "'p' is signing, but has no private part.",
    ),
    "file-key": (
        lambda: KeyRing.from_text(of({"kty": "x"})),
        "Key 1 of the file: The JWK's alg is missing or unknown; say alg=.",
    ),
    "list-form": (
        lambda: KeyRing.from_text("k1"),
        "A key is written kid:alg:base64, or as a JWK set.",
    ),
    "list-alg": (
        lambda: KeyRing.from_text(f"k1:RS256:{B64}"),
        (
            "A key is written kid:alg:base64 with alg HS256, HS384 or HS512; "
            "any other algorithm needs a key file (resilient-auth keys "
            "generate)."
        ),
    ),
    "list-many": (
        lambda: KeyRing.from_text("a " * 101),
        "There are more than 100 keys.",
    ),
    "list-base64": (
        lambda: KeyRing.from_text("k1:HS256:!"),
        "The base64 of a secret cannot be read.",
    ),
    "list-not-ascii": (
        lambda: KeyRing.from_text("k1:HS256:é"),
        "The base64 of a secret is not text.",
    ),
    "refresh-form": (
        lambda: KeyRing.from_text(SECRET_TEXT, "m"),
        "A refresh secret is written kid:base64.",
    ),
    "refresh-base64": (
        lambda: KeyRing.from_text(SECRET_TEXT, "m:!"),
        "The base64 of a refresh secret cannot be read.",
    ),
    "refresh-many": (
        lambda: KeyRing.from_text(SECRET_TEXT, "a " * 101),
        "There are more than 100 refresh secrets.",
    ),
    "refresh-twice": (
        lambda: KeyRing.from_text(SECRET_TEXT, f"m:{B64} m:{B64}"),
        "Two refresh secrets share one kid; rename one.",
    ),
    "refresh-asymmetric": (
        lambda: KeyRing.from_text(SECRET_TEXT, of(PAIR.secret_jwk())),
        "A key file of refresh secrets holds HMAC keys alone.",
    ),
    "key-secret-alg": (
        lambda: Key.from_secret(b"x" * 32, alg="RS256"),
        "RS256 is asymmetric: use Key.from_pem or from_jwk.",
    ),
    "key-secret-kind": (
        lambda: Key.from_secret(WORD),
        "An HMAC secret is bytes; encode or decode it first.",
    ),
    "key-pem-alg": (
        lambda: Key.from_pem(b"", alg="HS256"),
        "HS256 takes a secret: use Key.from_secret.",
    ),
    "key-pem-kind": (
        lambda: Key.from_pem(WORD),
        "A PEM text is bytes; read the file in binary mode.",
    ),
    "key-pem": (
        lambda: Key.from_pem(b"x"),
        "The PEM text could not be read as an unencrypted key.",
    ),
    "key-pem-other": (
        lambda: Key.from_pem(PEM, alg="ES256"),
        "ES256 takes a key of the kind EC; this is another.",
    ),
    "key-kid": (
        lambda: Key.from_secret(SECRET, kid="a b"),
        "A secret's kid is 1 to 64 characters of A-Z a-z 0-9 _ and -.",
    ),
    "key-pair-kid": (
        lambda: Key.from_jwk(PAIR.public_jwk() | {"kid": "a b"}),
        "A kid is 1 to 256 characters of A-Z a-z 0-9 and _ . : @ / + = ~ -",
    ),
    "key-public-signs": (
        lambda: PUBLIC.sign(b""),
        "Key 'p' is public: it cannot sign.",
    ),
    "key-secret-is-public": (
        SECRET_KEY.public_jwk,
        "Key 'k1' is a secret: it is never published.",
    ),
    "key-public-is-secret": (PUBLIC.secret_jwk, "Key 'p' has no private part."),
    "ring-kids": (
        lambda: KeyRing([SECRET_KEY, Key.generate("HS256", kid="k1")]),
        "Two keys of the ring share one kid; rename one.",
    ),
    "ring-kinds": (
        lambda: KeyRing([SECRET_KEY, PAIR]),
        (
            "HMAC secrets and asymmetric keys in one ring invite key confusion "
            "(RFC 8725 §3.1); use a ring for each."
        ),
    ),
    "ring-same": (
        lambda: KeyRing([SECRET_KEY, Key.from_secret(SECRET, kid="k2")]),
        (
            "Two keys of the ring are one secret or one key pair; a new kid, or"
            " another algorithm, makes no new key."
        ),
    ),
    "ring-env": (
        lambda: KeyRing.from_env(environ={}),
        ("AUTH_KEYS is not set. Make a key file with: resilient-auth keys generate"),
    ),
    "ring-env-other": (
        lambda: KeyRing.from_env("MINE", environ={"MINE": "k1"}),
        "MINE: A key is written kid:alg:base64, or as a JWK set.",
    ),
    "ring-masters": (
        lambda: KeyRing([PAIR]).masters("x"),
        (
            "A ring of EdDSA keys needs refresh_secrets={kid: bytes} to master "
            "refresh and CSRF tokens."
        ),
    ),
    "ring-jwks": (
        lambda: KeyRing([SECRET_KEY]).jwks(),
        (
            "HMAC secrets are never published. For services that only verify, "
            "use asymmetric keys, such as Key.generate('EdDSA')."
        ),
    ),
    "ring-rotate-kind": (
        lambda: KeyRing([PAIR]).rotate(WORD, 0),
        "rotate takes a Key: a new one, or ring.find(kid).",
    ),
    "ring-rotate-other": (
        lambda: KeyRing([PAIR]).rotate(Key.generate("EdDSA", kid="p"), 0),
        (
            "The ring has another key called 'p': verifiers know that one. Give"
            " the key that was announced, or a new kid."
        ),
    ),
    "ring-rotate-back": (
        lambda: KeyRing([PAIR]).rotate(PAIR, 0),
        "'p' is signing; a key never goes back.",
    ),
    "ring-retire": (
        lambda: KeyRing([PAIR]).retire("x", 0),
        "There is no key 'x' in this ring.",
    ),
    "ring-retire-alone": (
        lambda: KeyRing([PAIR]).retire("p", 0),
        "'p' signs: give its successor.",
    ),
    "ring-heir-public": (
        lambda: KeyRing([PAIR]).retire("p", 0, successor=OTHER_PUBLIC),
        "'q' is public; give its private part.",
    ),
    "ring-heir-same": (
        lambda: KeyRing([PAIR]).retire("p", 0, successor=PAIR),
        (
            "The successor of 'p' is a new key with a new kid: verifiers that "
            "know the old one would go on trusting it."
        ),
    ),
    "ring-announced-twice": (
        lambda: KeyRing([PAIR]).rotate(OTHER, 0).rotate(Key.generate("EdDSA"), 0),
        "'q' is announced already; let it sign, or retire it.",
    ),
    "ring-too-early": (
        lambda: KeyRing([PAIR]).rotate(OTHER, 0).rotate(OTHER, 60),
        (
            "'q' was announced 60 s ago: verifiers may not know it yet. It may "
            "sign from 1970-01-01T00:10:00Z on (in 540 s)."
        ),
    ),
    "ring-promoted-public": (
        lambda: KeyRing([PAIR]).rotate(OTHER_PUBLIC, 0).rotate(OTHER_PUBLIC, 9_999),
        "'q' is public; give its private part.",
    ),
    "pages-one": (
        lambda: Pages("https://a.example"),
        "Give a list of origins; one string would be letters.",
    ),
    "pages-star": (
        lambda: Pages(["https://*.b.*.example"]),
        (
            "'https://*.b.*.example' is no exact origin and no preview: write "
            "https://*.preview.example.com, one star for one label, and nothing"
            " behind the host but a port."
        ),
    ),
    "pages-star-user": (
        lambda: Pages(["https://u:secret@*.example.com"]),
        (
            "That is no exact origin and no preview: write "
            "https://*.preview.example.com, one star for one label, and nothing"
            " behind the host but a port."
        ),
    ),
    "pages-suffix": (
        lambda: Pages(["https://*.co.uk"]),
        (
            "'https://*.co.uk' covers a public suffix, below which anybody can "
            "have a page. Put previews under a domain of your own."
        ),
    ),
    "pages-suffix-below": (
        lambda: Pages(["https://*.compute.estate"]),
        (
            "'https://*.compute.estate' covers a public suffix, below which "
            "anybody can have a page. Put previews under a domain of your own."
        ),
    ),
    "origin-kind": (lambda: Pages([ONE]), "An origin is text, not int."),
    "origin-form": (
        lambda: Pages(["a.example"]),
        (
            "'a.example' is no exact origin: write scheme and host in ASCII and"
            " list each one, such as https://app.example.com."
        ),
    ),
    "origin-host": (
        lambda: Pages(["https://[::g]"]),
        (
            "'https://[::g]' is no exact origin: write scheme and host in ASCII"
            " and list each one, such as https://app.example.com."
        ),
    ),
    "origin-port": (
        lambda: Pages(["https://a.example:0"]),
        "'https://a.example:0' has no usable port.",
    ),
    "origin-more": (
        lambda: Pages(["https://a.example/b"]),
        ("'https://a.example/b' is more than an origin: write https://a.example."),
    ),
    "origin-user": (
        lambda: Pages(["https://u:secret@a.example"]),
        "That is more than an origin: write https://a.example.",
    ),
    "site-http": (
        lambda: Deployment("http://api.example.com"),
        (
            "http://api.example.com is not https: browsers drop Secure cookies "
            "from it. On your own machine use Deployment.insecure_localhost(…)."
        ),
    ),
    "site-profile": (
        lambda: Deployment(API, profile="x"),
        (
            "profile is partitioned or bearer, or left out for pages of the "
            "API's own site."
        ),
    ),
    "site-localhost": (
        lambda: Deployment.insecure_localhost("http://api.example.com"),
        (
            "insecure_localhost is for localhost alone; elsewhere use https and"
            " Deployment(…)."
        ),
    ),
    "site-scheme": (
        lambda: Deployment(API, apps=["http://app.example.com"]),
        (
            "http://app.example.com and https://api.example.com differ in "
            "scheme, which browsers count as another site, and plain http shows"
            " a session to the network. Serve both over https."
        ),
    ),
    "site-far": (
        lambda: Deployment(API, apps=["https://app.example.org"]),
        (
            "https://app.example.org is another site than "
            "https://api.example.com, and its cookies would not arrive "
            "(chromium: SameSite=Lax goes to no other site). Serve the API "
            "under https://example.org, for example through a reverse proxy; or"
            ' choose profile="partitioned" (not in Safari) or profile="bearer".'
        ),
    ),
    "site-hosts": (
        lambda: Deployment.insecure_localhost(
            "http://localhost:8000", apps=["http://127.0.0.1:3000"]
        ),
        (
            "http://127.0.0.1:3000 is another site than http://localhost:8000, "
            "and its cookies would not arrive (chromium: SameSite=Lax goes to "
            "no other site). Write the same host in both: http://localhost."
        ),
    ),
    "site-one-app": (
        lambda: Deployment(API, apps="https://a.example"),
        "apps takes a list, not one string: apps=[…].",
    ),
    "site-proxies": (
        lambda: Deployment(API, proxies=LIST),
        (
            "proxies takes resilient_auth.core.proxies.TrustedProxies | None, "
            "not an object of type list."
        ),
    ),
    "proxies-one": (
        lambda: TrustedProxies("10.0.0.0/8"),
        "networks takes a list, not one string: networks=[…].",
    ),
    "proxies-header": (
        lambda: TrustedProxies(header="x-real-ip"),
        "header is one of x-forwarded-for, forwarded.",
    ),
    "proxies-form": (
        lambda: TrustedProxies(["x"]),
        "'x' is neither 10.0.0.0/8 nor 10.0.0.7 nor unix.",
    ),
    "proxies-bits": (
        lambda: TrustedProxies(["10.0.0.1/8"]),
        "'10.0.0.1/8' is an address inside a network: write 10.0.0.0/8.",
    ),
    "proxies-mapped": (
        lambda: TrustedProxies(["::ffff:10.0.0.0/104"]),
        "'::ffff:10.0.0.0/104': write the IPv4 network itself.",
    ),
    "proxies-wide": (
        lambda: TrustedProxies(["0.0.0.0/0"]),
        (
            "'0.0.0.0/0' is wider than anybody's own network: whoever calls "
            "from it would be believed. List the addresses of your proxies."
        ),
    ),
    "stays-announced": (
        lambda: Stays(announced=-1),
        "announced is a whole number of seconds.",
    ),
    "stays-verify-only": (
        lambda: Stays(verify_only=HALF),
        "verify_only is a whole number of seconds.",
    ),
    "stays-master": (
        lambda: Stays(master=100 * 365 * 86_400 + 1),
        "master is a whole number of seconds.",
    ),
    "stays-reload": (
        lambda: Stays.of(POLICY, reload=-1),
        "reload is a whole number of seconds.",
    ),
    "pace-free": (
        lambda: Pace(free=0),
        "free is a whole number from 1, not 0.",
    ),
    "pace-first": (
        lambda: Pace(free=1, first=0),
        "first is above 0 seconds; None or leaving it out is off.",
    ),
    "pace-longest": (
        lambda: Pace(free=1, longest=0),
        "longest is above 0 seconds; None or leaving it out is off.",
    ),
    "pace-forget": (
        lambda: Pace(free=1, forget=0),
        "forget is above 0 seconds; None or leaving it out is off.",
    ),
    "pace-order": (
        lambda: Pace(free=1, first=2, longest=1),
        "longest is at least first: pauses grow.",
    ),
}


@pytest.mark.parametrize(("build", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_a_sentence_is_whole(build: Callable[[], object], expected: str) -> None:
    """Half of it would be no help: what is wrong, and what to write instead."""
    with pytest.raises(ConfigError) as caught:
        build()

    assert expected == str(caught.value)

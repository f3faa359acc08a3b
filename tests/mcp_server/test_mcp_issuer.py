"""Tokens of an issuer: signature, issuer, audience, time, subject and scopes, by keys that the issuer may change."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from backends.errors import VideoError
from backends.settings import load_settings
from mcp_server import keyring
from mcp_server.issuer import Issuer, issuer_from
from mcp_server.keyring import AGAIN_S, FRESH_S, KEPT_S, KeyRing
from tests.mcp_server.house import House, house
from tests.mcp_server.test_mcp_http import HELLO
from tests.rawclient import home_env

RESOURCE = "https://video.example.org/mcp"


class FakeIssuer:
    """An issuer on loopback. keys: private ones by id; those in `hidden` are not published."""

    def __init__(self) -> None:
        self.keys = {"one": ec.generate_private_key(ec.SECP256R1())}
        self.hidden: set[str] = set()
        self.asked: list[str] = []
        self.documents: dict[str, object] = {}
        self.status = 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                found = outer.documents.get(self.path, outer.document(self.path))
                body = json.dumps(found).encode() if found is not None else b"no"
                self.send_response(outer.status if found is not None else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/team"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def document(self, path: str) -> object:
        if path == "/team/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        if path == "/team/keys":
            return {"keys": [self.public(name) for name in self.keys if name not in self.hidden]}
        return None

    def public(self, name: str) -> dict[str, Any]:
        made = jwt.algorithms.ECAlgorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
        return {**made, "kid": name, "use": "sig"}

    def token(self, kid: str = "one", head: dict[str, Any] | None = None, **claims: object) -> str:
        """A token that is right but for the claims that are given; None leaves one out."""
        now = int(time.time())
        said = {"iss": self.url, "aud": RESOURCE, "sub": "u1", "exp": now + 300, "iat": now, "scope": "video other"}
        kept = {name: value for name, value in (said | claims).items() if value is not None}
        return jwt.encode(kept, self.keys[kid], "ES256", {"kid": kid, "typ": "at+jwt", **(head or {})})


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    made = FakeIssuer()
    yield made
    made.server.shutdown()
    made.server.server_close()


def env(issuer: FakeIssuer, **more: str) -> dict[str, str]:
    named = {"ISSUER": issuer.url, "URL": RESOURCE, "SCOPES": "video", **more}
    return {f"REELWRIGHT_HTTP_{name}": value for name, value in named.items()}


def checks(issuer: FakeIssuer, **more: str) -> Issuer:
    made = issuer_from(env(issuer, **more))
    assert made is not None
    return made


def test_what_is_checked_of_a_token(issuer: FakeIssuer) -> None:
    checker, now = checks(issuer), int(time.time())
    stranger = FakeIssuer()
    stranger.url = issuer.url
    pair = jwt.encode(
        {"iss": issuer.url, "aud": RESOURCE, "sub": "u1", "exp": now + 9}, "k" * 64, "HS256", {"kid": "one"}
    )
    bad = {
        "another's signature": stranger.token(),
        "another issuer": issuer.token(iss="https://evil.example"),
        "another audience": issuer.token(aud="https://other.example/mcp"),
        "no audience": issuer.token(aud=None),
        "over": issuer.token(exp=now - 120),
        "no end": issuer.token(exp=None),
        "not yet": issuer.token(nbf=now + 120),
        "no subject": issuer.token(sub=None),
        "an odd subject": issuer.token(sub="a\nb"),
        "no issuer": issuer.token(iss=None),
        "an unknown key": issuer.token(head={"kid": "two"}),
        "another kind of token": issuer.token(head={"typ": "dpop+jwt"}),
        "a shared secret": pair,
        "no signature": jwt.encode({"iss": issuer.url}, None, "none", {"kid": "one"}),
        "no token": "rw_abc",
        "too long": issuer.token(sub="x" * 20_000),
    }
    stranger.server.server_close()

    async def scene() -> None:
        said = await checker.check(issuer.token())
        assert said is not None and (said.principal, said.scopes) == (f"{issuer.url}#u1", ("video", "other"))
        assert (await checker.check(issuer.token(aud=["x", RESOURCE], scope=None, scp=["video"]))).scopes == ("video",)  # type: ignore[union-attr]
        assert await checker.check(issuer.token(exp=now - 5)), "clocks differ"
        for why, token in bad.items():
            assert await checker.check(token) is None, why

    anyio.run(scene)
    assert issuer.asked.count("/team/keys") == 1, "an unknown key id asks again only after a while"


UNTYPED = {"typ": "JWT"}


def test_an_id_token_lets_nobody_in(issuer: FakeIssuer) -> None:
    """Where the head does not tell the kinds apart, the claims do."""
    checker = checks(issuer, SCOPES="")
    access = {
        "by its head alone": issuer.token(scope=None, nonce="n"),
        "with a scope": issuer.token(head=UNTYPED),
        "with a client": issuer.token(head={"typ": None}, scope=None, client_id="app"),
        "Keycloak's": issuer.token(head=UNTYPED, typ="Bearer", nonce="n"),
        "Cognito's": issuer.token(head=UNTYPED, scope=None, token_use="access"),
    }
    others = {
        "an ID token": issuer.token(head=UNTYPED, scope=None, azp="app"),
        "one with a nonce": issuer.token(head=UNTYPED, nonce="n"),
        "one with a hash of the access token": issuer.token(head=UNTYPED, at_hash="h"),
        "Keycloak's ID token": issuer.token(head=UNTYPED, typ="ID"),
        "Keycloak's refresh token": issuer.token(head=UNTYPED, typ="Refresh"),
        "Cognito's ID token": issuer.token(head=UNTYPED, token_use="id"),
    }

    async def scene() -> None:
        for why, token in access.items():
            assert await checker.check(token) is not None, why
        for why, token in others.items():
            assert await checker.check(token) is None, why

    anyio.run(scene)


def test_keys_are_kept_changed_and_given_up(issuer: FakeIssuer) -> None:
    at = [1000.0]
    ring = KeyRing(issuer.url, lambda: at[0])

    async def known(name: str) -> bool:
        return await ring.key(name) is not None

    async def scene() -> None:
        assert await known("one") and not await known("two")
        issuer.keys["two"] = ec.generate_private_key(ec.SECP256R1())
        assert not await known("two"), "not so soon"
        at[0] += AGAIN_S
        assert await known("two") and await known("one")
        issuer.hidden.add("one")
        assert await known("one"), "taken to be what they were"
        at[0] += FRESH_S + 1
        assert not await known("one") and await known("two")
        issuer.status = 500
        at[0] += KEPT_S - FRESH_S
        assert await known("two"), "the issuer does not answer"
        at[0] += KEPT_S
        assert not await known("two")

    anyio.run(scene)


@pytest.mark.parametrize(
    "change",
    [
        {"/team/.well-known/openid-configuration": {"issuer": "https://evil.example", "jwks_uri": "KEYS"}},
        {"/team/.well-known/openid-configuration": {"issuer": "URL", "jwks_uri": "http://10.0.0.1/keys"}},
        {"/team/keys": {"keys": "x" * (keyring.MOST_BYTES + 1)}},
        {"/team/keys": {"keys": [{"kty": "oct", "k": "AAAA", "kid": "one"}, {"kty": "RSA", "kid": "one"}, 5]}},
        {"/team/keys": ["x"]},
    ],
)
def test_what_is_no_set_of_keys(issuer: FakeIssuer, change: dict[str, object]) -> None:
    written = json.dumps(change).replace("KEYS", f"{issuer.url}/keys").replace('"URL"', f'"{issuer.url}"')
    issuer.documents = json.loads(written)
    assert anyio.run(KeyRing(issuer.url).key, "one") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ISSUER", "http://issuer.example.org"),
        ("ISSUER", "issuer.example.org"),
        ("ISSUER", "https://issuer.example.org#x"),
        ("URL", ""),
        ("URL", "http://video.example.org/mcp"),
    ],
)
def test_what_is_no_issuer(issuer: FakeIssuer, name: str, value: str) -> None:
    with pytest.raises(VideoError, match=f"REELWRIGHT_HTTP_{name} is the https address"):
        issuer_from(env(issuer, **{name: value}))
    assert issuer_from({}) is None


@pytest.fixture
def served(issuer: FakeIssuer, tmp_path: Path) -> Iterator[House]:
    settings = load_settings(home_env(tmp_path), cwd=tmp_path)
    with house(settings, "u1", issuer=checks(issuer)) as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Host": "video.example.org"}


def test_a_client_is_told_where_tokens_come_from(served: House, issuer: FakeIssuer) -> None:
    place = "/.well-known/oauth-protected-resource/mcp"
    answer = served.ask({"Host": "video.example.org"}, body=HELLO)
    assert answer.status == 401
    assert f'resource_metadata="https://video.example.org{place}"' in answer.headers["www-authenticate"]
    told = json.loads(served.ask({"Host": "video.example.org"}, place).body)  # type: ignore[attr-defined]
    assert told["resource"] == RESOURCE and told["authorization_servers"] == [issuer.url]
    assert told["scopes_supported"] == ["video"] and told["bearer_methods_supported"] == ["header"]


def test_the_issuers_people_and_the_servers_own_come_in_by_one_door(served: House, issuer: FakeIssuer) -> None:
    assert served.ask(bearer(issuer.token()), body=HELLO).status == 200
    assert served.ask(bearer(served.tokens["u1"]), body=HELLO).status == 200
    assert served.ask(bearer(issuer.token(exp=1)), body=HELLO).status == 401
    answer = served.ask(bearer(issuer.token(scope="other")), body=HELLO)
    assert answer.status == 403 and 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.anyio
async def test_the_same_name_from_two_sides_is_two_people(served: House, issuer: FakeIssuer, tmp_path: Path) -> None:
    """The subject u1 of the issuer is not the person u1 of this server, whatever else its token claims."""
    from mcp_server.authentication import Doorkeeper

    keeper = Doorkeeper(served.people, None, checks(issuer))
    theirs = await keeper.verify_token(issuer.token(principal="local", client_id="u1"))
    own = await keeper.verify_token(served.tokens["u1"])
    assert theirs is not None and own is not None
    assert (theirs.principal, own.principal) == (f"{issuer.url}#u1", "u1")  # type: ignore[attr-defined]

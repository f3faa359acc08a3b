"""The downloader against real loopback servers, plain and TLS: addresses, redirects, limits, resume."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import pickle
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from backends.errors import VideoError
from backends.media.addresses import is_public, resolve_host
from backends.media.fetch import Fetched, FileTooLarge, fetch
from tests.patience import patient
from tests.samples import photo

BODY = photo("rocket").read_bytes()
Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A loopback server whose answers are functions; it keeps every request's path and headers."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                outer.answers[self.path.partition("?")[0]](self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=partial(self._server.serve_forever, 0.02))
        self._thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def send(body: bytes = BODY, status: int = 200, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


def redirect(to: str, status: int = 302) -> Answer:
    return send(b"", status, Location=to)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server named media.example and of a client that trusts its authority."""
    folder = tmp_path_factory.mktemp("tls")
    key, root = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in ("media.example", "Test Root")]
    now = datetime.datetime.now(datetime.UTC)

    def certificate(subject: x509.Name, public: ec.EllipticCurvePublicKey, ca: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(names[1])
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        )

    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    root_cert = certificate(names[1], root.public_key(), True).add_extension(usage, True).sign(root, hashes.SHA256())
    leaf = certificate(names[0], key.public_key(), False).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("media.example")]), critical=False
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "leaf.pem").write_bytes(private + leaf.sign(root, hashes.SHA256()).public_bytes(pem))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / "leaf.pem")
    return serving, ssl.create_default_context(cadata=root_cert.public_bytes(pem).decode())


def get(url: str, dest: Path, **options: object) -> Fetched:
    arguments: dict[str, object] = {"max_bytes": 10_000_000, "timeout_s": 20} | options
    return anyio.run(partial(fetch, url, dest, **arguments))  # type: ignore[arg-type]


def refusal(url: str, tmp_path: Path, **options: object) -> VideoError:
    with pytest.raises(VideoError) as caught:
        get(url, tmp_path / "file", **options)
    assert not (tmp_path / "file").exists()
    return caught.value


def test_a_file_from_a_trusted_loopback_host(server: Server, tmp_path: Path) -> None:
    server.answers["/a.jpg"] = send(Content_Type="text/plain")
    result = get(f"http://{server.host}/a.jpg?sig=1#x", tmp_path / "file", allow_hosts=frozenset({server.host}))
    assert (tmp_path / "file").read_bytes() == BODY
    assert result.bytes == len(BODY)
    assert result.sha256 == hashlib.sha256(BODY).hexdigest()
    assert result.mime == "image/jpeg"  # by content, not by what the server says
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    path, headers = server.requests[0]
    assert path == "/a.jpg?sig=1"
    assert headers["host"] == server.host
    assert headers["accept-encoding"] == "identity"
    assert not {"cookie", "authorization"} & set(headers)


def test_tls_goes_to_the_checked_address_with_the_hosts_own_name(
    authority: tuple[ssl.SSLContext, ssl.SSLContext], tmp_path: Path
) -> None:
    serving, trusting = authority
    server = Server(serving)
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    try:
        server.answers["/a.jpg"] = send()
        name = f"media.example:{server.port}"
        allowed = {"allow_hosts": frozenset({name}), "resolve": resolve}
        get(f"https://{name}/a.jpg", tmp_path / "file", ssl_context=trusting, **allowed)
        assert asked == [("media.example", server.port)]  # once
        assert server.requests[0][1]["host"] == name
        (tmp_path / "file").unlink()
        error = refusal(f"https://{name}/a.jpg", tmp_path, **allowed)  # the usual authorities don't know this one
        assert (error.kind, error.retryable) == ("network", False)
        assert "its certificate is not trusted" in error.message
        other = f"other.example:{server.port}"  # a trusted authority, but another name
        error = refusal(
            f"https://{other}/a.jpg", tmp_path, ssl_context=trusting, resolve=resolve, allow_hosts=frozenset({other})
        )
        assert "its certificate is not trusted" in error.message
    finally:
        server.close()


PRIVATE = [
    *(
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
    ),
    *(
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
    ),
    *(
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
    ),
    *(
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "2001::1",
        "2001:0:7f00:1::1",
        "2001:db8::1",
        "fc00::1",
        "fd12:3456::1",
        "fe80::1",
        "fe80::1%eth0",
    ),
    *("fec0::1", "ff02::1", "100::1", "5f00::1", "3fff::1", "nonsense"),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_and_disguised_addresses_are_refused(address: str, tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["8.8.8.8", address]  # one bad address among good ones is enough

    error = refusal("https://media.example/a.jpg", tmp_path, resolve=resolve)
    assert error.kind == "asset"
    assert "leads to a private or reserved network address" in error.message
    assert "download the file yourself and give its path" in error.message


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "172.32.0.1"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "[::1]", "127.0.0.1."]
)
def test_every_spelling_of_this_machine_is_refused(host: str, tmp_path: Path) -> None:
    error = refusal(f"https://{host}/a.jpg", tmp_path)
    assert error.kind in ("asset", "network")
    assert any(text in error.message for text in ("private or reserved", "cannot be resolved", "cannot be read"))


def test_the_systems_resolver_is_asked_for_numbers_too() -> None:
    assert ipaddress.ip_address(anyio.run(resolve_host, "127.1", 443)[0]).is_loopback


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://media.example/a.jpg", "only https addresses are fetched: give the https one, or a local file"),
        ("ftp://media.example/a.jpg", "only https addresses are fetched"),
        ("file:///etc/passwd", "only https addresses are fetched"),
        ("https://media.example:8443/a.jpg", r"only the usual https port \(443\) is reached, not 8443"),
        ("https://me:secret@media.example/a.jpg", "an address with a user name or password in it is not fetched"),
        ("https:///a.jpg", "names no host"),
        ("https://exa mple/", "names no host"),
        ("https://[::1", "cannot be read as an address"),
        ("not a url", "only https addresses are fetched"),
    ],
)
def test_addresses_that_are_never_fetched(url: str, text: str, tmp_path: Path) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(f"{host} was looked up")

    with pytest.raises(VideoError, match=text) as caught:
        get(url, tmp_path / "file", resolve=resolve)
    assert caught.value.kind == "asset"
    assert "secret" not in caught.value.message


def test_redirects_are_followed_by_hand_and_checked(server: Server, tmp_path: Path) -> None:
    trusted = frozenset({server.host})
    server.answers |= {
        "/1": redirect("/2"),
        "/2": redirect(f"http://{server.host}/3", 307),
        "/3": redirect("a.jpg", 301),
        "/a.jpg": send(),
        "/loop": redirect("/loop"),
        "/inside": redirect("https://127.0.0.1/a.jpg"),
        "/metadata": redirect("http://169.254.169.254/latest/meta-data"),
        "/port": redirect("https://media.example:22/"),
        "/broken": redirect("https://[::1"),
    }
    result = get(f"http://{server.host}/1", tmp_path / "file", allow_hosts=trusted)
    assert result.final_url == f"http://{server.host}/a.jpg"
    (tmp_path / "file").unlink()
    for path, text in (
        ("/loop", "redirects more than 3 times"),
        ("/inside", "leads to a private or reserved network address"),
        ("/metadata", "only https addresses are fetched"),
        ("/port", "only the usual https port"),
        ("/broken", "leads to an address that cannot be read"),
    ):
        error = refusal(f"http://{server.host}{path}", tmp_path, allow_hosts=trusted)
        assert error.kind == "asset"
        assert text in error.message
    assert len([path for path, _ in server.requests if path == "/loop"]) == 4


def test_headers_of_the_caller_stay_with_the_first_host(server: Server, tmp_path: Path) -> None:
    other = Server()
    try:
        other.answers["/back"] = redirect(f"http://{server.host}/a.jpg")
        other.answers["/a.jpg"] = send()
        server.answers |= {"/out": redirect(f"http://{other.host}/back"), "/a.jpg": send(), "/same": redirect("/a.jpg")}
        trusted = frozenset({server.host, other.host})
        key = {"Authorization": "Bearer key"}
        get(f"http://{server.host}/same", tmp_path / "file", allow_hosts=trusted, headers=key)
        assert [headers.get("authorization") for _, headers in server.requests] == ["Bearer key"] * 2
        server.requests.clear()
        get(f"http://{server.host}/out", tmp_path / "file", allow_hosts=trusted, headers=key)
        assert [headers.get("authorization") for _, headers in server.requests] == ["Bearer key", None]
        assert [headers.get("authorization") for _, headers in other.requests] == [None]
    finally:
        other.close()


def test_the_byte_limit_holds_with_and_without_a_told_length(server: Server, tmp_path: Path) -> None:
    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(1000):
            request.wfile.write(bytes(10_000))

    server.answers |= {"/told": send(bytes(50_000)), "/untold": endless}
    for path in ("/told", "/untold"):
        error = refusal(
            f"http://{server.host}{path}", tmp_path, allow_hosts=frozenset({server.host}), max_bytes=40_000, resume=True
        )
        assert (type(error), error.kind, error.retryable) == (FileTooLarge, "asset", False)
        assert isinstance(error, FileTooLarge) and error.most == 40_000
        assert error.size == (50_000 if path == "/told" else None)
        assert "at most 0 MB are fetched" in error.message
        assert not list(tmp_path.iterdir())
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), again.message, again.size) == (FileTooLarge, error.message, error.size)


def test_statuses_become_errors_with_the_number(server: Server, tmp_path: Path) -> None:
    server.answers |= {
        "/403": send(b"no", 403),
        "/404": send(b"no", 404),
        "/503": send(b"busy", 503, Retry_After="7"),
        "/empty": send(b""),
        "/packed": send(BODY, Content_Encoding="gzip"),
    }
    trusted = frozenset({server.host})
    for path, kind, status, retryable, text in (
        ("/403?key=secret", "asset", 403, False, "it refuses access, or the link has expired"),
        ("/404", "asset", 404, False, "no such file"),
        ("/503", "network", 503, True, "answered 503; try again later"),
        ("/empty", "asset", None, False, "is empty"),
        ("/packed", "asset", None, False, "compressed"),
    ):
        error = refusal(f"http://{server.host}{path}", tmp_path, allow_hosts=trusted)
        assert (error.kind, error.http_status, error.retryable) == (kind, status, retryable)
        assert text in error.message
        assert "secret" not in error.message
    error = refusal(f"http://{server.host}/503", tmp_path, allow_hosts=trusted)
    assert error.retry_after_s == 7
    later = formatdate(time.time() + 60, usegmt=True)
    for said, low, high in (("31536000", 300, 300), ("1.5", 1.5, 1.5), ("-3", 0, 0), (later, 50, 60)):
        server.answers["/503"] = send(b"busy", 503, Retry_After=said)
        wait = refusal(f"http://{server.host}/503", tmp_path, allow_hosts=trusted).retry_after_s
        assert wait is not None and low <= wait <= high, said
    for said in ("\xb2", "soon", "nan", "1_0"):
        server.answers["/503"] = send(b"busy", 503, Retry_After=said)
        error = refusal(f"http://{server.host}/503", tmp_path, allow_hosts=trusted)
        assert (error.kind, error.retryable, error.retry_after_s) == ("network", True, None), said
    assert not list(tmp_path.iterdir())


def test_a_dead_host_and_a_slow_one(server: Server, tmp_path: Path) -> None:
    gate = threading.Event()

    def slow(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.write(b"x")
        request.wfile.flush()
        gate.wait(patient(10))

    server.answers["/slow"] = slow
    trusted = frozenset({server.host})
    error = refusal(f"http://{server.host}/slow", tmp_path, allow_hosts=trusted, timeout_s=0.3)
    gate.set()
    assert (error.kind, error.retryable) == ("timeout", True)
    assert "did not arrive within 0.3 s" in error.message
    dead = Server()
    dead.close()
    error = refusal(f"http://{dead.host}/a", tmp_path, allow_hosts=frozenset({dead.host}))
    assert (error.kind, error.retryable) == ("network", True)
    assert "cannot be reached" in error.message

    async def nobody(host: str, port: int) -> list[str]:
        return []

    error = refusal("https://nowhere.example/a", tmp_path, resolve=nobody)
    assert (error.kind, error.retryable) == ("network", True)
    assert "'nowhere.example' cannot be resolved" in error.message


class Ranged:
    """Serves BODY with an ETag; the first answers break off after `cut` bytes. ranges: whether it knows ranges."""

    def __init__(self, cut: int, *, breaks: int = 1, ranges: bool = True, tag: str = '"v1"') -> None:
        self.cut, self.breaks, self.ranges, self.tag, self.body = cut, breaks, ranges, tag, BODY

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        start = 0
        asked, same = request.headers.get("Range"), request.headers.get("If-Range") == self.tag
        if asked and same and self.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(self.body):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(self.body)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(self.body) - 1}/{len(self.body)}")
        else:
            request.send_response(200)
        if self.tag:
            request.send_header("ETag", self.tag)
        rest = self.body[start:]
        request.send_header("Content-Length", str(len(rest)))
        request.end_headers()
        self.breaks -= 1
        request.wfile.write(rest[: self.cut] if self.breaks >= 0 else rest)


def broken_off(server: Server, tmp_path: Path) -> None:
    error = refusal(f"http://{server.host}/a.jpg", tmp_path, allow_hosts=frozenset({server.host}), resume=True)
    assert (error.kind, error.retryable) == ("network", True)


def again(server: Server, tmp_path: Path) -> Fetched:
    result = get(f"http://{server.host}/a.jpg", tmp_path / "file", allow_hosts=frozenset({server.host}), resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert result.sha256 == hashlib.sha256((tmp_path / "file").read_bytes()).hexdigest()
    return result


def test_a_download_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.answers["/a.jpg"] = Ranged(40_000, breaks=2)
    broken_off(server, tmp_path)
    assert (tmp_path / "file.part").stat().st_size == 40_000
    broken_off(server, tmp_path)
    result = again(server, tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY
    assert result.resumed_from == 80_000
    assert server.requests[1][1]["range"] == "bytes=40000-"
    assert server.requests[1][1]["if-range"] == '"v1"'


def test_a_changed_file_is_never_joined_to_an_older_part(server: Server, tmp_path: Path) -> None:
    ranged = server.answers["/a.jpg"] = Ranged(50_000)
    broken_off(server, tmp_path)
    ranged.tag, ranged.body = '"v2"', BODY[::-1]
    assert again(server, tmp_path).resumed_from == 0
    assert (tmp_path / "file").read_bytes() == BODY[::-1]


def test_another_piece_than_was_asked_for_is_not_joined(server: Server, tmp_path: Path) -> None:
    """A 206 that begins elsewhere: the part is thrown away, and the next try has the whole file."""
    server.answers["/a.jpg"] = Ranged(40_000)
    broken_off(server, tmp_path)
    server.answers["/a.jpg"] = send(BODY[50_000:], 206, Content_Range=f"bytes 50000-{len(BODY) - 1}/{len(BODY)}")
    error = refusal(f"http://{server.host}/a.jpg", tmp_path, allow_hosts=frozenset({server.host}), resume=True)
    assert error.retryable and error.message == "the server sent a different part than was requested; try again"
    server.answers["/a.jpg"] = send()
    assert again(server, tmp_path).resumed_from == 0
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_part_of_absurd_numbers_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    trusted = frozenset({server.host})
    (tmp_path / "file.part").write_bytes(b"half")
    (tmp_path / "file.part.tag").write_text('"v1"', "ascii")
    server.answers["/x"] = send(b"rest", 206, Content_Range=f"bytes {'9' * 5000}-/{'9' * 5000}", ETag='"v1"')
    error = refusal(f"http://{server.host}/x", tmp_path, allow_hosts=trusted, resume=True)
    assert (error.kind, error.retryable) == ("network", True) and "a different part than was requested" in error.message


def test_without_a_validator_or_ranges_it_starts_again(server: Server, tmp_path: Path) -> None:
    server.answers["/a.jpg"] = Ranged(50_000, tag="")
    broken_off(server, tmp_path)
    assert not list(tmp_path.iterdir())
    again(server, tmp_path)
    (tmp_path / "file").unlink()
    server.answers["/a.jpg"] = Ranged(50_000, ranges=False)
    broken_off(server, tmp_path)
    assert again(server, tmp_path).resumed_from == 0
    assert (tmp_path / "file").read_bytes() == BODY


def test_a_part_that_is_whole_already_is_taken(server: Server, tmp_path: Path) -> None:
    server.answers["/a.jpg"] = Ranged(0, breaks=0)
    (tmp_path / "file.part").write_bytes(BODY)
    (tmp_path / "file.part.tag").write_text('"v1"')
    assert again(server, tmp_path).bytes == len(BODY)
    (tmp_path / "file.part").write_bytes(BODY + b"more")  # longer than the file: not it
    (tmp_path / "file.part.tag").write_text('"v1"')
    assert again(server, tmp_path).bytes == len(BODY)
    assert (tmp_path / "file").read_bytes() == BODY


def test_without_resume_nothing_is_left_behind(server: Server, tmp_path: Path) -> None:
    server.answers["/a.jpg"] = Ranged(50_000)
    error = refusal(f"http://{server.host}/a.jpg", tmp_path, allow_hosts=frozenset({server.host}))
    assert "broke off" in error.message
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told(server: Server, tmp_path: Path) -> None:
    server.answers["/a.jpg"] = send()
    code = (
        "import anyio, functools, resource, sys\n"
        "from pathlib import Path\n"
        "from backends.errors import VideoError\n"
        "from backends.media.fetch import fetch\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    anyio.run(functools.partial(fetch, f'http://{sys.argv[1]}/a.jpg', Path(sys.argv[2]), max_bytes=10**7,\n"
        "        timeout_s=20, allow_hosts=frozenset({sys.argv[1]})))\n"
        "except VideoError as error:\n"
        "    print(error.kind, error.message)\n"
    )
    command = [sys.executable, "-c", code, server.host, tmp_path / "file"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.startswith("storage the disk, quota or file size limit below"), run.stderr
    assert not list(tmp_path.iterdir())

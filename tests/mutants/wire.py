"""Ways to break the clients of the paid services."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

C = "backends/cloud/"
P = "backends/provider/"
HTTP = ("tests/provider/test_calls.py", "tests/provider/test_channel.py")

MUTANTS = (
    Mutant(
        "sdk_retries",
        C + "runway/backend.py",
        "max_retries=0",
        "max_retries=2",
        "one call is up to three paid POSTs",
        ("tests/cloud/test_runway_life.py", "tests/cloud/test_runway.py"),
    ),
    Mutant(
        "sdk_retries_openai",
        C + "openai/backend.py",
        "max_retries=0",
        "max_retries=2",
        "one call is up to three paid POSTs",
        ("tests/cloud/test_openai_life.py", "tests/cloud/test_openai.py"),
    ),
    Mutant(
        "timeout_not_sent",
        P + "calls.py",
        'raise self.service.unknown(f"no answer within {total:g} s") from None',
        'raise self.service.not_sent(f"no answer within {total:g} s") from None',
        "a POST that was not answered in time is sent again",
        HTTP,
    ),
    Mutant(
        "reset_not_sent",
        P + "transport.py",
        "not_sent = (library.ConnectError,",
        "not_sent = (library.ReadError, library.RemoteProtocolError, library.ConnectError,",
        "a POST whose connection broke is sent again",
        HTTP,
    ),
    Mutant(
        "5xx_refused",
        P + "outcome.py",
        """        if 400 <= status < 500 and status not in UNCLEAR_4XX:
            return self.refused(status, reported)
        return self.unknown(""",
        """        if 400 <= status < 600 and status not in UNCLEAR_4XX:
            return self.refused(status, reported)
        return self.unknown(""",
        "a job that was taken before a gateway's 502 is called unpaid",
        HTTP,
    ),
    Mutant(
        "unclear_4xx_refused",
        P + "outcome.py",
        "UNCLEAR_4XX = frozenset({408, 425, 499})",
        "UNCLEAR_4XX = frozenset({425})",
        "a job that was taken before a gateway's 408 is called unpaid",
        HTTP,
    ),
    Mutant(
        "any_429_again",
        P + "outcome.py",
        'kind = reported.kind or ("quota" if status == 429 else',
        'kind = reported.kind or ("rate_limited" if status == 429 else',
        "an empty account is asked again for ever",
        HTTP,
    ),
    Mutant(
        "unreadable_is_taken",
        P + "calls.py",
        "        if answer.json is None:\n            raise",
        "        if False:\n            raise",
        "an unreadable answer is taken for a job without an id",
        HTTP,
    ),
    Mutant(
        "keepalive_paid",
        P + "calls.py",
        "self.paid_client = library.client(base_url, self.timing, 0, MAX_ANSWER)",
        "self.paid_client = library.client(base_url, self.timing, 3, MAX_ANSWER)",
        "a POST goes out on a connection that the service is closing",
        HTTP,
    ),
    Mutant(
        "redirects_followed",
        P + "transport.py",
        "follow_redirects=False,  # an SDK",
        "follow_redirects=True,  # an SDK",
        "a paid POST (and its key) goes where a redirect says",
        (*HTTP, "tests/cloud/test_fal.py"),
    ),
    Mutant(
        "own_is_any_host",
        P + "transport.py",
        "return bool(one.host) and (one.scheme, one.host, _port(one)) == (other.scheme, other.host, _port(other))",
        "return True",
        "a key goes to another host",
        HTTP,
    ),
    Mutant(
        "own_is_any_port",
        P + "transport.py",
        "return bool(one.host) and (one.scheme, one.host, _port(one)) == (other.scheme, other.host, _port(other))",
        "return bool(one.host) and (one.scheme, one.host) == (other.scheme, other.host)",
        "a key goes to another service of the same host",
        HTTP,
    ),
    Mutant(
        "answer_without_limit",
        P + "transport.py",
        "                if max(came, given) > self._most:\n",
        "                if False:\n",
        "one answer fills the memory",
        ("tests/provider/test_transport.py",),
    ),
    Mutant(
        "proxy_on_loopback",
        "backends/media/network.py",
        "    if is_loopback(host):\n        return None\n",
        "",
        "a server of one's own is asked through the company's proxy",
        ("tests/media/test_media_network.py",),
    ),
    Mutant(
        "key_in_errors",
        P + "outcome.py",
        '                said = said.replace(secret, "***")\n',
        "                pass\n",
        "a key that a service repeats is shown to the agent",
        HTTP,
    ),
    Mutant(
        "words_unbounded",
        "backends/provider/border.py",
        'return shown if len(shown) <= most else f"{shown[: most - 1]}…"',
        "return shown",
        "a service's words fill the agent's context",
        HTTP,
    ),
    Mutant(
        "words_unclean",
        "backends/provider/border.py",
        '    shown = "".join(char if char.isprintable() else " " for char in encodable(value[: most * 8]))',
        "    shown = encodable(value[: most * 8])",
        "a service's words move the terminal's cursor or forge lines",
        HTTP,
    ),
    Mutant(
        "wait_without_limit",
        "backends/provider/border.py",
        "    if (found := seconds(text, most)) is not None:\n        return found\n    stamp",
        "    if (found := seconds(text, 1e12)) is not None:\n        return found\n    stamp",
        "a paid job waits for as long as a header says",
        ("tests/provider/test_border.py",),
    ),
)

"""The API of real nodes over TLS: callers who are none, requests that were changed or repeated, and plain noise."""

import json
import random
import ssl
import time
from typing import Any

import httpx
import pytest

from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey
from nodes.authentication import WINDOW_MS, RequestSigner
from nodes.client import ApiError, Client
from tests.e2e.network import ALL, ENTROPY, Network

NODE = "hospital-a"


def open_http(network: Network, at: str = NODE) -> httpx.Client:
    """Return a plain client of a node, which signs nothing by itself."""
    context = ssl.create_default_context(cafile=str(network.home.authority_path(at)))
    address = network.network.address(at)
    return httpx.Client(
        base_url=f"https://{address.host}:{address.api_port}", verify=context, timeout=30, trust_env=False
    )


def sign(network: Network, method: str, target: str, body: bytes = b"", **changed: Any) -> dict[str, str]:
    """Return the headers of a request by the insurer, with something changed before it is signed."""
    with network.client(NODE) as client:
        own = client.signer
        signer = RequestSigner(changed.get("key", own.key), own.chain_id, "insurer-a", own.key_version)
    time_ms = time.time_ns() // 1_000_000 + changed.get("late_ms", 0)
    audience = changed.get("audience", NODE)
    return signer.headers(audience, method, target, body, time_ms=time_ms, nonce=ENTROPY.draw(16))


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"key": PrivateKey(bytes(range(32)))}, "signature"),
        ({"audience": "hospital-b"}, "signature"),
        ({"late_ms": -WINDOW_MS - 5_000}, "xinpei-time"),
        ({"late_ms": WINDOW_MS + 5_000}, "xinpei-time"),
    ],
)
def test_a_request_that_its_caller_did_not_make_now_for_this_node_is_refused(
    network: Network, changed: dict[str, Any], word: str
) -> None:
    with open_http(network) as http:
        answer = http.get("/v1/status", headers=sign(network, "GET", "/v1/status", **changed))
    assert answer.status_code == 401
    assert answer.json()["code"] == "AUTHENTICATION"
    assert word in answer.json()["message"]


def test_a_request_is_taken_once_and_only_as_it_was_signed(network: Network) -> None:
    body = encode((network.enrolment(),))
    headers = sign(network, "POST", "/v1/submissions", body) | {"content-type": "application/msgpack"}
    with open_http(network) as http:
        assert http.post("/v1/submissions", content=body + b"\x00", headers=headers).status_code == 401
        assert http.post("/v1/submissions?wait=1", content=body, headers=headers).status_code == 401
        assert http.post("/v1/submissions", content=body, headers=headers).status_code == 200
        again = http.post("/v1/submissions", content=body, headers=headers)
        assert (again.status_code, again.json()["message"][:12]) == (401, "xinpei-nonce")
        assert http.get("/v1/status").status_code == 401
        assert http.get("/v1/health").status_code == 200


def test_a_node_is_who_it_says_or_nobody_talks_to_it(network: Network) -> None:
    with network.client(NODE) as client:
        signer = client.signer
    stranger = network.home.authority_path("hospital-b")
    with (
        Client(network.network.address(NODE), stranger, signer, ENTROPY) as client,
        pytest.raises(ApiError, match="certificate verify failed") as failed,
    ):
        client.get("/v1/status")
    assert failed.value.code == "UNREACHABLE"


def test_noise_at_every_route_of_every_node_never_breaks_it(network: Network) -> None:
    chance = random.Random(2027)
    values: list[Any] = [
        None,
        True,
        -1,
        2**63,
        1.5,
        "",
        "\ud800",
        "\x00",
        "今天",
        "today-3",
        "zz" * 40,
        [],
        {},
        [[{}]],
        {"a": 1},
    ]
    for organisation in ALL:
        with network.client(organisation, caller=organisation) as client, open_http(network, organisation) as http:
            description = http.get("/openapi.json").json()
            schemas = description["components"]["schemas"]
            paths = {path: item for path, item in description["paths"].items() if path != "/v1/events"}  # has no end
            routes = [(path, method.upper()) for path, item in paths.items() for method in item]
            fields = sorted({name for schema in schemas.values() for name in schema.get("properties", {})})
            assert len(routes) >= 6
            for path, method in routes:
                for _ in range(12):
                    target = path
                    while "{" in target:
                        name = target[target.index("{") : target.index("}") + 1]
                        target = target.replace(name, chance.choice(["1", "S-01", "ab" * 32, "%00", "-1", "x" * 300]))
                    noise = {name: chance.choice(values) for name in chance.sample(fields, min(len(fields), 8))}
                    body = chance.choice([json.dumps(noise).encode(), chance.randbytes(30), b"", b"{" * 3000])
                    body = b"" if method == "GET" else body
                    signed = client.signer.headers(
                        organisation, method, target, body, time_ms=time.time_ns() // 1_000_000, nonce=ENTROPY.draw(16)
                    )
                    answer = http.request(method, target, content=body, headers=signed)
                    assert answer.status_code < 500, (organisation, method, target, body, answer.text)
                    if answer.status_code >= 400:
                        assert set(answer.json()) == {"code", "message"}, (method, target, answer.text)
        lines = (network.folder(organisation) / "node.log").read_text()
        assert "Traceback" not in lines
        assert [line for line in network.events(organisation, "log") if line["level"] == "ERROR"] == []
    network.check_agreement(network.enrol())

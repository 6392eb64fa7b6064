"""The client: every request signed, every failure one sentence, nothing trusted but the node's own authority."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ledger.crypto.signatures import PrivateKey
from nodes.authentication import RequestSigner
from nodes.client import ApiError, Client
from nodes.config import ConfigurationError, NodeAddress
from nodes.entropy import SystemEntropy
from tests.nodes.certificates import create_member

ADDRESS = NodeAddress(organisation="hospital-a", host="127.0.0.1", peer_port=1, api_port=2)
SIGNER = RequestSigner(PrivateKey(bytes(range(32))), "xinpei-test", "insurer-a")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "t"
    create_member(folder, "hospital-a")
    return folder / "authority.pem"


def answer_with(authority: Path, respond: Callable[[httpx.Request], httpx.Response]) -> Client:
    """Return a client whose node answers like this."""
    client = Client(ADDRESS, authority, SIGNER, SystemEntropy())
    client._http.close()
    client._http = httpx.Client(base_url="https://127.0.0.1:2", transport=httpx.MockTransport(respond))
    return client


def test_every_request_is_signed_for_its_node_target_and_body(authority: Path) -> None:
    seen: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ok": True})

    with answer_with(authority, respond) as client:
        assert client.post("/v1/stays", {"patient": "王"}, {"wait": 1}) == {"ok": True}
        assert client.get("/v1/status") == {"ok": True}
    for request in seen:
        signature = request.headers["xinpei-signature"]
        expected = SIGNER.headers(
            "hospital-a",
            request.method,
            request.url.raw_path.decode(),
            request.content,
            time_ms=int(request.headers["xinpei-time"]),
            nonce=bytes.fromhex(request.headers["xinpei-nonce"]),
        )
        assert signature == expected["xinpei-signature"]
    assert seen[0].headers["xinpei-nonce"] != seen[1].headers["xinpei-nonce"]
    assert json.loads(seen[0].content) == {"patient": "王"}


@pytest.mark.parametrize(
    ("response", "code", "message"),
    [
        (httpx.Response(409, json={"code": "AUTH-013", "message": "no grant"}), "AUTH-013", "no grant"),
        (httpx.Response(502, text="<html>bad gateway</html>"), "HTTP-502", "<html>bad gateway</html>"),
        (httpx.Response(500, json=["odd"]), "HTTP-500", '["odd"]'),
    ],
)
def test_a_refusal_carries_the_node_s_own_code(
    authority: Path, response: httpx.Response, code: str, message: str
) -> None:
    with answer_with(authority, lambda _: response) as client, pytest.raises(ApiError) as refused:
        client.get("/v1/claims")
    assert (refused.value.code, refused.value.message, refused.value.status) == (code, message, response.status_code)


def test_a_node_that_is_not_there_is_named_with_its_address(authority: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        address = ADDRESS.model_copy(update={"api_port": port})
        with Client(address, authority, SIGNER, SystemEntropy()) as client, pytest.raises(ApiError) as failed:
            client.get("/v1/status")
    assert failed.value.code == "UNREACHABLE"
    assert failed.value.message.startswith(f"hospital-a at 127.0.0.1:{port}: ")
    assert "xinpei status" in failed.value.message


def test_a_node_that_accepts_and_says_nothing_is_given_up(authority: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        address = ADDRESS.model_copy(update={"api_port": deaf.getsockname()[1]})
        with (
            Client(address, authority, SIGNER, SystemEntropy(), timeout_seconds=0.2) as client,
            pytest.raises(ApiError, match="timed out"),
        ):
            client.get("/v1/status")


@pytest.mark.parametrize("contents", [None, b"", b"no certificate"])
def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path, contents: bytes | None) -> None:
    path = tmp_path / "hospital-a.pem"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(ConfigurationError, match=r"hospital-a\.pem: expected the CA certificate of hospital-a"):
        Client(ADDRESS, path, SIGNER, SystemEntropy())


def test_proxies_of_the_environment_are_not_used(authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Client(ADDRESS, authority, SIGNER, SystemEntropy()) as client:
        assert client._http._mounts == {}


def test_a_listing_is_read_page_by_page_to_its_end(authority: Path) -> None:
    pages = {"": (["a", "b"], "b"), "b": ([], "c"), "c": (["d"], None)}

    def respond(request: httpx.Request) -> httpx.Response:
        assert request.url.params["patient"] == "wang"
        rows, following = pages[request.url.params["after"]]
        return httpx.Response(200, json={"records": rows, "next": following})

    with answer_with(authority, respond) as client:
        assert client.list_rows("/v1/received", "records", {"patient": "wang"}) == ["a", "b", "d"]

"""A client of one node's API.

It signs every request, trusts exactly that organisation's authority, and says plainly what went wrong.
The command line, the benchmark and the tests use it; so can any program that holds a member's key or a wallet.
"""

import json
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from ledger.codec import encode
from ledger.errors import LedgerError
from ledger.transactions import Submission
from nodes.authentication import RequestSigner
from nodes.config import ConfigurationError, NodeAddress
from nodes.entropy import Entropy

TIMEOUT_SECONDS = 40.0
"""Longer than any wait that a route offers."""
CONNECT_SECONDS = 5.0
"""A node that does not even greet within this time is stopped or stuck."""


class ApiError(LedgerError):
    """A node's refusal, with its code, or that it cannot be reached."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        """Keep the code for programs and the sentence for people.

        Args:
            code: `UNREACHABLE`, or the node's own.
            message: One sentence.
            status: The HTTP status; 0 if there was no answer.
        """
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Client:
    """One caller's view of one node."""

    def __init__(
        self,
        address: NodeAddress,
        authority: Path,
        signer: RequestSigner,
        entropy: Entropy,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Set up; connects with the first request.

        Args:
            address: Where the node is.
            authority: PEM file of its organisation's CA; nobody else is trusted.
            signer: Who calls.
            entropy: For request nonces.
            timeout_seconds: How long an answer may take.

        Raises:
            ConfigurationError: If the authority's certificate cannot be read.
        """
        self.address = address
        self.signer = signer
        self._entropy = entropy
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(authority)
        except OSError as error:
            msg = (
                f"{authority}: expected the CA certificate of {address.organisation} as PEM ({error.strerror or error})"
            )
            raise ConfigurationError(msg) from None
        self._http = httpx.Client(
            base_url=f"https://{address.host}:{address.api_port}",
            verify=context,
            timeout=httpx.Timeout(timeout_seconds, connect=min(timeout_seconds, CONNECT_SECONDS)),
            trust_env=False,  # a proxy could only break the connection: nothing but the node's certificate is trusted
        )

    def __enter__(self) -> Self:
        """Use it in a with statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def get(self, path: str, parameters: Mapping[str, str | int | float] | None = None) -> Any:
        """Return the JSON answer to a GET; raises `ApiError`."""
        return self._send("GET", path, parameters, b"", "").json()

    def list_rows(self, path: str, field: str, parameters: Mapping[str, str] | None = None) -> list[Any]:
        """Return the rows of every page of a listing; raises `ApiError`.

        Args:
            path: Of the listing, whose answers have `next`: where the next page begins, null on the last one.
            field: The answer's field with the rows.
            parameters: Of each question, beside `after`.
        """
        rows: list[Any] = []
        after: str | None = ""
        while after is not None:
            page = self.get(path, {**(parameters or {}), "after": after})
            rows += page[field]
            after = page["next"]
        return rows

    def get_bytes(self, path: str, parameters: Mapping[str, str | int | float] | None = None) -> bytes:
        """Return the body of the answer to a GET; raises `ApiError`."""
        return self._send("GET", path, parameters, b"", "").content

    def post(self, path: str, body: object, parameters: Mapping[str, str | int | float] | None = None) -> Any:
        """Return the JSON answer to a POST of JSON; raises `ApiError`."""
        data = json.dumps(body, ensure_ascii=False).encode()
        return self._send("POST", path, parameters, data, "application/json").json()

    def post_bytes(self, path: str, data: bytes) -> Any:
        """Return the JSON answer to a POST of a JSON file as it is; raises `ApiError`."""
        return self._send("POST", path, None, data, "application/json").json()

    def submit(self, submissions: tuple[Submission, ...], wait_seconds: float = 0.0) -> Any:
        """Offer submissions, waiting for their receipts if asked; raises `ApiError`."""
        parameters = {"wait": wait_seconds} if wait_seconds else None
        return self._send("POST", "/v1/submissions", parameters, encode(submissions), "application/msgpack").json()

    def _send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | int | float] | None,
        body: bytes,
        content_type: str,
    ) -> httpx.Response:
        request = self._http.build_request(
            method,
            path,
            params=dict(parameters) if parameters else None,
            content=body or None,
            headers={"content-type": content_type} if content_type else None,
        )
        request.headers.update(
            self.signer.headers(
                self.address.organisation,
                method,
                request.url.raw_path.decode("ascii"),
                body,
                time_ms=time.time_ns() // 1_000_000,
                nonce=self._entropy.draw(16),
            )
        )
        try:
            response = self._http.send(request)
        except httpx.HTTPError as error:
            where = f"{self.address.organisation} at {self.address.host}:{self.address.api_port}"
            raise ApiError("UNREACHABLE", f"{where}: {error}; is it running? see `xinpei status`") from None
        if response.is_success:
            return response
        try:
            refusal = response.json()
            code, message = str(refusal["code"]), str(refusal["message"])
        except (ValueError, KeyError, TypeError):
            code, message = f"HTTP-{response.status_code}", response.text[:200]
        raise ApiError(code, message, response.status_code)

"""Signed API requests: who calls a node, without passwords, sessions or tokens.

Every request carries its caller's name, key version, time, nonce and an Ed25519 signature for the purpose
`request` over all of that, the addressed organisation, the method, the target and the length and hash of the body. So a
request cannot be changed, sent to another node, or sent twice; and who sends it is known before its body is read:

    Xinpei-Actor       insurer-a, or a pseudonym c-...
    Xinpei-Key         version of the actor's key, a decimal
    Xinpei-Time        milliseconds since 1970: at most WINDOW_MS old, AHEAD_MS ahead, and not before the node's start
    Xinpei-Nonce       32 hex digits, once per window
    Xinpei-Body        SHA-256 of the body, 64 hex digits; its length is the header Content-Length
    Xinpei-Signature   128 hex digits
    Xinpei-Public-Key  only from a pseudonym that is not enrolled yet: its name is the hash of this key

Nonces are remembered in memory only, so a node that has started again refuses what was dated before; and what is dated
ahead of its clock it serves only when that time has come (`Caller.time_ms`), so that no later life can take it again.

Used by both sides: clients sign, nodes verify. It says who calls, never what the caller may do.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ledger.codec import Struct, encode
from ledger.crypto.hashes import hash_bytes
from ledger.crypto.signatures import PrivateKey, sign_request, verify
from ledger.errors import LedgerError, VerificationError
from ledger.membership import Actor

WINDOW_MS = 60_000
"""How old a request may be; nonces are remembered this long."""

AHEAD_MS = 5_000
"""How far a caller's clock may be ahead of the node's: such a request waits until the node's clock is there."""

NONCES_MAX = 100_000
"""Remembered nonces; a node that sees more within the window refuses further requests until some lapse."""

STRANGER_NONCES_MAX = 10_000
"""As NONCES_MAX, for pseudonyms that the chain does not know: anybody can make those, and must not shut out members."""

ACTOR = "xinpei-actor"
KEY = "xinpei-key"
TIME = "xinpei-time"
NONCE = "xinpei-nonce"
BODY = "xinpei-body"
SIGNATURE = "xinpei-signature"
PUBLIC_KEY = "xinpei-public-key"
LENGTH = "content-length"


class AuthenticationError(LedgerError):
    """A request whose caller is not established; says which part does not hold."""


class _RequestSigned(Struct):
    chain_id: str
    audience: str
    actor: str
    key_version: int
    method: str
    target: str
    body_bytes: int
    body_hash: bytes
    time_ms: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a verified request comes from."""

    name: str
    role: str
    """The member's role, `customer` for pseudonyms."""
    public_key: bytes
    time_ms: int
    """When the caller dated the request; it is served once the node's clock is there."""
    enrolled: bool
    """False for a pseudonym that the chain does not know yet."""


@dataclass(frozen=True, slots=True)
class BodyClaim:
    """What a verified request says about the body that comes behind its headers."""

    length: int
    """Bytes, as signed."""
    body_hash: bytes
    """SHA-256, as signed."""

    def check(self, body: bytes) -> None:
        """Refuse another body than the one that was signed; raises `AuthenticationError`."""
        if len(body) != self.length or hash_bytes(body) != self.body_hash:
            msg = f"{BODY}: the body is not the {self.length} bytes that were signed"
            raise AuthenticationError(msg)


def pseudonym_name(public_key: bytes) -> str:
    """Return the name that certifies its own key: `c-` and base32 of 20 bytes of the key's SHA-256."""
    return "c-" + base64.b32encode(hashlib.sha256(public_key).digest()[:20]).decode().lower()


@dataclass(frozen=True, slots=True)
class RequestSigner:
    """A client's side: one actor on one chain, signing what it sends."""

    key: PrivateKey
    chain_id: str
    actor: str
    key_version: int = 1
    carry_key: bool = False
    """Whether to send the public key along: pseudonyms do."""

    def headers(
        self, audience: str, method: str, target: str, body: bytes, *, time_ms: int, nonce: bytes
    ) -> dict[str, str]:
        """Return the headers that authenticate one request.

        Args:
            audience: The organisation whose node is called.
            method: `GET`, `POST`, ...
            target: Path and query as sent.
            body: The body as sent, possibly empty.
            time_ms: The caller's clock.
            nonce: 16 fresh random bytes.
        """
        digest = hash_bytes(body)
        signed = _RequestSigned(
            self.chain_id, audience, self.actor, self.key_version, method, target, len(body), digest, time_ms, nonce
        )
        headers = {
            ACTOR: self.actor,
            KEY: str(self.key_version),
            TIME: str(time_ms),
            NONCE: nonce.hex(),
            BODY: digest.hex(),
            SIGNATURE: sign_request(self.key, encode(signed)).hex(),
        }
        return headers | ({PUBLIC_KEY: self.key.public_key.hex()} if self.carry_key else {})


class RequestVerifier:
    """A node's side: verifies requests and remembers their nonces."""

    def __init__(self, chain_id: str, audience: str, started_ms: int) -> None:
        """Verify for one node.

        Args:
            chain_id: The network's chain.
            audience: The organisation this node belongs to.
            started_ms: The node's clock at its start: what was dated before, an earlier life may have taken.
        """
        self._chain_id = chain_id
        self._audience = audience
        self._started_ms = started_ms
        self._nonces: dict[tuple[str, bytes], int] = {}
        self._stranger_nonces: dict[tuple[str, bytes], int] = {}

    def verify(
        self,
        headers: Mapping[str, str],
        *,
        method: str,
        target: str,
        now_ms: int,
        height: int,
        find_actor: Callable[[str], Actor | None],
    ) -> tuple[Caller, BodyClaim]:
        """Return who sent a request, and which body it has: to be read and checked by whoever wants it.

        Args:
            headers: The request's headers, names in lower case.
            method: As received.
            target: Path and query as received.
            now_ms: The node's clock.
            height: The height whose keys are in force.
            find_actor: Looks up members and pseudonyms on the chain.

        Raises:
            AuthenticationError: If anything is missing, malformed, stale, repeated or wrongly signed.
        """
        name = _header(headers, ACTOR)
        version = _number(headers, KEY)
        time_ms = _number(headers, TIME)
        nonce = _hex(headers, NONCE, 16)
        claim = BodyClaim(_length(headers), _hex(headers, BODY, 32))
        signature = _hex(headers, SIGNATURE, 64)
        if not now_ms - WINDOW_MS <= time_ms <= now_ms + AHEAD_MS:
            msg = (
                f"{TIME}: expected at most {WINDOW_MS} ms before and {AHEAD_MS} ms after this node's clock {now_ms}, "
                f"got {time_ms}"
            )
            raise AuthenticationError(msg)
        if time_ms < self._started_ms:
            msg = f"{TIME}: {time_ms} is before this node started at {self._started_ms}; sign the request again"
            raise AuthenticationError(msg)
        actor = find_actor(name)
        public_key = self._public_key(actor, name, version, height, headers)
        length, digest = claim.length, claim.body_hash
        signed = _RequestSigned(
            self._chain_id, self._audience, name, version, method, target, length, digest, time_ms, nonce
        )
        try:
            verify("request", public_key, encode(signed), signature)
        except VerificationError as error:
            raise AuthenticationError(str(error)) from None
        if (name, nonce) in self._nonces or (name, nonce) in self._stranger_nonces:
            msg = f"{NONCE}: this request was received before"
            raise AuthenticationError(msg)
        if actor is not None:
            _remember(self._nonces, NONCES_MAX, (name, nonce), time_ms, now_ms)
        else:
            _remember(self._stranger_nonces, STRANGER_NONCES_MAX, (name, nonce), time_ms, now_ms)
        role = actor.role if actor else "customer"
        return Caller(name, role, public_key, time_ms, enrolled=actor is not None), claim

    def _public_key(
        self, actor: Actor | None, name: str, version: int, height: int, headers: Mapping[str, str]
    ) -> bytes:
        if actor is not None:
            try:
                return actor.public_key(version, height)
            except VerificationError as error:
                raise AuthenticationError(str(error)) from None
        if PUBLIC_KEY not in headers:
            msg = f"{ACTOR}: {name} is no member of {self._chain_id}"
            raise AuthenticationError(msg)
        public_key = _hex(headers, PUBLIC_KEY, 32)
        if pseudonym_name(public_key) != name:
            msg = f"{ACTOR}: {name} is not the pseudonym of the key sent with it"
            raise AuthenticationError(msg)
        return public_key


def _remember(
    nonces: dict[tuple[str, bytes], int], nonces_max: int, nonce: tuple[str, bytes], time_ms: int, now_ms: int
) -> None:
    if len(nonces) >= nonces_max:
        for lapsed in [key for key, at_ms in nonces.items() if at_ms < now_ms - WINDOW_MS]:
            del nonces[lapsed]
        if len(nonces) >= nonces_max:
            msg = f"{NONCE}: too many requests within {WINDOW_MS} ms; try again later"
            raise AuthenticationError(msg)
    nonces[nonce] = time_ms


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        msg = f"{name}: this header is missing; every request is signed by its caller"
        raise AuthenticationError(msg)
    return value


def _length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        msg = f"{LENGTH}: expected the body's length, got a transfer encoding"
        raise AuthenticationError(msg)
    return _number(headers, LENGTH) if LENGTH in headers else 0


def _number(headers: Mapping[str, str], name: str) -> int:
    text = _header(headers, name)
    if not (text.isascii() and text.isdecimal() and len(text) <= 16):
        msg = f"{name}: expected a decimal number, got {text[:32]!r}"
        raise AuthenticationError(msg)
    return int(text)


def _hex(headers: Mapping[str, str], name: str, length: int) -> bytes:
    text = _header(headers, name)
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != length or text != value.hex():
        msg = f"{name}: expected {2 * length} lower-case hex digits"
        raise AuthenticationError(msg)
    return value

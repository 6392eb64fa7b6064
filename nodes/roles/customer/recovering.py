"""A customer who lost her wallet gets her pseudonyms back, with the keepers whom she named while she had it.

    1. while she has her key   she names keepers for each pseudonym (`name_keepers`)
    2. her new wallet          asks: a public file with its new keys, each with a proof that it holds it (`ask`)
    3. her keepers             see that it is she, off the chain, and put the keys forward and approve them (`support`)
    4. after the wait          a keeper completes it (`complete`)
    5. her new wallet          takes over the names, and hospital and insurer seal to it from now on (`take_over`)

The old names she has from a list that she kept (`xinpei wallet show --json`), or from her hospital or insurer, who know
whose they are. Every step can be repeated.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from contracts.recovery import AttemptReference, NameKeepers, PutForward, recovery_message
from ledger.codec import ChainId, Name, PublicKey, Signature, Struct
from ledger.crypto.signatures import sign_enrolment
from ledger.errors import DecodeError
from nodes.client import ApiError, Client
from nodes.config import write_file
from nodes.roles.customer.customer import Customer, CustomerError
from nodes.roles.customer.renewing import tell_seal_key
from nodes.schemas import canonical_json
from nodes.wallet import Pseudonym

Call = Callable[[str, str, Struct], object]
"""Calls a contract as a keeper: contract, method, message."""


class LostName(Struct):
    """A pseudonym whose key was lost."""

    hospital: Name
    insurer: Name
    pseudonym: Name


class RecoveryRequest(Struct):
    """One pseudonym, and the key that is to be its own."""

    lost: LostName
    public_key: PublicKey
    plan: int
    key_version: int
    """Of the key that was lost."""
    proof: Signature


class RecoveryFile(Struct):
    """What a new wallet asks its keepers for: public, and worth nothing without them."""

    format: Literal["xinpei-recovery/1"]
    chain_id: ChainId
    requests: Annotated[tuple[RecoveryRequest, ...], Meta(min_length=1, max_length=256)]


def write_recovery(path: Path, file: RecoveryFile) -> None:
    """Write a recovery file."""
    write_file(path, canonical_json.render(file))


def read_recovery(path: Path, chain_id: str) -> RecoveryFile:
    """Return a recovery file; raises `CustomerError` if it is none, or another chain's."""
    try:
        file = canonical_json.parse(path.read_bytes(), RecoveryFile)
    except DecodeError as error:
        msg = f"{path}: expected a recovery file: {error}"
        raise CustomerError(msg) from None
    if file.chain_id != chain_id:
        msg = f"{path}: chain_id: expected {chain_id}, got {file.chain_id}"
        raise CustomerError(msg)
    return file


def name_keepers(
    customer: Customer, organisations: Sequence[str], friends: Sequence[Customer], threshold: int, wait_ms: int
) -> list[Pseudonym]:
    """Name keepers for each pseudonym of a customer that the chain knows; return those pseudonyms.

    Args:
        customer: Whose.
        organisations: Keepers by name.
        friends: Keepers with a wallet of their own; each keeps under its pseudonym for the same hospital and insurer.
        threshold: How many it takes.
        wait_ms: How long a veto is possible.

    Raises:
        ApiError: If the chain refuses them.
        CustomerError: If the chain knows no pseudonym of hers.
    """
    named = []
    for hospital, insurer in customer.pairs():
        pseudonym = customer.pseudonym(hospital, insurer)
        with customer.reach(pseudonym) as client:
            if not client.get("/v1/pseudonym")["enrolled"]:
                continue
            keepers = [*organisations]
            for friend in friends:
                own = friend.pseudonym(hospital, insurer)
                with friend.client(own, client.address.organisation) as theirs:
                    friend.enrol(theirs, own)
                keepers.append(own.name)
            message = NameKeepers(tuple(sorted(keepers)), threshold, wait_ms)
            customer.transact(client, pseudonym, "recovery", "name_keepers", message)
        named.append(pseudonym)
    if not named:
        msg = "keepers: no pseudonym of this wallet is on the chain yet; grant consent first"
        raise CustomerError(msg)
    return named


def ask(customer: Customer, lost: Sequence[LostName]) -> tuple[RecoveryFile, tuple[LostName, ...]]:
    """Return what a new wallet asks the keepers of lost pseudonyms for, and which ones nobody keeps.

    A list of all that a wallet derives has pseudonyms that the chain never saw: there is nothing to recover, and they
    are left out. One that was entered after the keepers were named has none, and is lost; the others are not.

    Args:
        customer: With the new wallet.
        lost: Her old names.

    Raises:
        ApiError: If a node refuses or cannot be reached.
        CustomerError: If no keepers were named for any of them.
    """
    requests: list[RecoveryRequest] = []
    unkept: list[LostName] = []
    for item in lost:
        own = customer.pseudonym(item.hospital, item.insurer)
        key = customer.wallet.next_key(own.chain_id, item.hospital, item.insurer)
        try:
            with customer.reach(own) as client:
                found = client.get(f"/v1/recoveries/{item.pseudonym}")
        except ApiError as error:
            if error.code != "NOT_FOUND":
                raise
            continue
        if not found["plan"]:
            unkept.append(item)
            continue
        plan, version = int(found["plan"]), int(found["key_version"])
        signed = recovery_message(own.chain_id, item.pseudonym, key.public_key, plan, version)
        requests.append(RecoveryRequest(item, key.public_key, plan, version, sign_enrolment(key, signed)))
    if not requests:
        names = ", ".join(item.pseudonym for item in unkept)
        msg = "pseudonyms: expected one that is on the chain, got none"
        if unkept:
            msg = f"{names}: no keepers were named while its key was there; it cannot be recovered"
        raise CustomerError(msg)
    return RecoveryFile("xinpei-recovery/1", customer.chain_id, tuple(requests)), tuple(unkept)


def support(request: RecoveryRequest, keeper: str, client: Client, call: Call) -> bool:
    """Put a request's key forward or approve it, as a keeper; return whether that was still to be done.

    Raises:
        ApiError: If the chain refuses it.
    """
    name = request.lost.pseudonym
    attempt = _find_attempt(client, request)
    if attempt is None:
        call("recovery", "put_forward", PutForward(name, request.public_key, request.proof))
        return True
    if attempt["status"] == "open" and keeper in attempt["approvals"]:
        return False
    call("recovery", "approve", AttemptReference(name, request.public_key))
    return True


def complete(request: RecoveryRequest, client: Client, call: Call) -> bool:
    """Give a pseudonym its new key, as a keeper; return whether that was still to be done; raises `ApiError`."""
    attempt = _find_attempt(client, request)
    if attempt is not None and attempt["status"] == "completed":
        return False
    call("recovery", "complete", AttemptReference(request.lost.pseudonym, request.public_key))
    return True


def take_over(customer: Customer, file: RecoveryFile, save: Callable[[], None]) -> list[Pseudonym]:
    """Have a new wallet hold the names that it was given, and be sealed to from now on; return its pseudonyms.

    Args:
        customer: With the new wallet.
        file: What it asked for; completed by its keepers.
        save: Puts the wallet on the disk.

    Raises:
        ApiError: If a node does not know the new key, or not yet.
    """
    taken = []
    for request in file.requests:
        lost, version = request.lost, request.key_version + 1
        pair = (file.chain_id, lost.hospital, lost.insurer)
        held = customer.pseudonym(lost.hospital, lost.insurer)
        if held.name != lost.pseudonym:
            key = customer.wallet.next_key(*pair)
            if key.public_key != request.public_key:
                msg = f"{lost.pseudonym}: the file asks for the key of another wallet"
                raise CustomerError(msg)
            with customer.client_signing(customer.door(held), lost.pseudonym, key, version) as client:
                client.get("/v1/pseudonym")
            customer.wallet.hold(*pair, lost.pseudonym, version)
            save()
        pseudonym = customer.pseudonym(lost.hospital, lost.insurer)
        tell_seal_key(customer, pseudonym)
        taken.append(pseudonym)
    return taken


def _find_attempt(client: Client, request: RecoveryRequest) -> dict[str, Any] | None:
    """Return the attempt of a request's key, unless it is void and has to be put forward again."""
    found = client.get(f"/v1/recoveries/{request.lost.pseudonym}")
    for attempt in found["attempts"]:
        if attempt["public_key"] == request.public_key.hex() and not attempt["is_stale"]:
            known: dict[str, Any] = attempt
            return known
    return None

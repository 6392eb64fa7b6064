"""Who did it: the transactions behind a dossier's entries, and the signatures over them.

An entry of the state says at which place, by which transaction it was made. The transaction itself is put together
again from the entries, its id compared, and its inclusion in a signed submission checked: so the customer's key stands
behind the grant, the hospital's behind every share, the insurer's behind every confirmation and settlement, and the
rail's behind every receipt.

    deed       signed by       found by
    grant      who gave it     the grant version's place; a revocation, a denial and a countersignature likewise
    attest     who saw papers  the authority's place; of a delegation, the customer herself
    share      the hospital    the share's place
    deliver    the insurer     its signature alone: that it was applied follows from the settlement
    execute    the hospital    the visit's place
    settle     the insurer     the settlement's place
    pay        the rail        the payment step's place; a redirection, and a statement about the attempt of a rail that
                               was removed, by the insurer, likewise
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from contracts.executions import Execute
from contracts.grants import Countersign, GrantVersion, Revoke
from contracts.identifiers import Place
from contracts.mandates import Attest, Authority
from contracts.settlements import Conclude, Pay, Payment, PaymentStep, Redirect, Settle, Settlement
from contracts.stays import Deliver, Share
from ledger import merkle
from ledger.codec import Struct, encode
from ledger.errors import VerificationError
from ledger.transactions import Transaction
from nodes.audit.evidence import Act, Batch, Evidence

Party = Literal["customer", "attestor", "hospital", "insurer", "rail"]


class Deed(NamedTuple):
    """One transaction that a dossier shows the signature of."""

    what: str
    party: Party
    method: str
    """`contract.method`."""
    message: Struct
    place: Place | None
    """Where the state says it was applied; None where only its signature is shown."""
    signer: str | None = None
    """Of a customer's deed, or one of an organisation that need not be a party: the name."""


def list_deeds(evidence: Evidence) -> Iterator[Deed]:
    """Yield the deeds of a dossier in the order of its acts.

    Raises:
        VerificationError: If the proof that a settlement moved nothing is missing.
    """
    holders = {authority.authority_id: authority.holder for authority in evidence.authorities}
    for authority in evidence.authorities:
        yield _attest(authority)
    for shown in evidence.grants:
        for version in shown.versions:
            yield _give("grant", version, holders)
        for item in shown.countersignatures:
            grant_id, signature = shown.versions[-1].grant.grant_id, item.signature
            signed = Countersign(grant_id, item.version, signature.authority)
            what = f"countersignature of {grant_id} version {item.version}"
            yield Deed(what, "customer", "consent.countersign", signed, signature.place, signature.holder)
    for denied in evidence.denials:
        for version in denied.versions:
            yield _give("denial", version, holders)
    for share in evidence.shares:
        message = Share(share.record_id, share.recipient, share.grant_id)
        yield Deed(f"share of {share.record_id}", "hospital", "records.share", message, share.place)
    for share in evidence.shares:
        what = f"confirmation of {share.record_id}"
        yield Deed(what, "insurer", "records.deliver", Deliver(share.record_id), None)
    for execution in evidence.executions:
        entered = Execute(execution.outcome, execution.signature)
        yield Deed(f"visit {execution.sequence}", "hospital", "visits.execute", entered, execution.place)
    blindings = iter(evidence.zero_blindings)
    rails = {payment.payment_id: payment.steps[0].rail for payment in evidence.payments}
    for settlement in evidence.settlements:
        yield _settle(settlement, rails, blindings)
    if next(blindings, None) is not None:
        msg = "evidence zero_blindings: more than settlements that moved nothing"
        raise VerificationError(msg)
    for payment in evidence.payments:
        for step in payment.steps[1:]:
            yield _move(payment, step)


def _attest(authority: Authority) -> Deed:
    message = Attest(
        authority.authority_id,
        authority.kind,
        authority.subject,
        authority.holder,
        authority.documents,
        authority.scope,
        authority.from_ms,
        authority.until_ms,
        authority.minority,
    )
    party: Party = "customer" if authority.kind == "delegate" else "attestor"
    what = f"authority {authority.authority_id}"
    return Deed(what, party, "authorities.attest", message, authority.place, authority.given_by)


def _give(name: str, version: GrantVersion, holders: Mapping[str, str]) -> Deed:
    grant = version.grant
    what = f"{name} {grant.grant_id} version {version.version}"
    if version.status != "REVOKED":
        return Deed(what, "customer", "consent.grant", grant, version.place, grant.grantor.name)
    signer = grant.subject if version.authority is None else holders.get(version.authority)
    return Deed(what, "customer", "consent.revoke", Revoke(grant.grant_id, version.authority), version.place, signer)


def _settle(settlement: Settlement, rails: Mapping[str, str], blindings: Iterator[bytes]) -> Deed:
    outcome = settlement.outcome
    what = f"settlement {outcome.version}"
    blinding = None
    rail = None if settlement.payment_id is None else rails.get(settlement.payment_id)
    if outcome.disposition == "none":
        blinding = next(blindings, None)
        if blinding is None:
            msg = f"evidence zero_blindings: {what} moved nothing, and the proof of that is missing"
            raise VerificationError(msg)
    message = Settle(outcome, settlement.signature, settlement.payment_id, blinding, rail)
    return Deed(what, "insurer", "claims.settle", message, settlement.place)


def _move(payment: Payment, step: PaymentStep) -> Deed:
    what = f"receipt {step.status} of {payment.payment_id}"
    if step.status == "due":
        message = Redirect(payment.payment_id, step.payee_version, step.rail)
        return Deed(f"redirection of {payment.payment_id}", "insurer", "claims.redirect", message, step.place)
    if step.is_stated:
        stated = Conclude(payment.payment_id, step.status == "paid")
        return Deed(
            f"statement {step.status} of {payment.payment_id}", "insurer", "claims.conclude", stated, step.place
        )
    if step.idempotency_key is None:
        msg = f"{what}: expected the idempotency key of its attempt"
        raise VerificationError(msg)
    receipt = Pay(payment.payment_id, step.idempotency_key, step.status)
    return Deed(what, "rail", "claims.pay", receipt, step.place, step.rail)


def rebuild(chain_id: str, deed: Deed, act: Act, batch: Batch) -> Transaction:
    """Return the transaction of a deed."""
    contract, _, method = deed.method.partition(".")
    return Transaction(
        chain_id,
        batch.signer,
        batch.key_version,
        contract,
        method,
        encode(deed.message),
        act.nonce,
        act.expires_height,
        act.expires_ms,
    )


def batch_nodes(leaves: Sequence[bytes], shown: frozenset[int]) -> tuple[bytes, ...]:
    """Return the roots of what is left out of a batch, from the left.

    Args:
        leaves: All leaf hashes of the batch.
        shown: The positions of the leaves that are shown.
    """
    return tuple(_left_out(leaves, shown, 0, len(leaves)))


def batch_root(count: int, leaves: Mapping[int, bytes], nodes: Sequence[bytes]) -> bytes:
    """Return the RFC 9162 root of a batch from some leaf hashes and the roots of what is left out.

    Raises:
        VerificationError: If the nodes are not exactly those that are needed.
    """
    if not leaves or max(leaves) >= count:
        msg = f"batch: expected positions below {count}, got {max(leaves, default='none')}"
        raise VerificationError(msg)
    rest = iter(nodes)
    root = _join(leaves, rest, 0, count)
    if next(rest, None) is not None:
        msg = f"batch: more than the nodes that {len(leaves)} of {count} transactions need"
        raise VerificationError(msg)
    return root


def _left_out(leaves: Sequence[bytes], shown: frozenset[int], start: int, end: int) -> Iterator[bytes]:
    if not any(start <= index < end for index in shown):
        yield merkle.root(leaves[start:end])
    elif end - start > 1:
        middle = start + _half(end - start)
        yield from _left_out(leaves, shown, start, middle)
        yield from _left_out(leaves, shown, middle, end)


def _join(leaves: Mapping[int, bytes], nodes: Iterator[bytes], start: int, end: int) -> bytes:
    if not any(start <= index < end for index in leaves):
        node = next(nodes, None)
        if node is None:
            msg = f"batch: the node over transactions {start} to {end - 1} is missing"
            raise VerificationError(msg)
        return node
    if end - start == 1:
        return leaves[start]
    middle = start + _half(end - start)
    left = _join(leaves, nodes, start, middle)
    return merkle.node_hash(left, _join(leaves, nodes, middle, end))


def _half(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1

"""The file that proves one attempt to see a customer's records, allowed or refused, without a node.

    part            what it is                                       what binds it
    chain           chain id and genesis hash                        the headers; an entry of the proven state
    certificates    as in a dossier                                  signatures of more than two thirds, set after set
    attempt         who would have seen what, the decision, place    the proof, at the subject's sequence
    counted         instead of it: what the chain counted of one     the proof, at the subject's sequence
                    member on one day, with the latest attempt
    head            how many there are of both about the subject     the proof
    order           a regulator's order, where one was permitted     the proof, under the attempt's order id

It proves that the chain decided so at that place: that nothing was shared follows for a refusal, because the contracts
write no share with it. It does not say what happened outside the chain; that somebody asked a node point to point
is the word of the custodian who signed the entry. It names a pseudonym, so it is for those who
may know that.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from contracts.attempts import Attempt, AttemptHead, Counted
from contracts.field_sets import list_fields
from contracts.orders import Order, find_basis
from ledger.application import Application
from ledger.codec import ChainId, Hash, Name, Struct, decode, encode
from ledger.execution.state import encode_key
from ledger.state_multiproof import StateMultiProof, join_proofs, verify_many
from nodes.audit.collect import Blocks, CollectionError, collect_certificates
from nodes.audit.dossier import CERTIFICATES_MAX, Certificate
from nodes.audit.evidence import founding_entry
from nodes.audit.expectation import expect, expect_canonical
from nodes.audit.trust import Ground, Language, Trust, check_ground, describe_trust
from nodes.schemas.canonical_json import parse, plain
from nodes.schemas.civil_time import show_time

FORMAT: Literal["xinpei-access/2"] = "xinpei-access/2"
LIMITS = {
    "en": "not proven: who the pseudonym is, and what anybody does outside the chain",
    "zh": "未证明：化名背后是谁，以及任何人在链外的行为",
}

WORD = {
    "en": "that {asker} asked is the word of {signer}, whose node turned it away: nobody signs such a question",
    "zh": "{asker} 曾索取一事由 {signer} 所述，其节点予以拒绝：此类询问无人签名",
}
"""Of an attempt of kind `fetch`."""


class AccessProof(Struct):
    """One attempt, as of the last certificate's height."""

    format: Literal["xinpei-access/2"]
    chain_id: ChainId
    genesis_hash: Hash
    subject: Name
    sequence: Annotated[int, Meta(ge=1)]
    certificates: Annotated[tuple[Certificate, ...], Meta(min_length=1, max_length=CERTIFICATES_MAX)]
    attempt: Attempt
    """The entry; of a running one, the latest that it counts."""
    counted: Counted | None
    """The running entry, if it is about one."""
    head: AttemptHead
    order: Order | None
    proof: StateMultiProof


@dataclass(frozen=True)
class VerifiedAccess:
    """What a file proved; made by `verify_access` only."""

    file: AccessProof
    ground: Ground
    """As of which height and time, and what that rests on."""


def collect_access(
    application: Application, blocks: Blocks, subject: str, sequence: int, *, is_counted: bool = False
) -> AccessProof:
    """Return the proof of one attempt, or of one running entry, as of the latest committed height.

    Raises:
        CollectionError: If there is no such entry.
    """
    head = application.read(encode_key("attempts", "heads", subject))
    value = application.read(_entry_key(subject, sequence, is_counted=is_counted))
    if head is None or value is None:
        msg = f"{subject}: there is no attempt {sequence} at height {application.height}"
        raise CollectionError(msg)
    counted = decode(value, Counted) if is_counted else None
    attempt = decode(value, Attempt) if counted is None else counted.latest
    order = None
    if attempt.decision == "permit" and attempt.order_id is not None:
        found = application.read(encode_key("access", "orders", attempt.order_id))
        assert found is not None, "a permitted order is an entry"
        order = decode(found, Order)
    counts = decode(head, AttemptHead)
    stated = _list_entries(application.genesis.hash, subject, sequence, attempt, counted, counts, order)
    return AccessProof(
        FORMAT,
        application.genesis.chain_id,
        application.genesis.hash,
        subject,
        sequence,
        collect_certificates(application, blocks),
        attempt,
        counted,
        counts,
        order,
        join_proofs(application.roots, {key: (entry, application.prove(key)) for key, entry in stated.items()}),
    )


def verify_access(data: bytes, trust: Trust) -> VerifiedAccess:
    """Check everything about a file.

    Args:
        data: The file.
        trust: What the verifier begins with.

    Raises:
        VerificationError: Naming the first thing that does not hold.
    """
    with expect_canonical():
        file = parse(data, AccessProof)
    ground = check_ground(trust, file.chain_id, file.genesis_hash, file.certificates)
    attempt, order = file.attempt, file.order
    counted = file.counted
    entries = _list_entries(file.genesis_hash, file.subject, file.sequence, attempt, counted, file.head, order)
    verify_many(ground.header.state_root, entries, file.proof)
    expect("attempt subject", file.subject, attempt.subject)
    if counted is not None:
        expect("counted attempt", plain(counted.latest), plain(attempt))
    expected = attempt.order_id if attempt.decision == "permit" else None
    expect("order", expected, None if order is None else order.order_id)
    return VerifiedAccess(file, ground)


def summarise_access(verified: VerifiedAccess) -> dict[str, Any]:
    """Return what a file proved as JSON values."""
    file, header = verified.file, verified.ground.header
    released = file.attempt.field_set
    return {
        "subject": file.subject,
        "attempt": plain(file.attempt),
        "number": file.sequence,
        "counted": None if file.counted is None else plain(file.counted),
        "attempts": file.head.count,
        "order": None if file.order is None else plain(file.order),
        "fields": [] if released is None else list(list_fields(released)),
        "as_of": {"height": header.height, "time_ms": header.time_ms, "state_root": header.state_root.hex()},
        "trust": [*describe_trust(verified.ground), *_list_limits(file.attempt, "en")],
    }


def render_access(verified: VerifiedAccess, language: Language) -> list[str]:
    """Return what a file proved as lines for people."""
    file, header = verified.file, verified.ground.header
    attempt = file.attempt
    what = f"{attempt.record_type or ''} {attempt.record_id or attempt.claim_id or attempt.stay_id}".strip()
    is_chinese = language == "zh"
    decided = f"{attempt.code} {attempt.condition}"
    if attempt.decision == "deny":
        verdict = f"已拒绝：{decided}" if is_chinese else f"REFUSED: {decided}"
    else:
        released = attempt.field_set or attempt.kind
        verdict = f"已允许：{released}" if is_chinese else f"permitted: {released}"
    place = attempt.place
    version = f"第 {attempt.grant_version} 版" if is_chinese else f"version {attempt.grant_version}"
    rests = attempt.order_id or (attempt.basis if attempt.grant_id is None else f"{attempt.grant_id} {version}") or "-"
    lines = [
        f"{attempt.recipient} · {attempt.kind} · {what} · {attempt.hospital}",
        f"{verdict} · {attempt.purpose} · {rests}",
        (
            f"高度 {place.height}，第 {place.index} 笔，{show_time(place.time_ms)}；交易 {place.transaction_id.hex()}"
            if is_chinese
            else f"height {place.height}, transaction {place.index}, {show_time(place.time_ms)}: "
            f"{place.transaction_id.hex()}"
        ),
        _number(file, header.height, is_chinese=is_chinese),
    ]
    basis = None if attempt.basis is None else find_basis(attempt.basis)
    if basis is not None:
        lines.append(basis.law_zh if is_chinese else basis.law_en)
    if attempt.names_person:
        lines.append("客户身份一并开示" if is_chinese else "with who the customer is")
    return [*lines, *describe_trust(verified.ground, language), *_list_limits(attempt, language)]


def _list_limits(attempt: Attempt, language: Language) -> list[str]:
    """Return what a file does not prove; of a question point to point also that it was asked."""
    word = [WORD[language].format(signer=attempt.signer, asker=attempt.recipient)] if attempt.kind == "fetch" else []
    return [*word, LIMITS[language]]


def _number(file: AccessProof, height: int, *, is_chinese: bool) -> str:
    """Return which entry it is of how many; of a running one, how many attempts it counts."""
    if file.counted is None:
        if is_chinese:
            return f"{file.subject} 的第 {file.sequence} 次，共 {file.head.count} 次，截至高度 {height}"
        return f"attempt {file.sequence} of {file.head.count} about {file.subject}, as of height {height}"
    count, signer, since = file.counted.count, file.counted.signer, show_time(file.counted.first.time_ms)
    if is_chinese:
        return f"{signer} 当日超限，自 {since} 起共 {count} 次，以上为最近一次；关于 {file.subject}，截至高度 {height}"
    return f"the latest of {count} by {signer} beyond a day's entries, since {since}; {file.subject}, height {height}"


def _entry_key(subject: str, sequence: int, *, is_counted: bool) -> bytes:
    return encode_key("attempts", "counted" if is_counted else "attempts", (subject, sequence))


def _list_entries(
    genesis_hash: bytes,
    subject: str,
    sequence: int,
    attempt: Attempt,
    counted: Counted | None,
    head: AttemptHead,
    order: Order | None,
) -> dict[bytes, bytes | None]:
    """Return the state entries that a file states."""
    entries: dict[bytes, bytes | None] = {
        _entry_key(subject, sequence, is_counted=counted is not None): encode(attempt if counted is None else counted),
        encode_key("attempts", "heads", subject): encode(head),
    }
    if order is not None:
        entries[encode_key("access", "orders", order.order_id)] = encode(order)
    return entries | founding_entry(genesis_hash)

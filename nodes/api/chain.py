"""The routes that every node has: health, status, submissions, receipts, blocks, queries."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ledger.codec import decode
from ledger.errors import DecodeError, InvalidTransactionError
from ledger.limits import SUBMISSION_BYTES_MAX
from ledger.transactions import Submission
from nodes.api.callers import AnyCaller, Member, Node
from nodes.api.errors import ForbiddenError, NotFoundError
from nodes.audit.collect import collect_checkpoint
from nodes.network.waiting import TransactionPlace
from nodes.schemas import canonical_json

MESSAGE_PACK = "application/msgpack"
WAIT_SECONDS_MAX = 30.0
SUBMISSIONS_MAX = 64
"""Submissions of one request; each is at most SUBMISSION_BYTES_MAX, the body as a whole is bounded by `app`."""

router = APIRouter(prefix="/v1", tags=["chain"])


class Health(BaseModel):
    """That this node serves."""

    organisation: str
    height: int


class PeerInfo(BaseModel):
    """How it stands with a peer."""

    name: str
    connected: bool
    height: int | None
    """The height it is deciding, as far as it told; None if it has not."""
    reason: str
    """Why it is not connected, or why the last connection ended."""


class Status(BaseModel):
    """Where the chain stands at this node, and what it waits for."""

    organisation: str
    chain_id: str
    genesis: str
    height: int
    """The last committed height."""
    first_height: int
    """The first height whose block this node has: above 1 if it began from a snapshot."""
    syncing: str
    """How far a snapshot has been taken, if this node takes one; or nothing."""
    time_ms: int
    validators: dict[str, int]
    """Who votes at the height that is being decided, and with which power."""
    deciding: int
    """The height that is being decided."""
    round: int
    step: str
    """unstarted, propose, prevote, precommit or commit; unstarted: there is nothing to decide, nobody is waited for."""
    proposer: str
    """Who proposes in this round."""
    has_proposal: bool
    """Whether this round's proposal is here."""
    missing_block: str
    """Hash of a block that a quorum committed and that is not here yet; or nothing."""
    prevoted: list[str]
    precommitted: list[str]
    missing: list[str]
    """Whose vote of this step's type is not here: prevotes up to prevote, then precommits; nobody's if unstarted."""
    power_lacking: int
    """What those that are here lack to a quorum; 0 if unstarted."""
    next_timeout: str
    """Step of the timeout that elapses next; or nothing."""
    next_timeout_ms: int
    waiting_submissions: int
    pending_evidence: int
    """Proofs of double signing that wait for a block."""
    signing: str
    """`yes`, or why this node does not vote."""
    halted: str
    """Why this node stopped taking part; or nothing."""
    store: str
    """Engine of the store."""
    peers: list[PeerInfo]
    refused: list[str]
    """The latest connections that this node did not take: from where, and why."""


class ReceiptInfo(BaseModel):
    """What became of a transaction."""

    transaction: str
    height: int
    index: int
    code: str
    reason: str
    charges: int
    events: list[dict[str, str]]


class SubmissionAnswer(BaseModel):
    """The transactions of accepted submissions, and their receipts as far as they were waited for."""

    transactions: list[str]
    receipts: list[ReceiptInfo | None]


class QueryRequest(BaseModel):
    """A contract's query."""

    contract: Annotated[str, Field(max_length=64)]
    method: Annotated[str, Field(max_length=64)]
    arguments: Annotated[str, Field(max_length=64 * 1024, pattern=r"^([0-9a-f]{2})*$")]
    """The canonical encoding of the query's message, in hex."""


class QueryAnswer(BaseModel):
    """The answer's canonical encoding, and the height it was read at."""

    result: str
    height: int


@router.get("/health")
async def health(node: Node) -> Health:
    """Say that this node serves; the only route without a caller."""
    return Health(organisation=node.organisation, height=node.view.height)


@router.get("/status")
async def status(node: Node, _caller: AnyCaller) -> Status:
    """Say where consensus stands and what it waits for."""
    consensus = node.status()
    heights = {peer.peer: peer.height for peer in consensus.peers}
    return Status(
        organisation=node.organisation,
        chain_id=node.view.chain_id,
        genesis=node.application.genesis.hash.hex(),
        height=node.view.height,
        first_height=node.files.blocks.first_height,
        syncing=node.snapshots.syncing.progress,
        time_ms=node.view.time_ms,
        validators={item.name: item.power for item in node.application.validators(consensus.height).validators},
        deciding=consensus.height,
        round=consensus.round,
        step=consensus.step,
        proposer=consensus.proposer,
        has_proposal=consensus.has_proposal,
        missing_block=consensus.missing_block,
        prevoted=list(consensus.prevoted),
        precommitted=list(consensus.precommitted),
        missing=list(consensus.missing),
        power_lacking=consensus.power_lacking,
        next_timeout=consensus.next_timeout,
        next_timeout_ms=consensus.next_timeout_ms,
        waiting_submissions=consensus.waiting_submissions,
        pending_evidence=consensus.pending_evidence,
        signing=consensus.signing,
        halted=consensus.halted,
        store=node.store_engine,
        peers=[
            PeerInfo(name=peer.name, connected=peer.outgoing, height=heights.get(peer.name), reason=peer.reason)
            for peer in node.peers()
        ],
        refused=[f"{address}: {reason}" for address, reason in node.refusals()],
    )


@router.post("/submissions")
async def submit(
    request: Request,
    node: Node,
    caller: AnyCaller,
    wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX)] = 0.0,
) -> SubmissionAnswer:
    """Offer submissions: a msgpack array of them, or the JSON form of one.

    Customers offer their own only; members may pass on anybody's, because each carries its signer's signature.
    """
    submissions = _read_submissions(request.headers.get("content-type", ""), await request.body())
    for submission in submissions:
        if caller.role == "customer" and submission.signer != caller.name:
            raise ForbiddenError("signer", f"the caller {caller.name}", submission.signer)
    for number, submission in enumerate(submissions, 1):
        try:
            await node.submit(submission)
        except InvalidTransactionError as error:
            if len(submissions) == 1:
                raise
            msg = f"submission {number} of {len(submissions)}: {error.message}; the ones before it were taken"
            raise InvalidTransactionError(error.code, msg) from None
    ids = [transaction.id for submission in submissions for transaction in submission.transactions]
    places = await node.wait_for(ids, wait) if wait > 0 else ()
    return SubmissionAnswer(
        transactions=[item.hex() for item in ids],
        receipts=[
            None if place is None else describe_receipt(item, place) for item, place in zip(ids, places, strict=False)
        ],
    )


@router.get("/transactions/{transaction_id}")
async def show_transaction(
    node: Node,
    _caller: AnyCaller,
    transaction_id: str,
    wait: Annotated[float, Query(ge=0, le=WAIT_SECONDS_MAX)] = 0.0,
) -> ReceiptInfo:
    """Return a transaction's receipt, waiting for it if asked."""
    identifier = _read_hash(transaction_id)
    (place,) = await node.wait_for((identifier,), wait) if wait else (node.find(identifier),)
    if place is None:
        msg = f"transaction {transaction_id}: not on the chain up to height {node.view.height}"
        if node.files.blocks.first_height > 1:
            msg = f"{msg}, or before it: {node.files.blocks.describe_absence(1)}"
        raise NotFoundError(msg)
    return describe_receipt(identifier, place)


@router.get("/blocks/{height}")
async def show_block(node: Node, _caller: Member, height: int) -> dict[str, object]:
    """Return a block with its certificate and receipts."""
    block = node.files.blocks.block(height) if 0 < height <= node.view.height else None
    if block is None:
        msg = f"block {height}: {node.files.blocks.describe_absence(height)}"
        raise NotFoundError(msg)
    commit, receipts = node.files.blocks.commit(height), node.files.blocks.receipts(height)
    assert commit is not None, "a stored block has its certificate"
    assert receipts is not None, "a stored block has its receipts"
    return {
        "hash": block.header.hash.hex(),
        "header": canonical_json.plain(block.header),
        "commit": canonical_json.plain(commit),
        "submissions": [canonical_json.plain(submission) for submission in block.submissions],
        "receipts": [canonical_json.plain(receipt) for receipt in receipts],
    }


@router.get("/checkpoint")
async def show_checkpoint(node: Node, _caller: AnyCaller) -> Response:
    """Return the latest header with the set that votes next: for whoever trusts this node, and compares the hash."""
    return Response(canonical_json.render(collect_checkpoint(node.application)), media_type="application/json")


@router.post("/query")
async def query(node: Node, _caller: Member, asked: QueryRequest) -> QueryAnswer:
    """Run a contract's query on the latest state; members only, since they hold the state anyway."""
    result = node.application.query(asked.contract, asked.method, bytes.fromhex(asked.arguments))
    return QueryAnswer(result=result.hex(), height=node.view.height)


def describe_receipt(transaction_id: bytes, place: TransactionPlace) -> ReceiptInfo:
    """Return a receipt as the API shows it."""
    receipt = place.receipt
    return ReceiptInfo(
        transaction=transaction_id.hex(),
        height=place.height,
        index=place.index,
        code=receipt.code,
        reason=receipt.reason,
        charges=receipt.charges,
        events=[{"contract": event.contract, "name": event.name, "data": event.data.hex()} for event in receipt.events],
    )


def _read_submissions(content_type: str, body: bytes) -> tuple[Submission, ...]:
    if not content_type.startswith(MESSAGE_PACK):
        return (canonical_json.read(body, Submission),)
    several = decode(body, tuple[Submission, ...], SUBMISSIONS_MAX * SUBMISSION_BYTES_MAX)
    if not 1 <= len(several) <= SUBMISSIONS_MAX:
        msg = f"submissions: expected 1 to {SUBMISSIONS_MAX}, got {len(several)}"
        raise DecodeError(msg)
    return several


def _read_hash(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 32:
        msg = f"transaction: expected 64 hex digits, got {text[:80]!r}"
        raise DecodeError(msg)
    return value

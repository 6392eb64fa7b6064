"""The routes of every node, under good and bad input: a clear refusal each time, and a chain that stays as it was."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from contracts.membership import FindActor
from ledger.codec import encode
from ledger.crypto.signatures import PrivateKey
from ledger.transactions import Submission, make_submission
from nodes.audit.trust import read_checkpoint
from nodes.authentication import RequestSigner, pseudonym_name
from nodes.config import Home
from nodes.schemas import canonical_json
from tests.nodes.network.solo import ENTROPY, NAME, OTHER, Solo, found, run_solo

Test = Callable[[Solo], Awaitable[None]]
BLOB = "ff" * 32
ENDLESS = "/v1/events"
"""Its answer has no end, and it takes no body; `test_events` has the noise for it."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return found(tmp_path_factory.mktemp("home") / "n")


def play(home: Home, test: Test) -> None:
    """Run a test against a running node."""

    async def run() -> None:
        async with run_solo(home) as solo:
            await test(solo)

    asyncio.run(run())


def check_refused(response: httpx.Response, status: int, code: str, *words: str) -> None:
    """Check that an answer is a refusal in the API's one shape and says these words."""
    refusal = response.json()
    assert (response.status_code, refusal["code"]) == (status, code), refusal
    assert set(refusal) == {"code", "message"}
    for word in words:
        assert word in refusal["message"], refusal


def list_routes(solo: Solo) -> list[tuple[str, str]]:
    """Return method and path of everything that the API's own description lists."""
    return [(method.upper(), path) for path, item in solo.app.openapi()["paths"].items() for method in item]


async def check_unchanged(solo: Solo, test: Test) -> None:
    """Check that whatever a test does adds no block and leaves nothing waiting."""
    before = solo.node.view.height
    await test(solo)
    assert (solo.node.view.height, solo.node.status().waiting_submissions) == (before, 0)


# -------------------------------------------------------------------------------------------------- what is served


def test_health_is_open_and_everything_else_is_signed(home: Home) -> None:
    async def test(solo: Solo) -> None:
        assert (await solo.api.get("/v1/health")).json() == {"organisation": NAME, "height": solo.node.view.height}
        routes = [route for route in list_routes(solo) if route[1] != "/v1/health"]
        assert len(routes) >= 5
        for method, template in routes:
            path = template.replace("{height}", "1").replace("{transaction_id}", BLOB).replace("{grant_id}", "g")
            body = {"contract": "membership", "method": "actor", "arguments": "", "proof": "ab" * 64}
            answer = await solo.api.request(method, path, json=body)
            check_refused(answer, 401, "AUTHENTICATION", "xinpei-actor")

    play(home, test)


def test_submissions_come_as_message_pack_or_json_and_give_receipts(home: Home) -> None:
    async def test(solo: Solo) -> None:
        two = (solo.submission(2), solo.submission())
        answer = (await solo.submit(*two, wait=20)).json()
        ids = [transaction.id.hex() for submission in two for transaction in submission.transactions]
        assert answer["transactions"] == ids
        assert [receipt["code"] for receipt in answer["receipts"]] == ["OK"] * 3
        one = solo.submission()
        answer = (await solo.send("POST", "/v1/submissions?wait=20", canonical_json.render(one))).json()
        receipt = answer["receipts"][0]
        assert receipt["transaction"] == one.transactions[0].id.hex()
        assert (await solo.send("GET", f"/v1/transactions/{receipt['transaction']}")).json() == receipt
        block = (await solo.send("GET", f"/v1/blocks/{receipt['height']}")).json()
        assert block["receipts"][receipt["index"]]["code"] == "OK"

    play(home, test)


def test_a_checkpoint_is_the_latest_header_with_the_set_that_votes_next(home: Home) -> None:
    async def test(solo: Solo) -> None:
        await solo.submit(solo.submission(), wait=20)
        answer = await solo.send("GET", "/v1/checkpoint")
        checkpoint = read_checkpoint(answer.content)
        assert checkpoint.header.height > 0
        assert checkpoint.validators == solo.node.application.validators(checkpoint.header.height + 1)

    play(home, test)


def test_a_query_gives_what_the_state_holds(home: Home) -> None:
    async def test(solo: Solo) -> None:
        body = {"contract": "membership", "method": "actor", "arguments": encode(FindActor(OTHER)).hex()}
        answer = await solo.send("POST", "/v1/query", json.dumps(body).encode())
        assert answer.status_code == 200, answer.text
        assert OTHER.encode().hex() in answer.json()["result"]
        assert answer.json()["height"] == solo.node.view.height

    play(home, test)


# ------------------------------------------------------------------------------------------------ bad submissions


def resign(solo: Solo, **changed: Any) -> Submission:
    """Return a submission of one enrolment with changed fields, signed as it is."""
    return make_submission(solo.keys[NAME].submission, (solo.transaction(**changed),))


BAD: dict[str, tuple[Callable[[Solo], Submission], str]] = {
    "of another chain": (lambda solo: resign(solo, chain_id="xinpei-other"), "chain"),
    "expired by height": (lambda solo: resign(solo, expires_height=0), "expire"),
    "expired by time": (lambda solo: resign(solo, expires_ms=1), "expire"),
    "that expires too late": (lambda solo: resign(solo, expires_height=10**6), "expire"),
    "of an unknown signer": (lambda solo: resign(solo, signer="nobody"), "nobody"),
    "of a key version that is not there": (lambda solo: resign(solo, key_version=9), "version"),
    "with another's signature": (lambda solo: replace(solo.submission(), signature=bytes(64)), "signature"),
    "signed by another member": (
        lambda solo: make_submission(solo.keys[OTHER].submission, (solo.transaction(),)),
        "signature",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_submission_is_refused(home: Home, case: str) -> None:
    make, word = BAD[case]

    async def test(solo: Solo) -> None:
        response = await solo.submit(make(solo))
        refusal = response.json()
        assert response.status_code in {400, 409}, refusal
        assert word in refusal["message"].lower(), refusal

    play(home, lambda solo: check_unchanged(solo, test))


def test_a_replayed_transaction_is_refused_whoever_passes_it_on(home: Home) -> None:
    async def test(solo: Solo) -> None:
        submission = solo.submission()
        assert (await solo.submit(submission, wait=20)).status_code == 200
        before = solo.node.view.height
        for caller in (NAME, OTHER):
            check_refused(await solo.submit(submission, signer=solo.signer(caller)), 409, "REPLAYED")
        assert solo.node.view.height == before

    play(home, test)


def test_a_copy_of_a_transaction_by_a_stranger_does_not_burn_the_real_one(home: Home) -> None:
    async def test(solo: Solo) -> None:
        real = solo.submission()
        copy = make_submission(solo.keys[OTHER].submission, real.transactions)
        renamed = make_submission(
            solo.keys[OTHER].submission, tuple(replace(item, signer=OTHER) for item in real.transactions)
        )
        refusal = await solo.submit(copy, signer=solo.signer(OTHER))
        assert refusal.status_code == 409, refusal.text
        answer = (await solo.submit(renamed, wait=20, signer=solo.signer(OTHER))).json()
        assert answer["receipts"][0]["code"] != "OK"  # the customer's proof names its sponsor
        assert answer["transactions"] != [real.transactions[0].id.hex()]
        answer = (await solo.submit(real, wait=20)).json()
        assert answer["receipts"][0]["code"] == "OK"

    play(home, test)


def test_a_batch_says_which_submission_was_refused_and_what_was_taken(home: Home) -> None:
    async def test(solo: Solo) -> None:
        good = solo.submission()
        response = await solo.submit(good, resign(solo, expires_ms=1), solo.submission())
        refusal = response.json()
        assert response.status_code == 409
        assert "submission 2 of 3" in refusal["message"]
        (place,) = await solo.node.wait_for((good.transactions[0].id,), 20)
        assert place is not None

    play(home, test)


def test_a_customer_submits_for_herself_only(home: Home) -> None:
    async def test(solo: Solo) -> None:
        key = PrivateKey(ENTROPY.draw(32))
        customer = RequestSigner(key, solo.chain_id, pseudonym_name(key.public_key), carry_key=True)
        response = await solo.submit(solo.submission(), signer=customer)
        check_refused(response, 403, "FORBIDDEN", customer.actor, NAME)
        for target in ("/v1/blocks/1",):
            check_refused(await solo.send("GET", target, signer=customer), 403, "FORBIDDEN", "member")

    play(home, lambda solo: check_unchanged(solo, test))


# ---------------------------------------------------------------------------------------------------- bad requests


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/msgpack"),
        (b"\xc1", "application/msgpack"),
        (b"\x90", "application/msgpack"),
        (b"\x91" * 5_000, "application/msgpack"),
        (b"\xdd\xff\xff\xff\xff", "application/msgpack"),
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"\xff\xfe", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"{}", "text/plain"),
        (b'{"transactions": [], "signature": "\\ud800"}', "application/json"),
        (b'{"transactions": [], "signature": "' + b"A" * 88 + b'"}', "application/json"),
        (b"1e400", "application/json"),
        (b"9" * 5_000, "application/json"),
    ],
)
def test_a_malformed_submission_is_refused(home: Home, body: bytes, content_type: str) -> None:
    async def test(solo: Solo) -> None:
        response = await solo.send("POST", "/v1/submissions", body, content_type=content_type)
        check_refused(response, 400, "MALFORMED")

    play(home, lambda solo: check_unchanged(solo, test))


def test_json_of_every_wrong_type_in_every_field_is_refused(home: Home) -> None:
    wrong: list[Any] = [None, True, -1, 2**70, 1.5, "", "\ud800", "\x00", "zz", [], {}, [[]], {"a": 1}, "é" * 300]

    async def test(solo: Solo) -> None:
        good = json.loads(canonical_json.render(solo.submission()))
        for where in (good, good["transactions"][0]):
            for field, value in list(where.items()):
                for bad in wrong:
                    where[field] = bad
                    response = await solo.send("POST", "/v1/submissions", json.dumps(good).encode())
                    assert response.status_code in {400, 409}, (field, bad, response.text)
                    assert response.json()["message"], (field, bad)
                where[field] = value

    play(home, lambda solo: check_unchanged(solo, test))


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "NOT_FOUND"),
        ("GET", "/", 404, "NOT_FOUND"),
        ("DELETE", "/v1/status", 405, "METHOD"),
        ("GET", "/v1/submissions", 405, "METHOD"),
        ("GET", "/v1/blocks/0", 404, "NOT_FOUND"),
        ("GET", "/v1/blocks/-1", 404, "NOT_FOUND"),
        ("GET", "/v1/blocks/99999999999999999999999999", 404, "NOT_FOUND"),
        ("GET", "/v1/blocks/one", 422, "MALFORMED"),
        ("GET", f"/v1/transactions/{BLOB}", 404, "NOT_FOUND"),
        ("GET", "/v1/transactions/zz", 400, "MALFORMED"),
        ("GET", "/v1/transactions/%00", 400, "MALFORMED"),
        ("GET", f"/v1/transactions/{BLOB}?wait=nan", 422, "MALFORMED"),
        ("GET", f"/v1/transactions/{BLOB}?wait=-1", 422, "MALFORMED"),
        ("GET", f"/v1/transactions/{BLOB}?wait=31", 422, "MALFORMED"),
    ],
)
def test_a_request_for_nothing_is_refused(home: Home, method: str, target: str, status: int, code: str) -> None:
    async def test(solo: Solo) -> None:
        check_refused(await solo.send(method, target), status, code)

    play(home, test)


@pytest.mark.parametrize(
    "body",
    [
        {"contract": "nothing", "method": "actor", "arguments": ""},
        {"contract": "membership", "method": "nothing", "arguments": ""},
        {"contract": "customers", "method": "enrol", "arguments": ""},
        {"contract": "membership", "method": "actor", "arguments": "ff"},
        {"contract": "membership", "method": "actor", "arguments": "FF"},
        {"contract": "membership", "method": "actor", "arguments": "0"},
        {"contract": "\ud800", "method": "actor", "arguments": ""},
        {"contract": "\x00", "method": "__init__", "arguments": ""},
        {"contract": "membership", "method": "actor"},
        [],
        None,
        "x" * 100_000,
    ],
)
def test_a_query_for_nothing_is_refused(home: Home, body: object) -> None:
    async def test(solo: Solo) -> None:
        response = await solo.send("POST", "/v1/query", json.dumps(body).encode())
        assert response.status_code in {400, 409, 422}, response.text
        assert set(response.json()) == {"code", "message"}

    play(home, test)


def test_random_bodies_at_every_route_never_break_the_node(home: Home) -> None:
    chance = random.Random(20261122)
    words = [b"null", b"{}", b"[]", b'"', b"\\ud800", b"1e999", b"\x00", b"\xc1", b"\x93", b"contract", b"find", b"%00"]

    def draw_body() -> bytes:
        parts = [chance.choice([chance.choice(words), chance.randbytes(chance.randrange(20))]) for _ in range(6)]
        return b"".join(parts)

    async def test(solo: Solo) -> None:
        for method, template in list_routes(solo):
            if template == ENDLESS:
                continue
            for _ in range(60):
                path = template
                while "{" in path:
                    name = path[path.index("{") : path.index("}") + 1]
                    path = path.replace(name, chance.choice(["1", BLOB, "%ff%00", "..", "-1", "é", "%F0%9F"]))
                target = httpx.URL("https://node" + path).raw_path.decode("ascii")
                kind = chance.choice(["application/json", "application/msgpack", "", "text/html; charset=?"])
                body = draw_body()
                response = await solo.send(method, target, body, content_type=kind)
                assert response.status_code < 500, (method, target, body, response.text)
                if response.status_code >= 400:
                    assert set(response.json()) == {"code", "message"}, (method, target, body)
        assert (await solo.api.get("/v1/health")).status_code == 200

    play(home, lambda solo: check_unchanged(solo, test))


def test_random_changes_to_a_good_submission_change_nothing(home: Home) -> None:
    chance = random.Random(7)

    async def test(solo: Solo) -> None:
        good = encode((solo.submission(),))
        for _ in range(300):
            body = bytearray(good)
            for _ in range(chance.randrange(1, 4)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            cut = bytes(body[: chance.choice([len(body), chance.randrange(len(body))])])
            if cut != good:
                response = await solo.send("POST", "/v1/submissions", cut, content_type="application/msgpack")
                assert response.status_code in {400, 409}, response.text

    play(home, lambda solo: check_unchanged(solo, test))


def test_a_node_that_began_from_a_snapshot_says_where_its_blocks_begin(home: Home) -> None:
    async def test(solo: Solo) -> None:
        for _ in range(2):
            await solo.submit(solo.submission(), wait=20)
        blocks = solo.node.files.blocks
        blocks._first = first = blocks.height()
        blocks._store.write({b"b/" + (first - 1).to_bytes(8): None})
        words = (
            f"begin at height {first}",
            f"snapshot of height {first - 1}",
            f"ask a node that has height {first - 1}",
        )
        check_refused(await solo.send("GET", f"/v1/blocks/{first - 1}"), 404, "NOT_FOUND", *words)
        check_refused(await solo.send("GET", f"/v1/transactions/{BLOB}"), 404, "NOT_FOUND", "or before it", *words[:2])
        lost = await solo.send("GET", ENDLESS, headers={"last-event-id": str(first - 2)})
        check_refused(lost, 404, "NOT_FOUND", *words)
        assert (await solo.send("GET", f"/v1/blocks/{first}")).status_code == 200
        assert (await solo.send("GET", "/v1/status")).json()["first_height"] == first

    play(home, test)

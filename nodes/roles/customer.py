"""What a customer does: enrol, read the notice, grant, show who she is, revoke, and have her records erased.

It acts with a wallet through the APIs of the two organisations that a pseudonym is for. Nothing of it runs in a node.
Every step can be repeated: an enrolled pseudonym stays enrolled, a grant that is on the chain is found again, and a
disclosure that was taken is answered with the same judgement.
"""

import base64
import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.erasures import ASK_RECORDS_MAX, Ask
from contracts.grants import (
    Grant,
    Grantee,
    Grantor,
    IdentityCommitment,
    Notice,
    Permission,
    RecordType,
    Revoke,
    Scope,
)
from ledger.codec import Struct, decode, encode
from ledger.errors import LedgerError
from ledger.genesis import Genesis
from ledger.transactions import Transaction, make_submission
from nodes.authentication import RequestSigner
from nodes.client import ApiError, Client
from nodes.config import Home
from nodes.entropy import Entropy
from nodes.identity import Disclosure, RecordDates
from nodes.schemas.notice import Language, NoticeTerms, hash_notice, render_notice
from nodes.wallet import Challenge, Pseudonym, Wallet

RECORD_TYPES: tuple[RecordType, ...] = ("admission", "discharge-summary", "interim-bill", "invoice", "item-list")
EXPIRY_HEIGHTS = 500
EXPIRY_MS = 10 * 60 * 1000
WAIT_SECONDS = 20.0
GRANT_DAYS = 365
"""How long a standing grant runs unless the customer says otherwise."""
BACK_DAYS = 366
"""How far back the records meant reach, so that a stay at hand is among them."""
RETENTION_DAYS = 5 * 365
CHINA = dt.timezone(dt.timedelta(hours=8))
EPOCH = dt.date(1970, 1, 1)


class CustomerError(LedgerError):
    """Something a customer wanted and does not get; says why."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A grant that is drawn up and not yet signed: what the notice speaks of."""

    pseudonym: Pseudonym
    grant: Grant
    notices: Mapping[Language, str]
    disclosures: Mapping[str, Disclosure]
    """Organisation -> what will be sealed to it."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A grant on the chain, and what both parties found."""

    grant_id: str
    pseudonym: str
    links: Mapping[str, str]
    """Organisation -> `matched` or `mismatch`."""


class Customer:
    """One customer at one network."""

    def __init__(self, home: Home, genesis: Genesis, wallet: Wallet, entropy: Entropy) -> None:
        """Act with a wallet.

        Args:
            home: Where the nodes' addresses and authorities are.
            genesis: The network's, with the members' seal keys.
            wallet: Hers.
            entropy: For nonces, salts and identifiers.
        """
        self._home = home
        self._genesis = genesis
        self._wallet = wallet
        self._entropy = entropy
        self._network = home.load_network()

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return every (hospital, insurer) of the network: she has a pseudonym for each."""
        hospitals = [item.name for item in self._genesis.organisations if item.role == "hospital"]
        insurers = [item.name for item in self._genesis.organisations if item.role == "insurer"]
        return tuple((hospital, insurer) for hospital in hospitals for insurer in insurers)

    def pseudonym(self, hospital: str, insurer: str) -> Pseudonym:
        """Return her pseudonym towards a hospital and an insurer.

        Raises:
            CustomerError: If one of them is no member of that role.
        """
        for name, role in ((hospital, "hospital"), (insurer, "insurer")):
            member = self._genesis.organisation(name)
            if member is None or member.role != role:
                known = ", ".join(item.name for item in self._genesis.organisations if item.role == role)
                msg = f"{role}: expected one of {known}, got {name}"
                raise CustomerError(msg)
        return self._wallet.pseudonym(self._genesis.chain_id, hospital, insurer)

    def client(self, pseudonym: Pseudonym, organisation: str) -> Client:
        """Return a client of an organisation's node, calling as a pseudonym."""
        signer = RequestSigner(
            pseudonym.key, self._genesis.chain_id, pseudonym.name, pseudonym.key_version, carry_key=True
        )
        return Client(
            self._network.address(organisation), self._home.authority_path(organisation), signer, self._entropy
        )

    # ------------------------------------------------------------------------------------------------- consent

    def draw_up(self, hospital: str, insurer: str, language: Language, *, one_case: bool = False) -> Offer:
        """Return a grant to read and then to sign.

        Args:
            hospital: Who provides.
            insurer: Who receives.
            language: Of the notice that is signed.
            one_case: Whether only the next claim is meant.
        """
        pseudonym = self.pseudonym(hospital, insurer)
        today = dt.datetime.now(CHINA).date()
        first, last = today - dt.timedelta(days=BACK_DAYS), today + dt.timedelta(days=GRANT_DAYS)
        dates = RecordDates((first - EPOCH).days, (last - EPOCH).days, self._entropy.draw(32))
        disclosures = {name: self._wallet.make_disclosure(self._entropy, dates) for name in (hospital, insurer)}
        expires = dt.datetime.combine(last, dt.time(), CHINA)
        erase = expires + dt.timedelta(days=RETENTION_DAYS)
        terms = NoticeTerms(
            hospital=hospital,
            insurer=insurer,
            record_types=RECORD_TYPES,
            first_day=first.isoformat(),
            last_day=last.isoformat(),
            expires=expires.date().isoformat(),
            erase=erase.date().isoformat(),
            contact_hospital=self._contact(hospital),
            contact_insurer=self._contact(insurer),
        )
        languages: tuple[Language, ...] = ("zh", "en")
        notices = {item: render_notice(terms, item) for item in languages}
        grant = Grant(
            grant_id=f"grant-{self._entropy.draw(8).hex()}",
            version=1,
            previous_version=None,
            subject=pseudonym.name,
            grantor=Grantor("customer", pseudonym.name, None),
            grantee=Grantee(insurer, "insurer"),
            sources=(hospital,),
            purpose="HPAYMT",
            scope=Scope("one-case" if one_case else "standing", (), RECORD_TYPES, dates.commitment),
            permission=Permission(
                mode="STORE",
                uses_max=None,
                frequency=None,
                erase_at_ms=int(erase.timestamp() * 1000),
                expires_at_ms=int(expires.timestamp() * 1000),
            ),
            execution="data-to-insurer",
            notice=Notice(language, hash_notice(notices[language])),
            identities=tuple(
                IdentityCommitment(name, disclosures[name].commitment) for name in sorted((hospital, insurer))
            ),
        )
        return Offer(pseudonym, grant, notices, disclosures)

    def sign(self, offer: Offer, on_step: Callable[[str], None] = lambda _: None) -> Granted:
        """Sign a grant, show both parties who she is, and wait for their links.

        Args:
            offer: What she has read.
            on_step: Told what happens.

        Raises:
            ApiError: If a node refuses or cannot be reached.
            CustomerError: If the grant or a link does not get onto the chain.
        """
        pseudonym, grant = offer.pseudonym, offer.grant
        parties = (pseudonym.hospital, pseudonym.insurer)
        with (
            self.client(pseudonym, pseudonym.insurer) as insurer,
            self.client(pseudonym, pseudonym.hospital) as hospital,
        ):
            on_step("enrolling the pseudonym")
            self._enrol(hospital, pseudonym)
            on_step("signing the grant")
            transaction_id = self._transact(hospital, pseudonym, "consent", "grant", grant)
            clients = {pseudonym.hospital: hospital, pseudonym.insurer: insurer}
            for party in parties:
                on_step(f"{party}: comparing with its master data")
                clients[party].get(f"/v1/transactions/{transaction_id}", {"wait": WAIT_SECONDS})
                self._disclose(clients[party], offer, party)
            links = self._await_links(hospital, grant.grant_id, parties)
        return Granted(grant.grant_id, pseudonym.name, links)

    def revoke(self, grant_id: str) -> None:
        """End a grant of hers, at once and for good.

        Raises:
            CustomerError: If it is not hers or did not get onto the chain.
        """
        pseudonym, _ = self.find_grant(grant_id)
        with self.client(pseudonym, pseudonym.hospital) as client:
            self._transact(client, pseudonym, "consent", "revoke", Revoke(grant_id))

    def records(self) -> list[tuple[Pseudonym, dict[str, Any]]]:
        """Return all her records with the pseudonym that each is about, and who has them."""
        found = []
        for hospital, insurer in self.pairs():
            pseudonym = self.pseudonym(hospital, insurer)
            with self.client(pseudonym, hospital) as client:
                after: str | None = ""
                while after is not None:
                    page = client.get("/v1/records", {"after": after})
                    found += [(pseudonym, record) for record in page["records"]]
                    after = page["next"]
        return found

    def show_record(self, pseudonym: Pseudonym, record_id: str) -> dict[str, Any]:
        """Return one record, with who has it."""
        with self.client(pseudonym, pseudonym.hospital) as client:
            found: dict[str, Any] = client.get(f"/v1/records/{record_id}")
        return found

    def ask_erasure(self, pseudonym: Pseudonym, stay_id: str, record_ids: list[str], holder: str | None) -> None:
        """Have records of one stay erased.

        Args:
            pseudonym: Whom they are about.
            stay_id: The stay.
            record_ids: At least one.
            holder: The one holder that is asked; None for everybody who has them.

        Raises:
            ApiError: If the chain refuses: every holder was asked before, or this one has none of them.
            CustomerError: If the request did not get onto the chain.
        """
        with self.client(pseudonym, pseudonym.hospital) as client:
            for begin in range(0, len(record_ids), ASK_RECORDS_MAX):
                some = tuple(sorted(record_ids)[begin : begin + ASK_RECORDS_MAX])
                self._transact(client, pseudonym, "erasure", "ask", Ask(stay_id, some, holder))

    def grants(self) -> list[tuple[Pseudonym, dict[str, object]]]:
        """Return all her grants with the pseudonym each was given by."""
        found = []
        for hospital, insurer in self.pairs():
            pseudonym = self.pseudonym(hospital, insurer)
            with self.client(pseudonym, hospital) as client:
                after = ""
                while True:
                    page = client.get("/v1/grants", {"after": after})
                    found += [(pseudonym, grant) for grant in page["grants"]]
                    if not page["more"]:
                        break
                    after = page["grants"][-1]["grant_id"]
        return found

    def find_grant(self, grant_id: str) -> tuple[Pseudonym, dict[str, object]]:
        """Return one of her grants by its id or the start of it.

        Raises:
            CustomerError: If none or several begin so.
        """
        found = [item for item in self.grants() if str(item[1]["grant_id"]).startswith(grant_id)]
        if len(found) != 1:
            msg = f"grant: expected the id of one of your grants, got {grant_id[:64]!r}, which fits {len(found)}"
            raise CustomerError(msg)
        return found[0]

    # ------------------------------------------------------------------------------------------------- private

    def _enrol(self, client: Client, pseudonym: Pseudonym) -> None:
        proof = pseudonym.prove_enrolment(client.address.organisation)
        client.post("/v1/enrolments", {"proof": proof.hex()})

    def _transact(self, client: Client, pseudonym: Pseudonym, contract: str, method: str, message: Struct) -> str:
        status = client.get("/v1/status")
        transaction = Transaction(
            chain_id=self._genesis.chain_id,
            signer=pseudonym.name,
            key_version=pseudonym.key_version,
            contract=contract,
            method=method,
            arguments=encode(message),
            nonce=self._entropy.draw(16),
            expires_height=int(status["height"]) + EXPIRY_HEIGHTS,
            expires_ms=max(int(status["time_ms"]), time.time_ns() // 1_000_000) + EXPIRY_MS,
        )
        answer = client.submit((make_submission(pseudonym.key, (transaction,)),), WAIT_SECONDS)
        receipt = answer["receipts"][0]
        if receipt is None:
            msg = f"{contract}.{method}: no block within {WAIT_SECONDS:.0f} s; see `xinpei status`"
            raise CustomerError(msg)
        if receipt["code"] != "OK":
            raise ApiError(receipt["code"], receipt["reason"])
        return transaction.id.hex()

    def _disclose(self, client: Client, offer: Offer, party: str) -> None:
        grant_id = offer.grant.grant_id
        member = self._genesis.organisation(party)
        assert member is not None, "a party is a member"
        asked = client.post(f"/v1/grants/{grant_id}/challenge", {})
        challenge = decode(bytes.fromhex(asked["challenge"]), Challenge)
        sealed = offer.pseudonym.disclose(offer.disclosures[party], party, member.seal_key, f"identity.{grant_id}")
        client.post(
            f"/v1/grants/{grant_id}/identity",
            {
                "sealed": base64.b64encode(encode(sealed)).decode(),
                "answer": offer.pseudonym.answer(challenge).hex(),
                "seal_key": base64.b64encode(offer.pseudonym.seal_key.public_key).decode(),
            },
        )

    def _await_links(self, client: Client, grant_id: str, parties: tuple[str, ...]) -> dict[str, str]:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            view = client.get(f"/v1/grants/{grant_id}")
            links = {name: history["entries"][-1]["result"] for name, history in view["links"]}
            if all(party in links for party in parties):
                return links
            if time.monotonic() > deadline:
                missing = ", ".join(party for party in parties if party not in links)
                msg = f"{grant_id}: {missing} did not link within {WAIT_SECONDS:.0f} s; the grant is not usable yet"
                raise CustomerError(msg)
            time.sleep(0.05)

    def _contact(self, organisation: str) -> str:
        address = self._network.address(organisation)
        return f"https://{address.host}:{address.api_port}"

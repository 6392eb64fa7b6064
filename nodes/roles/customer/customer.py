"""What a customer does: enrol, read the notice, grant, show who she is, revoke, and have her records erased.

It acts with a wallet through the APIs of the two organisations that a pseudonym is for. Nothing of it runs in a node.
Every step can be repeated: an enrolled pseudonym stays enrolled, a grant that is on the chain is found again, and a
disclosure that was taken is answered with the same judgement.
"""

import base64
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contracts.erasures import ASK_RECORDS_MAX, Ask
from contracts.grants import Revoke
from contracts.mandates import Attest, MandateScope
from contracts.settlements import Withdraw
from ledger.codec import Struct, decode, encode
from ledger.crypto.hashes import commit_salted
from ledger.crypto.signatures import PrivateKey
from ledger.errors import LedgerError
from ledger.genesis import Genesis
from ledger.transactions import Transaction, make_submission
from nodes.authentication import RequestSigner
from nodes.client import ApiError, Client
from nodes.config import Home
from nodes.entropy import Entropy
from nodes.identity import Disclosure
from nodes.roles.customer.offers import Behalf, Offer, draw_up
from nodes.roles.customer.organisations import Organisations, OrganisationsError
from nodes.schemas.civil_time import today
from nodes.schemas.notice import Language
from nodes.schemas.terms import GrantTerms
from nodes.vault.sealing import Sealed
from nodes.wallet import Challenge, Pseudonym, Wallet

EXPIRY_HEIGHTS = 500
EXPIRY_MS = 10 * 60 * 1000
WAIT_SECONDS = 20.0


class CustomerError(LedgerError):
    """Something a customer wanted and does not get; says why."""


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
            genesis: The network's: what she trusts, and nothing that a node says alone.
            wallet: Hers.
            entropy: For nonces, salts and identifiers.
        """
        self._home = home
        self._genesis = genesis
        self.wallet = wallet
        self._entropy = entropy
        self._network = home.load_network()
        self.organisations = Organisations(home, genesis, entropy)

    @property
    def chain_id(self) -> str:
        """The network's chain."""
        return self._genesis.chain_id

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return every (hospital, recipient) of the network, by the state of the chain: she has a pseudonym for each.

        Recipients are the insurers, every other hospital, which may come to treat her, and the regulators. Of pairs
        with one that was removed there are those whose other one is still there to be asked. Members whose node this
        home does not know cannot be asked.

        Raises:
            OrganisationsError: If no node shows who the members are.
        """
        hospitals = self.organisations.list_role("hospital", with_former=True)
        regulators = self.organisations.list_role("regulator", with_former=True)
        others = [(hospital, other) for hospital in hospitals for other in (*hospitals, *regulators)]
        return (*self.insured_pairs(), *self._keep_reachable(pair for pair in others if pair[0] != pair[1]))

    def insured_pairs(self) -> tuple[tuple[str, str], ...]:
        """Return every (hospital, insurer) of the network, as `pairs`: where claims are."""
        hospitals = self.organisations.list_role("hospital", with_former=True)
        insurers = self.organisations.list_role("insurer", with_former=True)
        return self._keep_reachable((hospital, insurer) for hospital in hospitals for insurer in insurers)

    def parties(self, pseudonym: Pseudonym) -> tuple[str, ...]:
        """Return those of a pseudonym's hospital and recipient that can be asked, the hospital first.

        A regulator is among them only where the hospital cannot be asked: it need not know when she uses her wallet.
        """
        found = tuple(filter(self.organisations.is_reachable, (pseudonym.hospital, pseudonym.insurer)))
        return found[:1] if self.is_regulator(pseudonym.insurer) else found

    def receptions(self, pseudonym: Pseudonym) -> tuple[str, ...]:
        """Return those of `parties` that may know who she is: a regulator does not."""
        return tuple(party for party in self.parties(pseudonym) if not self.is_regulator(party))

    def is_regulator(self, name: str) -> bool:
        """Whether an organisation is a regulator, or was one: it is not told who she is."""
        return name in self.organisations.list_role("regulator", with_former=True)

    def pseudonym(self, hospital: str, recipient: str) -> Pseudonym:
        """Return her pseudonym towards a hospital and an insurer, another hospital or a regulator.

        Raises:
            CustomerError: If they are one organisation.
            OrganisationsError: If one of them never was a member of that role.
        """
        self.organisations.check(hospital, "hospital")
        if recipient == hospital:
            msg = f"recipient: expected another organisation than the hospital itself, got {recipient}"
            raise CustomerError(msg)
        if not (
            recipient in self.organisations.list_role("hospital", with_former=True) or self.is_regulator(recipient)
        ):
            self.organisations.check(recipient, "insurer")
        return self.wallet.pseudonym(self._genesis.chain_id, hospital, recipient)

    def door(self, pseudonym: Pseudonym) -> str:
        """Return whose node serves her under a pseudonym: its hospital's, or its insurer's where that cannot be asked.

        Raises:
            OrganisationsError: If neither can be.
        """
        parties = self.parties(pseudonym)
        if not parties:
            msg = f"{pseudonym.hospital} and {pseudonym.insurer}: neither is a member whose node this home knows"
            raise OrganisationsError(msg)
        return parties[0]

    def reach(self, pseudonym: Pseudonym) -> Client:
        """Return a client of the node at her `door`."""
        return self.client(pseudonym, self.door(pseudonym))

    def client(self, pseudonym: Pseudonym, organisation: str) -> Client:
        """Return a client of an organisation's node, calling as a pseudonym."""
        return self._connect(organisation, pseudonym.name, pseudonym.key, pseudonym.key_version)

    def client_signing(self, organisation: str, name: str, key: PrivateKey, key_version: int) -> Client:
        """Return a client that calls as a pseudonym with a key that the wallet does not hold for it yet."""
        return self._connect(organisation, name, key, key_version)

    # ------------------------------------------------------------------------------------------------- consent

    def draw_up(
        self,
        terms: GrantTerms,
        language: Language,
        *,
        grant_id: str | None = None,
        behalf: Behalf | None = None,
    ) -> Offer:
        """Return a grant or denial to read and then to sign; see `nodes.roles.customer.offers.draw_up`.

        Raises:
            CustomerError: If the recipient is the hospital itself.
            OrganisationsError: If hospital or recipient are no such members, or no more.
            TermsError: If the terms contradict themselves.
        """
        pseudonym = self.pseudonym_for(terms)
        contacts = {name: self._contact(name) for name in (terms.hospital, terms.recipient)}
        offer = draw_up(self.wallet, pseudonym, terms, language, contacts, self._entropy, today(), behalf=behalf)
        return offer if grant_id is None else offer.answering(grant_id)

    def pseudonym_for(self, terms: GrantTerms) -> Pseudonym:
        """Return the pseudonym under which terms are granted; raises as `draw_up`."""
        self.organisations.check_member(terms.hospital, "hospital")
        self.organisations.check_member(terms.recipient, terms.role)
        return self.pseudonym(terms.hospital, terms.recipient)

    def enrol(self, client: Client, pseudonym: Pseudonym) -> None:
        """Have an organisation enter a pseudonym; again does nothing."""
        proof = pseudonym.prove_enrolment(client.address.organisation)
        client.post("/v1/enrolments", {"proof": proof.hex()})

    def disclose_herself(self, pseudonym: Pseudonym, organisation: str, purpose: str) -> Sealed:
        """Return who she is, sealed to an organisation for one purpose; raises `OrganisationsError`."""
        seal_key = self.organisations.find_seal_key(organisation)
        return pseudonym.disclose(
            Disclosure(self.wallet.identity, self._entropy.draw(32)), organisation, seal_key, purpose
        )

    def seal_both(self, other: Wallet, theirs: Pseudonym, organisation: str) -> Sealed:
        """Return who another customer is and who this one is, sealed to an organisation that knows both."""
        seal_key = self.organisations.find_seal_key(organisation)
        disclosure = Disclosure(other.identity, self._entropy.draw(32), None, self.wallet.identity)
        pseudonym = self.pseudonym(theirs.hospital, theirs.insurer)
        return pseudonym.disclose(disclosure, organisation, seal_key, f"authority.{theirs.name}")

    def delegate(self, to: "Customer", terms: GrantTerms, until_ms: int) -> str:
        """Let another customer grant for this one within terms, until a time; return the authority's id."""
        pseudonym, theirs = self.pseudonym_for(terms), to.pseudonym_for(terms)
        with to.client(theirs, terms.hospital) as client:
            to.enrol(client, theirs)
        scope = MandateScope((terms.purpose,), terms.record_types, (terms.hospital,), (terms.recipient,))
        salt = self._entropy.draw(32)
        message = Attest(
            f"authority-{self._entropy.draw(8).hex()}",
            "delegate",
            pseudonym.name,
            theirs.name,
            commit_salted(salt, encode(scope)),
            scope,
            0,
            until_ms,
        )
        with self.client(pseudonym, terms.hospital) as client:
            self.enrol(client, pseudonym)
            self.transact(client, pseudonym, "authorities", "attest", message)
        return message.authority_id

    def sign(self, offer: Offer, on_step: Callable[[str], None] = lambda _: None) -> Granted:
        """Sign a grant, show its parties who it is about, and wait for their links; a denial needs none.

        Args:
            offer: What she has read.
            on_step: Told what happens.

        Raises:
            ApiError: If a node refuses or cannot be reached.
            CustomerError: If the grant or a link does not get onto the chain.
        """
        pseudonym, grant = offer.pseudonym, offer.grant
        hospital = grant.sources[0]
        links: dict[str, str] = {}
        with self.client(pseudonym, hospital) as client:
            on_step("enrolling the pseudonym")
            self.enrol(client, pseudonym)
            on_step("signing")
            transaction_id = self.transact(client, pseudonym, "consent", "grant", grant)
            for party in offer.disclosures:
                on_step(f"{party}: comparing with its master data")
                with self.client(pseudonym, party) as other:
                    other.get(f"/v1/transactions/{transaction_id}", {"wait": WAIT_SECONDS})
                    self._disclose(other, offer, party)
            if offer.disclosures:
                links = self._await_links(client, grant.grant_id, tuple(offer.disclosures))
        return Granted(grant.grant_id, grant.subject, links)

    def withdraw(self, pseudonym: Pseudonym, claim_id: str, *, files_herself: bool) -> None:
        """End a claim of hers that is not settled; nothing more is shared for it.

        Raises:
            ApiError: If it is settled or ended already.
        """
        with self.reach(pseudonym) as client:
            self.transact(client, pseudonym, "claims", "withdraw", Withdraw(claim_id, files_herself))

    def explain(self, question: Mapping[str, object], organisation: str, pseudonym: Pseudonym) -> dict[str, Any]:
        """Return whether something may be done with her records, under which grant, and what each of hers says."""
        with self.client(pseudonym, organisation) as client:
            found: dict[str, Any] = client.post("/v1/explanations", question)
        return found

    def revoke(self, grant_id: str) -> None:
        """End a grant of hers, at once and for good.

        Raises:
            CustomerError: If it is not hers or did not get onto the chain.
        """
        pseudonym, _ = self.find_grant(grant_id)
        with self.reach(pseudonym) as client:
            self.transact(client, pseudonym, "consent", "revoke", Revoke(grant_id))

    def records(self) -> list[tuple[Pseudonym, dict[str, Any]]]:
        """Return all her records with the pseudonym that each is about, and who has them."""
        found = []
        for hospital, insurer in self.pairs():
            pseudonym = self.pseudonym(hospital, insurer)
            with self.reach(pseudonym) as client:
                found += [(pseudonym, record) for record in client.list_rows("/v1/records", "records")]
        return found

    def show_record(self, pseudonym: Pseudonym, record_id: str) -> dict[str, Any]:
        """Return one record, with who has it."""
        with self.reach(pseudonym) as client:
            found: dict[str, Any] = client.get(f"/v1/records/{record_id}")
        return found

    def ask_erasure(
        self,
        pseudonym: Pseudonym,
        stay_id: str,
        record_ids: list[str],
        holder: str | None,
        authority: str | None = None,
    ) -> None:
        """Have records of one stay erased.

        Args:
            pseudonym: Whom they are about; or this customer's own, with an authority.
            stay_id: The stay.
            record_ids: At least one.
            holder: The one holder that is asked; None for everybody who has them.
            authority: Of `nodes.roles.customer.acting.stand_in` with this holder, for somebody else's records.

        Raises:
            ApiError: If the chain refuses: every holder was asked before, or this one has none of them.
            CustomerError: If the request did not get onto the chain.
        """
        with self.reach(pseudonym) as client:
            for begin in range(0, len(record_ids), ASK_RECORDS_MAX):
                some = tuple(sorted(record_ids)[begin : begin + ASK_RECORDS_MAX])
                self.transact(client, pseudonym, "erasure", "ask", Ask(stay_id, some, holder, authority))

    def grants(self) -> list[tuple[Pseudonym, dict[str, object]]]:
        """Return all her grants with the pseudonym each was given by."""
        found = []
        for hospital, insurer in self.pairs():
            pseudonym = self.pseudonym(hospital, insurer)
            with self.reach(pseudonym) as client:
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
            msg = f"grant: expected one of your grants, got {grant_id[:64]!r}, which fits {len(found)} of them"
            raise CustomerError(msg)
        return found[0]

    def transact(self, client: Client, pseudonym: Pseudonym, contract: str, method: str, message: Struct) -> str:
        """Call a contract as a pseudonym and wait for it; return the transaction's id.

        Raises:
            ApiError: If the chain refuses it, with the contract's code.
            CustomerError: If no block has it in time.
        """
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

    def caller(self, client: Client, pseudonym: Pseudonym) -> Callable[[str, str, Struct], str]:
        """Return `transact` for one client and pseudonym."""
        return lambda contract, method, message: self.transact(client, pseudonym, contract, method, message)

    # ------------------------------------------------------------------------------------------------- private

    def _keep_reachable(self, pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        return tuple(pair for pair in pairs if any(map(self.organisations.is_reachable, pair)))

    def _connect(self, organisation: str, name: str, key: PrivateKey, key_version: int) -> Client:
        signer = RequestSigner(key, self._genesis.chain_id, name, key_version, carry_key=True)
        address, authority = self._network.address(organisation), self._home.authority_path(organisation)
        return Client(address, authority, signer, self._entropy)

    def _disclose(self, client: Client, offer: Offer, party: str) -> None:
        grant_id = offer.grant.grant_id
        seal_key = self.organisations.find_seal_key(party)
        asked = client.post(f"/v1/grants/{grant_id}/challenge", {})
        challenge = decode(bytes.fromhex(asked["challenge"]), Challenge)
        sealed = offer.pseudonym.disclose(offer.disclosures[party], party, seal_key, f"identity.{grant_id}")
        client.post(
            f"/v1/grants/{grant_id}/identity",
            {
                "sealed": base64.b64encode(encode(sealed)).decode(),
                "answer": offer.pseudonym.answer(challenge).hex(),
                "seal_key": base64.b64encode(self._reader(offer).seal_key.public_key).decode(),
            },
        )

    def _reader(self, offer: Offer) -> Pseudonym:
        """Return whose seal key decisions are sealed to: a ward's wallet is her guardian's, other wallets are not."""
        is_ward = offer.behalf is not None and offer.behalf.kind == "guardian"
        return offer.behalf.pseudonym if is_ward and offer.behalf is not None else offer.pseudonym

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

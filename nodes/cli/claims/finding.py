"""Finding a claim by the start of its id, as whoever asks, and opening what is sealed to her."""

from types import TracebackType
from typing import Any, Self

from ledger.errors import VerificationError
from nodes.audit.reveal import Openings
from nodes.cli.claims.own_opening import open_latest, open_sealed
from nodes.cli.session import open_customer, open_operator
from nodes.client import ApiError, Client
from nodes.config import ConfigurationError, Home
from nodes.schemas.canonical_json import parse
from nodes.schemas.decision import describe_decision
from nodes.schemas.trace import render_formula
from nodes.wallet import Pseudonym


class FoundClaim:
    """One claim, seen by one caller at the insurer's or the caller's own node."""

    def __init__(self, client: Client, row: dict[str, Any], pseudonym: Pseudonym | None) -> None:
        """Keep a client open until the claim was looked at.

        Args:
            client: Of the node that is asked.
            row: The claim in a listing.
            pseudonym: The customer's, if a customer asks.
        """
        self.client = client
        self.claim_id: str = row["claim"]
        """In full."""
        self._pseudonym = pseudonym
        self._is_insurer = client.signer.actor == row["insurer"]

    def __enter__(self) -> Self:
        """Use it in a with statement."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.client.close()

    def view(self, wait_seconds: float = 0.0, steps: int = 0) -> dict[str, Any]:
        """Return the claim as it stands, waiting for a further step if asked."""
        parameters = {"wait": wait_seconds, "steps": steps} if wait_seconds else None
        view: dict[str, Any] = self.client.get(f"/v1/claims/{self.claim_id}", parameters)
        return view

    @property
    def pseudonym(self) -> Pseudonym | None:
        """Return the customer's pseudonym, if a customer asks."""
        return self._pseudonym

    @property
    def is_customer(self) -> bool:
        """Whether its customer asks."""
        return self._pseudonym is not None

    def execution(self, grant_id: str) -> str:
        """Return where its records are computed on, by its grant, which its customer sees."""
        grant = self.client.get(f"/v1/grants/{grant_id}")
        return str(grant["versions"][-1]["grant"]["execution"])

    def opening(self) -> dict[str, Any] | None:
        """Return the calculation of the latest settlement; None before it, or for whoever cannot open it."""
        if self._is_insurer:
            case = self.client.get(f"/v1/cases/{self.claim_id}")
            return None if case["decision"] is None else {"formula": case["formula"], **case["decision"]}
        if self._pseudonym is None:
            return None
        try:
            version, opening = open_latest(self.client, self._pseudonym, self.claim_id)
        except ApiError as error:
            if error.status in (404, 409, 410):
                return None
            raise
        decision = opening.decision
        return {"version": version, "formula": render_formula(decision)} | describe_decision(decision)

    def visited(self) -> dict[str, Any] | None:
        """Return what the insurer has of a settlement that the hospital computed; None for any other, or another."""
        if not self._is_insurer:
            return None
        found: dict[str, Any] | None = self.client.get(f"/v1/cases/{self.claim_id}")["visited"]
        return found

    def waits(self) -> str:
        """Return why the insurer does not settle it by itself now, if its operator asks; else nothing."""
        return str(self.client.get(f"/v1/cases/{self.claim_id}")["waits"]) if self._is_insurer else ""

    def auditor_openings(self, auditor: str, basis: str, *, names_person: bool) -> bytes:
        """Enter that the claim is opened to a regulator or auditor under a law, and return the file that opens it.

        Raises:
            ConfigurationError: If another than the claim's insurer asks.
        """
        if not self._is_insurer:
            msg = "--for: expected the claim's insurer as --as, which alone can open the claim to an auditor"
            raise ConfigurationError(msg)
        asked = {"auditor": auditor, "basis": basis, "names_person": names_person}
        self.client.post(f"/v1/cases/{self.claim_id}/openings", asked)
        parameters = {"person": "true"} if names_person else None
        return self.client.get_bytes(f"/v1/cases/{self.claim_id}/openings/{auditor}", parameters)

    def is_settled(self) -> bool:
        """Whether it was settled, so that there is an amount."""
        return bool(self.view()["claim"]["settlement_version"])

    def openings(self) -> bytes | None:
        """Return the file that opens the amounts for the customer's wallet.

        Returns:
            None for organisations, before the first settlement, or if it was erased.
        """
        if self._pseudonym is None or not self.is_settled():
            return None
        path = f"/v1/claims/{self.claim_id}/openings"
        try:
            data = self.client.get_bytes(path)
            if self._can_open(self._pseudonym, data):
                return data
            return self.client.get_bytes(path, {"again": "true"})
        except ApiError as error:
            if error.status == 410:
                return None
            raise

    def _can_open(self, pseudonym: Pseudonym, data: bytes) -> bool:
        """Whether her wallet opens all that was sealed to her; one that was recovered lacks the keys of before."""
        try:
            for item in parse(data, Openings).sealed:
                open_sealed(pseudonym, self.claim_id, item.version, item.sealed)
        except VerificationError:
            return False
        return True

    def dossier(self) -> bytes:
        """Return the dossier."""
        return self.client.get_bytes(f"/v1/claims/{self.claim_id}/dossier")


def list_claims(home: Home, actor: str) -> list[dict[str, Any]]:
    """Return the claims that concern an actor, oldest first."""
    rows: list[dict[str, Any]] = []
    for client, _ in _open_clients(home, actor):
        with client:
            rows += _list_at(client)
    return sorted(rows, key=lambda row: (row["reported_ms"], row["claim"]))


def find_claim(home: Home, actor: str, claim_id: str) -> FoundClaim:
    """Return the one claim of an actor whose id begins so.

    Args:
        home: The network's home folder.
        actor: A wallet's name or an organisation.
        claim_id: `C-7f3a`, or as much of `claim-7f3a...` as tells it from the others.

    Raises:
        ConfigurationError: If none or several fit.
    """
    wanted = "claim-" + claim_id.lower().removeprefix("c-").removeprefix("claim-")
    found: list[FoundClaim] = []
    for client, pseudonym in _open_clients(home, actor):
        matching = [row for row in _list_at(client) if row["claim"].startswith(wanted)]
        found += [FoundClaim(client, match, pseudonym) for match in matching]
        if not matching:
            client.close()
    if len(found) != 1:
        for item in found:
            item.client.close()
        msg = f"claim: expected one of {actor}'s claims, got {claim_id[:40]!r}, which fits {len(found)} of them"
        raise ConfigurationError(msg)
    return found[0]


def _open_clients(home: Home, actor: str) -> list[tuple[Client, Pseudonym | None]]:
    if actor in home.roles():
        return [(open_operator(home, actor), None)]
    person = open_customer(home, actor)
    pseudonyms = [person.pseudonym(hospital, insurer) for hospital, insurer in person.insured_pairs()]
    return [(person.client(pseudonym, person.parties(pseudonym)[-1]), pseudonym) for pseudonym in pseudonyms]


def _list_at(client: Client) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after = ""
    while True:
        page = client.get("/v1/claims", {"after": after} if after else None)
        rows += page["claims"]
        if page["next"] is None:
            return rows
        after = page["next"]

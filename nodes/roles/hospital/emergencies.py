"""Breaking the glass: records of another hospital, for somebody who needs treatment now and cannot be asked.

    1. the desk says whom it treats, whose records it needs, and why
    2. the customer's own grant for emergencies (BTG) that names both hospitals is looked for: she gave it before, and
       without one there is nothing that could be broken; a denial of hers, or its end, refuses on the record
    3. the reason stays in the register, its commitment goes onto the chain with the use, which announces itself
    4. the custodian's node sees the use, enters what it covers and hands it over, as every share

No grant for treatment is needed, and a denial of treatment does not stand against it. A regulator that reviews the use
asks for its reason, and gets it sealed; nobody else does.
"""

from typing import cast

from contracts.disclosures import EMERGENCY
from contracts.emergencies import BreakGlass, GlassUse, ShowUse
from contracts.grants import Grant, RecordType
from contracts.needs import Need
from ledger.codec import decode, encode
from ledger.errors import LedgerError
from nodes.agent import Call, ChainView
from nodes.entropy import Entropy
from nodes.roles.exchange.emergencies import REASON_CHARACTERS_MAX, GlassReason, name_reason
from nodes.roles.exchange.questions import FetchReason, ReasonGiven, Refusal
from nodes.roles.linking import Linking
from nodes.roles.lookup import RemovedMemberError, explain, find_grant, find_seal_key
from nodes.schemas.terms import TREATMENT_TYPES
from nodes.vault.register import Register
from nodes.vault.sealing import SealContext, seal

GLASS = "glass"


class EmergencyError(LedgerError):
    """A glass that cannot be broken; says why."""


class Emergencies:
    """The uses of one hospital."""

    def __init__(self, hospital: str, view: ChainView, linking: Linking, register: Register, entropy: Entropy) -> None:
        """Break glasses for one hospital.

        Args:
            hospital: Who treats.
            view: The latest committed state.
            linking: Knows the pseudonyms of its patients.
            register: Keeps the reasons.
            entropy: For ids and salts.
        """
        self._hospital = hospital
        self._view = view
        self._linking = linking
        self._register = register
        self._entropy = entropy

    def break_glass(self, patient: str, custodian: str, types: tuple[RecordType, ...], reason: str) -> tuple[str, Call]:
        """Return the id of a use and the call that enters it; the reason is in the register before.

        Args:
            patient: Her number here.
            custodian: The hospital whose records are needed.
            types: What is needed; the admission, which comes first, is always among it.
            reason: Who looks and why.

        Raises:
            PeopleError: If nobody has this number.
            EmergencyError: If the reason or a type will not do, or she has given no grant for emergencies.
        """
        person = self._linking.people.get(patient)
        if not 1 <= len(reason.strip()) <= REASON_CHARACTERS_MAX:
            msg = f"reason: expected 1 to {REASON_CHARACTERS_MAX} characters on who looks and why, got {len(reason)}"
            raise EmergencyError(msg)
        for record_type in types:
            if record_type not in TREATMENT_TYPES:
                msg = f"types: expected some of {', '.join(TREATMENT_TYPES)}, got {record_type}"
                raise EmergencyError(msg)
        wanted: tuple[RecordType, ...] = tuple(kind for kind in TREATMENT_TYPES if kind == "admission" or kind in types)
        grant = self._find_grant(person.number, custodian, wanted)
        if grant is None:
            msg = f"patient: has given no grant for emergencies that names {custodian} and {self._hospital}"
            raise EmergencyError(msg)
        use_id = f"glass-{self._entropy.draw(8).hex()}"
        kept = GlassReason(reason.strip(), self._entropy.draw(32))
        self._register.put(GLASS, use_id, encode(kept))
        message = BreakGlass(use_id, grant.grant_id, custodian, wanted, kept.commitment)
        return use_id, Call("emergencies", "break_glass", message)

    def find_use(self, use_id: str) -> GlassUse | None:
        """Return a use as the chain has it, or None."""
        return self._view.query("emergencies", "show", ShowUse(use_id), cast("type[GlassUse | None]", GlassUse | None))

    def answer(self, peer: str, question: FetchReason) -> ReasonGiven | Refusal:
        """Return the reason of a use, sealed to the regulator that asks, or why not.

        Args:
            peer: Who asks, as mutual TLS established.
            question: Of which use.
        """
        use, data = self.find_use(question.use_id), self._register.get(GLASS, question.use_id)
        actor = self._view.actor(peer)
        if actor is None or actor.role != "regulator":
            return Refusal("NOT_REGULATOR", "reasons are told to a regulator that reviews the use")
        if use is None or use.recipient != self._hospital or data is None:
            return Refusal("UNKNOWN_USE", f"{question.use_id}: no use of {self._hospital} with a reason kept here")
        try:
            seal_key = find_seal_key(self._view, peer)
        except RemovedMemberError as error:
            return Refusal("NO_SEAL_KEY", str(error))
        context = SealContext(self._view.chain_id, name_reason(use.use_id), self._hospital, peer)
        return ReasonGiven(use.use_id, seal(seal_key, context, encode(decode(data, GlassReason))))

    def _find_grant(self, patient: str, custodian: str, types: tuple[RecordType, ...]) -> Grant | None:
        """Return her grant for emergencies between the two hospitals: one that covers this, else any, to be refused."""
        found: Grant | None = None
        for entry in self._linking.matched(patient):
            view = find_grant(self._view, entry.grant_id)
            grant = None if view is None else view.versions[-1].grant
            if grant is None or (grant.purpose, grant.grantee.organisation) != (EMERGENCY, self._hospital):
                continue
            if custodian not in grant.sources:
                continue
            needs = (
                Need(grant.grant_id, custodian, self._hospital, grant.subject, kind, None, None, "release", EMERGENCY)
                for kind in types
            )
            if all(explain(self._view, need).usable for need in needs):
                return grant
            found = grant
        return found

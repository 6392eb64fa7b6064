"""Where people meet an organisation: who they are, what is asked of them, under which names they are known.

A hospital and an insurer do this alike, so both agents are receptions and add what is their own. At the reception the
desk enters people and who acts for them; a customer shows who she is under a grant, collects the requests and notices
that lie here for her, and answers them. Nothing of it goes to the chain but the judgement of an identity, which the
agent's own way of working offers (`_follow_links`), and who may act for somebody (`authorising`).
"""

from collections.abc import Mapping

from nodes.agent import AgentEffect, ChainView
from nodes.entropy import Entropy
from nodes.identity import Identity, RecordDates
from nodes.keystore import Keystore
from nodes.roles.authorising import Authorising
from nodes.roles.in_flight import InFlight
from nodes.roles.linking import Linked, Linking
from nodes.roles.people import PeopleError, Person
from nodes.roles.requests import Requests, RequestView
from nodes.schemas.terms import GrantTerms
from nodes.vault.register import Register
from nodes.vault.sealing import Sealed
from nodes.wallet import Challenge


class Reception:
    """What the agents of a hospital and of an insurer have in common about people."""

    def __init__(self, name: str, view: ChainView, keystore: Keystore, register: Register, entropy: Entropy) -> None:
        """Know everybody who is in the register.

        Args:
            name: The member it acts for.
            view: The latest committed state.
            keystore: The seal key opens what wallets send.
            register: Its people, links and requests.
            entropy: For ids, salts and challenges.
        """
        self.name = name
        self._view = view
        self._in_flight = InFlight(name)
        self._linking = Linking(name, view, register, keystore.seal, entropy)
        self._requests = Requests(name, view, self._linking, register, keystore.seal, entropy)
        self.authorising = Authorising(name, view, self._linking.people, register, keystore.seal, entropy)

    def ask(self, number: str, terms: GrantTerms, reason: str, until_day: int, now_ms: int) -> RequestView:
        """Ask a person for a grant; raises as `Requests.ask`."""
        return self._requests.ask(number, terms, reason, until_day, now_ms)

    def list_requests(self, now_ms: int) -> tuple[RequestView, ...]:
        """Return all requests for consent as they stand."""
        return self._requests.list_all(now_ms)

    def take_inbox(self, pseudonym: str, sealed: Sealed, seal_key: bytes, now_ms: int, *, is_telling: bool) -> Sealed:
        """Return what lies here for a person, sealed to her wallet; raises as `Requests.take_inbox`."""
        return self._requests.take_inbox(pseudonym, sealed, seal_key, now_ms, is_telling=is_telling)

    def deny(self, pseudonym: str, request_id: str, now_ms: int) -> RequestView:
        """Take in that a person does not agree; raises as `Requests.deny`."""
        return self._requests.deny(pseudonym, request_id, now_ms)

    def pseudonyms_of(self, number: str) -> tuple[tuple[str, str, str], ...]:
        """Return a person's pseudonyms with their pairs; see `Linking.pseudonyms_of`."""
        return self._linking.pseudonyms_of(number)

    def find_dates(self, grant_id: str) -> RecordDates | None:
        """Return the days of the records that a grant means, as its customer showed them here; or None."""
        return self._linking.find_dates(grant_id)

    def replace_seal_key(self, pseudonym: str, seal_key: bytes) -> int:
        """Seal to a customer's new key from now on; raises as `Linking.replace_seal_key`."""
        return self._linking.replace_seal_key(pseudonym, seal_key)

    def challenge(self, grant_id: str, now_ms: int) -> Challenge:
        """Return the challenge that a grant's subject has to answer; raises as `Linking.challenge`."""
        return self._linking.challenge(grant_id, now_ms)

    def disclose(
        self, grant_id: str, sealed: Sealed, answer: bytes, seal_key: bytes, now_ms: int
    ) -> tuple[Linked, list[AgentEffect]]:
        """Take in a customer's identity and judge it; raises as `Linking.disclose`."""
        linked = self._linking.disclose(grant_id, sealed, answer, seal_key, now_ms)
        return linked, self._follow_links(now_ms)

    def register_person(self, number: str, identity: Identity) -> tuple[Person, list[AgentEffect]]:
        """Enter a person under the organisation's own number, or correct what is known; raises as `People.enter`."""
        return self._linking.people.enter(number, identity), []

    def match_person(self, identity: Identity) -> Person:
        """Return the person with exactly this document, name and birth date; raises `PeopleError` if none is known."""
        person = self._linking.people.match(identity)
        if person is None:
            msg = "identity: nobody is entered here with this document, name and birth date"
            raise PeopleError(msg)
        return person

    def relate(
        self,
        number: str,
        acts_through: tuple[str, ...],
        now_ms: int,
        *,
        is_ward: bool,
        is_deceased: bool,
        identities: Mapping[str, Identity] | None = None,
    ) -> tuple[Person, list[AgentEffect]]:
        """Enter who acts for a person, that she is a ward or that she has died.

        Args:
            number: The person.
            acts_through: Who acts for her; replaces what was entered before.
            now_ms: For what follows from it.
            is_ward: Whether she is grown up and under guardianship.
            is_deceased: Whether she has died.
            identities: Of who acts for her, by number, where they are to be entered too: an insurer knows nobody to
                whom it issued no policy.

        Raises:
            PeopleError: If one of them is unknown, or she would act for herself, or an identity is of somebody else.
        """
        entered = identities or {}
        for known in (number, *(other for other in acts_through if other not in entered)):
            self._linking.people.get(known)
        if not set(entered) <= set(acts_through):
            msg = f"identities: expected of {', '.join(acts_through) or 'nobody'}, got {', '.join(sorted(entered))}"
            raise PeopleError(msg)
        for other in sorted(entered):
            self._linking.people.enter(other, entered[other])
        person = self._linking.people.relate(number, acts_through, is_ward=is_ward, is_deceased=is_deceased)
        self._linking.judge_again(now_ms, number)
        return person, self._follow_links(now_ms)

    def _follow_links(self, now_ms: int) -> list[AgentEffect]:
        """Return what follows from links that were judged just now: at least the calls that enter them."""
        return [*self._in_flight.offer(self._linking.derive(), now_ms)]

"""Reviewing: what a regulator does about every use of break-glass.

    1. the uses that wait for review are listed on the chain; each is announced there with a committed reason
    2. the reason is asked of whoever broke the glass, ever more seldom, and held against the commitment
    3. a person decides, justified or unjustified; her grounds stay in the register, the finding goes onto the chain

A hospital that does not tell its reason, or another than it committed to, can be reviewed all the same.
"""

from dataclasses import dataclass
from typing import Literal

from contracts.emergencies import GlassUse, ListWaiting, ReviewUse
from ledger.codec import decode, encode
from ledger.errors import DecodeError, LedgerError, VerificationError
from nodes.agent import Call, ChainView, Note, PeerAnswered, Request
from nodes.entropy import Entropy
from nodes.roles.exchange.asking import Asking, note_lost_key
from nodes.roles.exchange.emergencies import REASON_CHARACTERS_MAX, GlassReason, name_reason
from nodes.roles.exchange.questions import FetchReason, ReasonGiven, Refusal, decode_reply, encode_body
from nodes.vault.register import Register
from nodes.vault.sealing import LostKeyError, SealContext, SealKeys

REASON = "glass-reason"
GROUNDS = "glass-grounds"
UNTOLD_MS = 10 * 60 * 1000
"""Until a reason that was refused, or is another than was committed to, is asked for again."""
Verdict = Literal["justified", "unjustified"]


class ReviewError(LedgerError):
    """A review that cannot be made; says why."""


@dataclass(frozen=True, slots=True)
class WaitingUse:
    """A use that waits for review."""

    use: GlassUse
    reason: str | None
    """As whoever broke the glass told it, and as it was committed to; None while it has not told it."""


class Reviewing:
    """The reviews of one regulator."""

    def __init__(
        self, name: str, view: ChainView, register: Register, seal_key: SealKeys, entropy: Entropy, asking: Asking
    ) -> None:
        """Go on where chain and register are.

        Args:
            name: The regulator.
            view: The latest committed state.
            register: Keeps reasons and grounds.
            seal_key: Opens the reasons.
            entropy: For salts.
            asking: The agent's questions.
        """
        self._name = name
        self._view = view
        self._register = register
        self._seal_key = seal_key
        self._entropy = entropy
        self._asking = asking
        self._reasons: dict[str, str] = {}
        """Those that were read: every block asks which are lacking."""

    def list_waiting(self, after: str = "") -> tuple[WaitingUse, ...]:
        """Return a page of the uses that wait for review, in the order of their ids."""
        return tuple(WaitingUse(use, self._find_reason(use.use_id)) for use in self._list(after))

    def review(self, use_id: str, finding: Verdict, grounds: str) -> Call:
        """Return the call that reviews a use; the grounds are in the register before.

        Raises:
            ReviewError: If the grounds are missing or too long.
        """
        if not 1 <= len(grounds.strip()) <= REASON_CHARACTERS_MAX:
            msg = f"grounds: expected 1 to {REASON_CHARACTERS_MAX} characters, got {len(grounds)}"
            raise ReviewError(msg)
        kept = GlassReason(grounds.strip(), self._entropy.draw(32))
        self._register.put(GROUNDS, use_id, encode(kept))
        return Call("emergencies", "review", ReviewUse(use_id, finding, kept.commitment))

    def ask(self, now_ms: int) -> list[Request]:
        """Return the questions for reasons that are due."""
        requests = []
        for use in self._list(""):
            if self._find_reason(use.use_id) is None and self._asking.may_ask(use.use_id, now_ms):
                body = encode_body(FetchReason(use.use_id))
                requests.append(self._asking.ask(use.use_id, use.recipient, body, now_ms))
        return requests

    def take(self, subject: str, event: PeerAnswered) -> list[Note] | None:
        """Take in an answer; None if it is about something else."""
        use = next((item for item in self._list("") if item.use_id == subject), None)
        if use is None:
            return None
        if event.body is None:
            return []
        fields: dict[str, str | int] = {"use": use.use_id, "hospital": use.recipient}
        try:
            reply = decode_reply(event.body)
            if not isinstance(reply, ReasonGiven):
                code = reply.code if isinstance(reply, Refusal) else "UNEXPECTED"
                self._asking.postpone(subject, event.now_ms, UNTOLD_MS)
                return [Note("reason-refused", {**fields, "code": code})]
            context = SealContext(self._view.chain_id, name_reason(use.use_id), use.recipient, self._name)
            reason = decode(self._seal_key.open(reply.reason, context), GlassReason)
            reason.verify(use.reason)
        except LostKeyError as error:
            return [note_lost_key(fields, error)]
        except (VerificationError, DecodeError):
            self._asking.postpone(subject, event.now_ms, UNTOLD_MS)
            return [Note("reason-forged", fields)]
        self._register.put(REASON, use.use_id, encode(reason))
        return [Note("reason-told", fields)]

    def _find_reason(self, use_id: str) -> str | None:
        if use_id not in self._reasons:
            data = self._register.get(REASON, use_id)
            if data is None:
                return None
            self._reasons[use_id] = decode(data, GlassReason).text
        return self._reasons[use_id]

    def _list(self, after: str) -> tuple[GlassUse, ...]:
        return self._view.query("emergencies", "list_waiting", ListWaiting(after), tuple[GlassUse, ...])

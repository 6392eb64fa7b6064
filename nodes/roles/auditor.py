"""The auditor's agent: it asks nobody, hands nothing over and does nothing by itself.

An auditor reads what was sealed to it offline, with its own seal key (`xinpei verify --reveal`). Its node follows the
chain and has this agent so that what its operator tries is signed as hers, and is refused on the chain like anybody's.
"""

from nodes.agent import AgentEffect, AgentInput, Answer, PeerRequested
from nodes.roles.exchange.questions import Refusal, encode_body


class Auditor:
    """One auditor."""

    def __init__(self, name: str) -> None:
        """Stand for an organisation."""
        self.name = name

    def step(self, event: AgentInput) -> list[AgentEffect]:
        """Refuse what others ask; nothing else calls for anything."""
        if isinstance(event, PeerRequested):
            refusal = Refusal("NOT_ASKED_HERE", f"{self.name} hands nothing over")
            return [Answer(event.request_id, encode_body(refusal))]
        return []

"""The local trace of a reading: an operator who is shown plaintext leaves a line in the node's log.

What an organisation does with a record after it has opened it happens in its house: it is no entry of the chain, and
the customer does not see it. This line says who read what and when, and nothing of what was read.
"""

from nodes.agent import Note
from nodes.network.node import NetworkNode, read_clock_ms


def note_reading(node: NetworkNode, caller: str, what: str, item: str) -> None:
    """Write the line.

    Args:
        node: Where it was read.
        caller: Whose key asked.
        what: `record`, `document`, `case` or `opening`.
        item: Its id.
    """
    note = Note("plaintext-read", {"caller": caller, "what": what, "id": item})
    node.host.perform(node.organisation, [note], read_clock_ms())

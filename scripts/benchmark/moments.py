"""When records were shared and confirmed, by the blocks that did it.

Between the two the recipient has asked for a record, opened it, held it against the chain and synced it. Blocks have
the times of the validators who proposed them: on one machine, all by one clock.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from contracts.stays import Deliver, Share
from ledger.codec import decode
from ledger.transactions import Submission
from nodes.schemas.canonical_json import read


@dataclass(slots=True)
class Moments:
    """Record -> seconds since 1970."""

    begun: float = 0.0
    """When a load began."""
    sent: dict[str, float] = field(default_factory=dict)
    """When a desk sent the last of it; of attached documents only."""
    shared: dict[str, float] = field(default_factory=dict)
    confirmed: dict[str, float] = field(default_factory=dict)

    def note(self, block: dict[str, Any]) -> None:
        """Take in what a block shared or confirmed; a call that was refused did neither."""
        at = block["header"]["time_ms"] / 1000
        refused = {receipt["transaction_id"] for receipt in block["receipts"] if receipt["code"] != "OK"}
        for plain in block["submissions"]:
            for tx in read(json.dumps(plain).encode(), Submission).transactions:
                if tx.id.hex() in refused:
                    continue
                if (tx.contract, tx.method) == ("records", "share"):
                    self.shared[decode(tx.arguments, Share).record_id] = at
                elif (tx.contract, tx.method) == ("records", "deliver"):
                    self.confirmed[decode(tx.arguments, Deliver).record_id] = at

    def list_fetches(self) -> list[float]:
        """Return for each record that was shared and confirmed how long that took, in seconds."""
        return [at - self.shared[record_id] for record_id, at in self.confirmed.items() if record_id in self.shared]

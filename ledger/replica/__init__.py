"""One validator or follower: consensus and application together, as `Replica.step(input) -> list[Effect]`.

ports          inputs and effects: the boundary that drivers in `nodes/` see
messages       what replicas say to each other
log            the entries of the consensus log
signer         a key that remembers where it last signed
candidates     the blocks of one height, each executed once: what may be voted for, and why not
evidence_pool  double signing that waits for a block
peers          where the others stand, and what they sent too early
replica        the step
status         what the operator sees
"""

from ledger.replica.replica import Replica

__all__ = ["Replica"]

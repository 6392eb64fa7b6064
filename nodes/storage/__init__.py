"""What a node keeps on disk, and what it promises about it.

    folder        `open_store`: one folder, one engine, one process
    store         `KeyValueStore`: the protocol both engines keep
    leveldb       the engine where plyvel has a wheel
    sqlite        the engine of the standard library, for everywhere else
    blocks        `BlockStore`: one synced batch per block
    log           `ConsensusLog`: what consensus was told, before it acted on it
    signer        `SignerFile`: what the validator's key has signed last
    outbox        `Outbox`: what a role agent still has to do
    files         synced writes and replacements
    errors        `StorageError` and its one refinement

Every write here is synced before the call returns; a crash at any instant leaves the old value or the new one. A
failed write makes its object refuse all later ones, because after a failed sync nobody knows what the disk holds: the
node stops, says why, and reads the disk again at its next start. This is no cache and no archive: erasable data
(payloads, keys, openings) lives in `nodes.vault`.
"""

from nodes.storage.errors import LogCorruptError, StorageError
from nodes.storage.folder import open_store
from nodes.storage.store import KeyValueStore

__all__ = ["KeyValueStore", "LogCorruptError", "StorageError", "open_store"]

"""A chain of many blocks, put into the stores of nodes before they start: what they would have decided themselves."""

from ledger.application import Application, BlockInputs
from ledger.blocks import PRECOMMIT, Commit, Vote, make_commit, vote_sign_bytes
from ledger.crypto.signatures import sign_vote
from nodes.contract_sources import load_installed_contracts
from nodes.keystore import load_keystore
from nodes.storage import open_store
from nodes.storage.blocks import BlockStore
from tests.e2e.network import ALL, Network

ENROL_EVERY = 5
"""Blocks with a transaction; the others are idle, as rounds that had to end make them."""


def make_history(network: Network, blocks: int, *organisations: str) -> None:
    """Decide blocks with everybody's keys and store them at some nodes, none of which has run."""
    genesis = network.home.load_genesis()
    keys = {name: load_keystore(network.folder(name) / "keys").consensus for name in ALL}
    stores = [open_store(network.folder(name) / "store") for name in organisations]
    chains = [BlockStore(store, genesis.chain_id, genesis.hash) for store in stores]
    try:
        application = Application(genesis, load_installed_contracts(), stores[0])
        for chain in chains:
            chain.create(application.genesis_writes())
        for height in range(1, blocks + 1):
            submissions = (network.enrolment(),) if height % ENROL_EVERY == 0 else ()
            voters = application.validators(height)
            proposer = voters.proposer(height, 0).name
            executed = application.execute(BlockInputs(height, genesis.time_ms + height, proposer, submissions, ()))
            header = executed.block.header
            message = vote_sign_bytes(header.chain_id, PRECOMMIT, height, 0, header.hash)
            votes = tuple(
                Vote(PRECOMMIT, height, 0, header.hash, name, sign_vote(key, message)) for name, key in keys.items()
            )
            commit: Commit = make_commit(votes, voters)
            application.commit(executed)
            for chain in chains:
                chain.append(executed.block, commit, executed.receipts, executed.writes)
    finally:
        for store in stores:
            store.close()

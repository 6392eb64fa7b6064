"""The Tendermint algorithm (Buchman, Kwon, Milosevic 2018, Algorithm 1) as pure state machines.

    round      one round: a state and an input give a state and at most one output
    votes      tallies by voting power; each threshold is emitted once
    driver     heights and rounds: what was received, by a fixed priority, becomes one round input after the other
    evidence   two conflicting signatures of one validator

Values are block hashes: nothing here knows what a block holds, executes one, signs or sends. `ledger.replica` does.
"""

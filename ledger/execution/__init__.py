"""Running contracts: deterministic, metered, all-or-nothing per transaction.

    executor       a block's clocks and transactions, in order, to receipts and writes
    replay         no transaction twice
    loader         contract sources to classes, methods and code hashes
    static_check   what contract source may not contain; call_graph finds its recursion
    metering       charges inserted into the syntax tree
    guards         what metered code runs instead of operators and builtins
    meter          what the charges count on
    contract       the one module that contracts import; primitives are its charged functions
    state          keys, readers and the overlay that a block writes to
    store          where state, tree nodes and the application's own entries are in a node's store

A sibling of `ledger.consensus`: neither imports the other.
"""

"""Running contracts: deterministic, metered, all-or-nothing per transaction.

    executor       a block's clocks and transactions, in order, to receipts and writes
    loader         contract sources to classes, methods and code hashes
    static_check   what contract source may not contain
    metering       charges inserted into the syntax tree, and the meter they count on
    contract       the one module that contracts import
    state          keys, readers and the overlay that a block writes to

A sibling of `ledger.consensus`: neither imports the other.
"""

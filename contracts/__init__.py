"""What the members agreed on: the contracts of the default consortium.

A contract sees one module of the core, `ledger.execution.contract`, and other contracts. It is loaded from its
source, checked and metered; importing it the ordinary way gives its message types to `nodes/`.
"""

"""The real network: one process per organisation, connected by mutual TLS 1.3.

`transport` moves frames between members and knows nothing of what is in them; `frames` is its format and `backlog`
its patience. What the frames mean is the business of the driver above. `snapshots` is what the driver does for peers
that are far behind, and for itself when it is.
"""

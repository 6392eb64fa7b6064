"""The deterministic core of Xinpei: no clock, no chance, no socket, no file.

Everything in this package is a pure function of its inputs. Time is a field of an input, randomness never
enters, and what must touch the world is returned as an effect for a driver in `nodes/` to perform. Imports go
down only, in this order:

    replica, light_client
    application, mempool
    consensus | execution          (siblings)
    genesis, blocks, transactions
    membership | merkle | state_tree
    codec | crypto
    errors, limits
"""

"""Where an organisation keeps what the chain only commits to, and how it is sealed for others.

`payloads` encrypts a record under a key of its own, `sealing` hands that key to one reader, `records` keeps both on
disk so that a record can be erased. Nothing here knows grants or contracts: whether a record may be handed over is
decided on the chain, before anyone asks this package.
"""

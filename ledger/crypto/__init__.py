"""Cryptography by purpose: hashes, signatures, commitments.

The only package of the core that imports `nacl`, and the only one that verifies Ed25519: libraries disagree about
malformed keys and signatures, and two rules in one network are a fork. There is no `sign(bytes)`: every signature
names what it is for, and a signature for one purpose is worth nothing for another.

Nothing here draws randomness; salts, nonces and blindings arrive as arguments.
"""

"""The one door through which chance enters: keys, salts, data keys, blindings, nonces.

The core draws nothing; whatever in `nodes/` needs unpredictable bytes is handed an `Entropy` and asks it. A node has
`SystemEntropy`, the simulator and the tests have `SeededEntropy`, and so one seed replays a whole run.

What does not come through here: the ephemeral keys inside HPKE and TLS, which their libraries draw themselves.
Sealed bytes therefore differ between two runs of one seed, while everything that is opened, hashed onto the chain or
signed does not.
"""

import hashlib
import os
from typing import Protocol

_DRAW_BYTES_MAX = 1024 * 1024
"""One draw: far above any key, far below what would hide a wrong argument."""


class Entropy(Protocol):
    """A source of bytes that nobody can predict, or that only the holder of a seed can."""

    def draw(self, count: int) -> bytes:
        """Return `count` fresh bytes, 1 <= count <= 1 MiB; no two draws are related."""
        ...


class SystemEntropy:
    """The operating system's generator: what a node uses."""

    def draw(self, count: int) -> bytes:
        """Return `count` bytes of the system's generator."""
        _check_count(count)
        return os.urandom(count)


class SeededEntropy:
    """A deterministic stream: SHAKE-256 over seed and draw number.

    For the simulator and for tests. It keeps no secret that the seed does not tell, so a node must never use it.
    """

    def __init__(self, seed: bytes) -> None:
        """Start the stream.

        Args:
            seed: Any bytes; equal seeds give equal streams.
        """
        self._prefix = b"xinpei/entropy/v1" + len(seed).to_bytes(8, "big") + seed
        self._draws = 0

    def draw(self, count: int) -> bytes:
        """Return the next `count` bytes of the stream; draws of another length do not shift later ones."""
        _check_count(count)
        data = self._prefix + self._draws.to_bytes(8, "big")
        self._draws += 1
        return hashlib.shake_256(data).digest(count)


def _check_count(count: int) -> None:
    assert 1 <= count <= _DRAW_BYTES_MAX, f"draw 1 to {_DRAW_BYTES_MAX} bytes, not {count}"

"""A disk at which its owner dies: whoever writes the nth secret file is killed before or after that write."""

from pathlib import Path

import pytest

from nodes.files import write_private
from nodes.vault import records as vault_records
from nodes.vault import register as vault_register
from tests.nodes.roles.town import Killed, Town


class Mortal:
    """Kills whoever writes a secret file, before or after its nth write from now on."""

    def __init__(self, town: Town, patch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
        self.town = town
        self.number = number
        self.after = after
        self.written = 0
        patch.setattr(vault_register, "write_private", self.write)
        patch.setattr(vault_records, "write_private", self.write)

    def write(self, path: Path, data: bytes) -> None:
        self.written += 1
        if self.written != self.number:
            write_private(path, data)
            return
        if self.after:
            write_private(path, data)
        self.town.restart(path.relative_to(self.town.folder).parts[0])
        raise Killed

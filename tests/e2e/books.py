"""A member's books, opened from a copy of its folder: opening them tidies up, and its node may be at work."""

import shutil
from pathlib import Path

from nodes.config import Home
from nodes.entropy import SystemEntropy
from nodes.keystore import load_keystore
from nodes.members import VAULT_FOLDER
from nodes.vault.records import Vault
from nodes.vault.register import REGISTER_FOLDER, Register


def open_books(home: Home, name: str, folder: Path) -> tuple[Vault, Register]:
    """Return a member's vault and register, as they are now.

    Args:
        home: The network's.
        name: Whose.
        folder: For the copy; what lies there is replaced.
    """
    shutil.rmtree(folder, ignore_errors=True)
    for part in (VAULT_FOLDER, REGISTER_FOLDER):
        shutil.copytree(home.node_folder(name) / part, folder / part)
    keys = load_keystore(home.node_folder(name) / "keys")
    vault = Vault(folder / VAULT_FOLDER, home.load_network().chain_id, SystemEntropy())
    return vault, Register(folder / REGISTER_FOLDER, keys.register_secret, SystemEntropy())

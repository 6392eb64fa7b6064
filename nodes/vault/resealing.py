"""Replacing the secret of a register: every entry is sealed anew, then the old secret is destroyed.

    1. the new secret is made beside the old one, as `register.next`
    2. each entry is opened with the old one, written under the new one and synced; its old file is overwritten
    3. when no entry is left, the new file takes the old one's name; the old one keeps a second name until then
    4. the old secret is overwritten, synced and unlinked

The folder of the keys says at any moment how far it came: with `register.next` entries may lie under either secret, and
the old one is there; with `register.former` alone all lie under the new one, and only step 4 is left. So whatever
stops in between, `finish` goes on from there. A node does that before it opens its register, and the command when it
is typed again. Until then nobody opens the register, so nothing is erased from one half of it and left in the other.

One process at a time: the command holds the node's lock. A backup of the register that was made before opens with a
backup of the old secret only, and with that it does: whoever destroys one destroys both.
"""

from pathlib import Path

from nodes.entropy import Entropy
from nodes.keystore import (
    destroy_former_register_secret,
    install_register_secret,
    prepare_register_secret,
    read_register_secrets,
)
from nodes.vault.register import REGISTER_FOLDER, Register

KEYS_FOLDER = "keys"


def replace_secret(folder: Path, entropy: Entropy) -> int:
    """Replace the secret of an organisation's register, or go on with a replacement that was interrupted.

    Args:
        folder: The organisation's own; no node of it runs.
        entropy: For the new secret and the nonces.

    Returns:
        How many entries were sealed anew by this call.

    Raises:
        KeystoreError: If a secret cannot be read.
        RegisterError: If an entry does not open; the old secret stays in force, and nothing is lost.
    """
    keys = folder / KEYS_FOLDER
    destroy_former_register_secret(keys)
    former, prepared = read_register_secrets(keys)
    if prepared is None:
        Register(folder / REGISTER_FOLDER, former, entropy).check()
        prepare_register_secret(keys, entropy)
    return finish(folder, entropy) or 0


def finish(folder: Path, entropy: Entropy) -> int | None:
    """Finish a replacement that was interrupted; return how many entries were left, or None if there was none.

    Args, raises: As `replace_secret`.
    """
    keys = folder / KEYS_FOLDER
    destroy_former_register_secret(keys)
    former, prepared = read_register_secrets(keys)
    if prepared is None:
        return None
    count = Register(folder / REGISTER_FOLDER, prepared, entropy).reseal(former)
    install_register_secret(keys)
    destroy_former_register_secret(keys)
    return count

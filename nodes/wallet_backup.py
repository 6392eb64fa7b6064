"""A wallet's backup: all that the wallet is in one file, always under a passphrase, for one chain.

    xinpei-wallet-backup/1 ...    one line that says what this is
    chain id, box                 canonical encoding; the box (`nodes.passphrase`) has the wallet's secrets, and opens
                                  beside this line and this chain id only

It holds the seeds, the identity and which pseudonyms have another key than their first: the wallet as it was then. A
backup from before the keys were replaced signs nothing for the pseudonyms that have newer ones; it still opens what was
sealed to the old ones. Neither the notices that she has read nor anything of her records is in it.

The chain id stands outside the box, so that a backup of another network is told before a passphrase is asked for. It
says on which network somebody has a wallet, and nothing about who.
"""

from pathlib import Path

from ledger.codec import ChainId, Struct, decode, encode
from ledger.errors import DecodeError
from nodes.entropy import Entropy
from nodes.files import write_private
from nodes.passphrase import LOCKED_BYTES_MAX, Locked, PassphraseError, lock, unlock
from nodes.wallet import Wallet, WalletError

_HEADER = b"xinpei-wallet-backup/1 protected by a passphrase (argon2id, aes-256-gcm)\n"
_FILE_BYTES_MAX = 2 * LOCKED_BYTES_MAX


class _Backup(Struct):
    chain_id: ChainId
    box: Locked


def write_backup(path: Path, wallet: Wallet, chain_id: str, passphrase: str, entropy: Entropy) -> None:
    """Write a wallet's backup to a new file, mode 0600, and open it once to see that it does.

    Args:
        path: The file, which must not be there; its folder must.
        wallet: What is backed up.
        chain_id: The network's.
        passphrase: The backup's own; at least one character.
        entropy: Where salt and nonce come from.

    Raises:
        WalletError: If there is something at `path` already, or no folder to put it in.
        PassphraseError: If the passphrase is empty.
    """
    check_new_backup(path)
    box = lock(wallet.encode_secrets(), passphrase, _associate(chain_id), entropy)
    write_private(path, _HEADER + encode(_Backup(chain_id, box)))
    restored = open_backup(path, read_backup(path, chain_id), chain_id, passphrase)
    assert restored.encode_secrets() == wallet.encode_secrets(), "a backup is what was backed up"


def check_new_backup(path: Path) -> None:
    """Check that a backup can be put there, before anybody types a passphrase; raises `WalletError`."""
    if path.exists() or path.is_symlink():
        msg = f"backup {path}: exists already and is not replaced; choose another name"
        raise WalletError(msg)
    if not path.parent.is_dir():
        msg = f"backup {path}: expected a folder at {path.parent}, found none"
        raise WalletError(msg)


def read_backup(path: Path, chain_id: str) -> Locked:
    """Return the box of a backup, closed.

    Its mode does not matter, unlike a wallet's: a backup is made to travel, and no disk keeps it but its passphrase.

    Args:
        path: The file.
        chain_id: The network on which it is to be restored.

    Raises:
        WalletError: If it is missing, no backup, damaged, or of another chain.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        msg = f"backup {path}: {error.strerror or error}"
        raise WalletError(msg) from None
    if len(data) > _FILE_BYTES_MAX:
        msg = f"backup {path}: expected at most {_FILE_BYTES_MAX} bytes"
        raise WalletError(msg)
    if not data.startswith(_HEADER):
        msg = f"backup {path}: expected a file that begins with xinpei-wallet-backup/1"
        raise WalletError(msg)
    try:
        backup = decode(data[len(_HEADER) :], _Backup)
    except DecodeError:
        msg = f"backup {path}: was changed or cut off; take another copy of it"
        raise WalletError(msg) from None
    if backup.chain_id != chain_id:
        msg = f"backup {path}: chain_id: expected {chain_id}, got {backup.chain_id}; it is a wallet of another network"
        raise WalletError(msg)
    return backup.box


def open_backup(path: Path, box: Locked, chain_id: str, passphrase: str) -> Wallet:
    """Return the wallet in a backup's box; it is not protected before it is saved with a passphrase.

    Args:
        path: The file it came from, for the error.
        box: From `read_backup`.
        chain_id: As there.
        passphrase: What it was written with.

    Raises:
        WalletError: If it does not open.
    """
    try:
        return Wallet.decode_secrets(unlock(box, passphrase, _associate(chain_id)), protected=False)
    except (PassphraseError, DecodeError):
        msg = f"backup {path}: does not open: wrong passphrase, or the file was changed"
        raise WalletError(msg) from None


def _associate(chain_id: str) -> bytes:
    return _HEADER + encode(chain_id)

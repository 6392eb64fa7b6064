"""An organisation replaces its own submission key while everything goes on.

    1. the next key is made beside the old one, as `submission-N.next` (`nodes.keystore`); it signs nothing yet
    2. `membership.rotate_key` is posted, signed with the key in force; the new one proves that it is held
    3. from the next height on the chain names the new key: the node, its agents and the command line sign with it, and
       whoever of them comes first makes the file a lasting one

Whatever stops in between is taken up by doing it again: a prepared key is used, never made twice, and one that the
chain has already is found by calling with it. The old key stays on the disk. It signs nothing more, and what it
signed is verified with the key history on the chain.
"""

from collections.abc import Callable
from pathlib import Path

from contracts.keys import RotateKey, rotation_message
from ledger.crypto.signatures import PrivateKey, sign_enrolment
from nodes.authentication import RequestSigner
from nodes.client import ApiError, Client
from nodes.entropy import Entropy
from nodes.keystore import find_prepared_submission_key, load_keystore, prepare_submission_key
from nodes.roles.office.member_calls import MemberCalls

Connect = Callable[[RequestSigner], Client]
"""Returns a client of the member's node that signs so."""


def connect_in_force(folder: Path, chain_id: str, organisation: str, connect: Connect) -> Client:
    """Return a client that signs with the newest key that the node takes, and make that key a lasting one.

    Only where a newer key was prepared is the node asked; else the newest lasting one is in force.

    Args:
        folder: The organisation's keys.
        chain_id: The network's.
        organisation: Who acts.
        connect: Makes a client.

    Raises:
        KeystoreError: If its keys cannot be read.
    """
    keys = load_keystore(folder)
    client = connect(RequestSigner(keys.submission, chain_id, organisation, keys.submission_version))
    version = keys.submission_version + 1
    prepared = find_prepared_submission_key(folder, version)
    if prepared is None or not _is_refused(client):
        return client
    newer = connect(RequestSigner(prepared, chain_id, organisation, version))
    if _is_refused(newer):
        newer.close()
        return client
    client.close()
    assert keys.submissions[version].public_key == prepared.public_key, "asking for a version makes it lasting"
    return newer


def rotate_submission_key(client: Client, folder: Path, entropy: Entropy, connect: Connect) -> int:
    """Replace the key that a client signs with; return the new version once the node takes it.

    Args:
        client: From `connect_in_force`.
        folder: The organisation's keys.
        entropy: For the new key.
        connect: Makes a client.

    Raises:
        ApiError: If the chain refuses it or the node does not answer; doing it again goes on from there.
        KeystoreError: If a key cannot be made or read.
    """
    signer = client.signer
    version, key = prepare_submission_key(folder, entropy)
    failure: ApiError | None = None
    try:
        _post(client, entropy, version, key)
    except ApiError as error:  # perhaps an earlier attempt is on the chain by now
        failure = error
    with connect(RequestSigner(key, signer.chain_id, signer.actor, version)) as newer:
        try:
            newer.get("/v1/status")
        except ApiError as error:
            raise failure or error from None
    assert load_keystore(folder).submissions[version].public_key == key.public_key, "asking for it makes it lasting"
    return version


def _post(client: Client, entropy: Entropy, version: int, key: PrivateKey) -> None:
    signed = rotation_message(client.signer.chain_id, client.signer.actor, key.public_key, version)
    message = RotateKey(key.public_key, sign_enrolment(key, signed))
    MemberCalls(client, entropy).call("membership", "rotate_key", message)


def _is_refused(client: Client) -> bool:
    """Whether a node knows its caller's key no more, or not yet; one that does not answer refuses nothing."""
    try:
        client.get("/v1/status")
    except ApiError as error:
        return error.code == "AUTHENTICATION"
    return False

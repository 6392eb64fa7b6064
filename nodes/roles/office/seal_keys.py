"""An organisation replaces the key that secrets are sealed to, and destroys the former one when nobody needs it.

    1. the next key is made beside the others, as `seal-N.key`, and is on the disk before anybody hears of it
    2. `membership.rotate_seal_key` is posted, signed with the submission key in force
    3. whoever seals to the organisation looks at the latest state, and takes the new key from then on
    4. what was sealed to the former one before is on its way for a while, and opens: what is sealed names its key
    5. KEPT_MS after its end, by the chain's time, the node overwrites and removes the former key

Whatever stops in between is taken up by doing it again: a key that was made and is not on the chain is the one that is
posted. So the chain never names a key that was not on this disk.

Hospitals, insurers and the rail open what is sealed to them as soon as they get it, and keep what they need of it in
books of their own: nothing that is sealed to a former key lasts. A regulator's former keys stay: openings that were
sealed to it lie in files, which it may open again years later. Whoever wants to be rid of one removes its file.
"""

from pathlib import Path
from typing import cast

from contracts.keys import RotateSealKey, SealKeyRecord
from contracts.membership import FindActor
from ledger.genesis import Credentials
from nodes.agent import ChainView
from nodes.client import ApiError
from nodes.entropy import Entropy
from nodes.keystore import SealKeyFiles, prepare_seal_key
from nodes.roles.lookup import find_credentials
from nodes.roles.office.member_calls import MemberCalls

KEPT_MS = 7 * 86_400_000
"""A week: a question waits seconds for its answer, a wallet that is asked to sign seals at once, and a node that fell
behind catches up or is looked after."""
KEEPS_FORMER_KEYS = ("regulator", "auditor")
"""The roles that are sealed to in files."""


def rotate_seal_key(calls: MemberCalls, folder: Path, entropy: Entropy) -> int:
    """Replace a member's seal key; return the new version once the chain has it.

    Args:
        calls: The member's voice.
        folder: Its keys.
        entropy: For the new key.

    Raises:
        ApiError: If the chain refuses it or the node does not answer; doing it again goes on from there.
        KeystoreError: If a key cannot be made or read.
    """
    member = calls.client.signer.actor
    kind = cast("type[Credentials | None]", Credentials | None)
    credentials = calls.ask("membership", "credentials", FindActor(member), kind)
    if credentials is None:
        raise ApiError("FORBIDDEN", f"{member}: is a member no more")
    version = credentials.seal_version + 1
    pair = prepare_seal_key(folder, version, entropy)
    try:
        calls.call("membership", "rotate_seal_key", RotateSealKey(pair.public_key, version))
    except ApiError:  # perhaps it is on the chain, and only the answer was lost
        known = {record.version: record.seal_key for record in list_seal_keys(calls, member)}
        if known.get(version) != pair.public_key:
            raise
    return version


def list_seal_keys(calls: MemberCalls, member: str) -> tuple[SealKeyRecord, ...]:
    """Return every seal key that a member ever had, the first one first; raises `ApiError`."""
    return calls.ask("membership", "seal_key_history", FindActor(member), tuple[SealKeyRecord, ...])


def destroy_former_seal_keys(view: ChainView, member: str, role: str, keys: SealKeyFiles) -> tuple[int, ...]:
    """Destroy the seal keys of a member that ended KEPT_MS ago; return their versions.

    Args:
        view: The latest committed state.
        member: Whose.
        role: A regulator's and an auditor's stay.
        keys: On this disk.
    """
    if role in KEEPS_FORMER_KEYS:
        return ()
    history = view.query("membership", "seal_key_history", FindActor(member), tuple[SealKeyRecord, ...])
    here = keys.versions
    ended = [
        record.version
        for record in history
        if record.until_ms is not None and record.until_ms + KEPT_MS <= view.time_ms and record.version in here[:-1]
    ]
    for version in ended:
        keys.destroy(version)
    return tuple(ended)


def find_missing_seal_key(view: ChainView, member: str, keys: SealKeyFiles) -> int | None:
    """Return the version of the seal key that others seal to, if it is not on this disk; None if all is well."""
    credentials = find_credentials(view, member)
    if credentials is None:
        return None
    pair = keys.get(credentials.seal_version)
    if pair is not None and pair.public_key == credentials.seal_key:
        return None
    return credentials.seal_version

"""Which organisations there are, for a wallet: proven by the state of the chain, and not believed of any node.

A node shows a header that the validators decided, how their set changed since the genesis, and the entries of all
organisations with a proof under that header's state root. The wallet begins with its genesis and believes nothing else:
no node can give a member another role or another seal key, or a removed one back its place after that height.

What a node can do is to show an old state, or to leave an organisation out. So two nodes are asked, and of each
organisation the latest that was shown counts; and before something is sealed to a member, its own node is asked too,
which knows its own key best. Where all of them show an old state, what is sealed goes to a former key, over the
connection that the member itself ends. An empty chain has the members of the genesis.

Nodes are asked under a name made for the question: who asks is nobody's pseudonym.
"""

import time
from typing import Annotated

from msgspec import Meta

from ledger.codec import Struct, decode, encode
from ledger.crypto.signatures import PrivateKey
from ledger.errors import LedgerError
from ledger.execution.contract import actor_key
from ledger.execution.state import encode_key
from ledger.genesis import Credentials, Genesis
from ledger.light_client import WalkStep, trust_genesis, walk
from ledger.membership import Actor, KeyRecord, Role
from ledger.state_multiproof import StateMultiProof, verify_many
from nodes.authentication import RequestSigner, pseudonym_name
from nodes.client import ApiError, Client
from nodes.config import Home
from nodes.entropy import Entropy

PATH = "/v1/organisations"
STEPS_MAX = 1_024
"""Changes of the validator set since the genesis."""
STANDINGS_MAX = 1_024
"""Organisations that there ever were: each takes two entries of a proof."""
PROOF_BYTES_MAX = 16 * 1024 * 1024
ANSWERS = 2
"""Nodes that are asked before anything is done: one alone could hold back what it likes."""
FRESH_SECONDS = 5.0
"""How long an answer serves: for one command, and no new key is missed for longer."""
TIMEOUT_SECONDS = 10.0


class OrganisationsError(LedgerError):
    """No node shows who the members are, or an organisation is not what it should be."""


class Standing(Struct):
    """An organisation that is or was a member."""

    actor: Actor
    """Its name, its role, and the history of its keys."""
    credentials: Credentials | None
    """None for who was removed."""

    @property
    def order(self) -> tuple[int, str]:
        """What the organisations of a role are listed by: when they were admitted, then by name."""
        return self.actor.keys[0].from_height, self.actor.name


class OrganisationsProof(Struct):
    """All organisations after a block, and why to believe it."""

    steps: Annotated[tuple[WalkStep, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    """From the genesis to the header of that block."""
    standings: Annotated[tuple[Standing, ...], Meta(max_length=STANDINGS_MAX)]
    """Sorted by name."""
    proof: StateMultiProof
    """Of `list_entries`, under the last header."""


def list_entries(standings: tuple[Standing, ...]) -> dict[bytes, bytes | None]:
    """Return the state entries that say so: a row for each, and its credentials or that it has none."""
    entries: dict[bytes, bytes | None] = {}
    for item in standings:
        name, credentials = item.actor.name, item.credentials
        entries[actor_key(name)] = encode(item.actor)
        entries[encode_key("membership", "organisations", name)] = None if credentials is None else encode(credentials)
    return entries


def verify_organisations(data: bytes, genesis: Genesis) -> tuple[int, tuple[Standing, ...]]:
    """Return the height and the organisations that a node's answer proves.

    Args:
        data: The canonical encoding of an `OrganisationsProof`.
        genesis: What is trusted.

    Raises:
        DecodeError: If it is none.
        VerificationError: Naming what does not hold.
    """
    shown = decode(data, OrganisationsProof, PROOF_BYTES_MAX)
    trusted = walk(trust_genesis(genesis), shown.steps)
    verify_many(shown.steps[-1].header.state_root, list_entries(shown.standings), shown.proof)
    return trusted.height, shown.standings


class Organisations:
    """The organisations of one network, as one wallet knows them."""

    def __init__(self, home: Home, genesis: Genesis, entropy: Entropy) -> None:
        """Begin with those of the genesis; nobody is asked yet.

        Args:
            home: Where the nodes' addresses and authorities are.
            genesis: What is trusted.
            entropy: For the names to ask under.
        """
        self._home = home
        self._genesis = genesis
        self._entropy = entropy
        self._network = home.load_network()
        self._known = {item.actor.name: (0, item) for item in _list_founders(genesis)}
        """Name -> the latest height at which it was shown, and how it stood."""
        self._asked: dict[str, float] = {}
        """Node -> when it answered last."""
        self._silent: dict[str, tuple[float, str]] = {}
        """Node -> when it showed nothing that holds, and why."""

    def list_role(self, role: Role, *, with_former: bool = False) -> tuple[str, ...]:
        """Return the organisations of a role, in the order in which they were admitted.

        Args:
            role: Theirs.
            with_former: Those that were removed, too.

        Raises:
            OrganisationsError: If no node shows who they are.
        """
        self._look()
        found = [item for _, item in self._known.values() if item.actor.role == role]
        return tuple(item.actor.name for item in sorted(found, key=_order) if with_former or item.credentials)

    def is_reachable(self, name: str) -> bool:
        """Whether an organisation is a member, and this home knows where its node is."""
        self._look()
        _, found = self._known.get(name, (0, None))
        return found is not None and found.credentials is not None and name in self._list_nodes()

    def check(self, name: str, role: Role) -> None:
        """Refuse a name that no organisation of this role has or had; raises `OrganisationsError`."""
        self._look()
        _, found = self._known.get(name, (0, None))
        if found is None or found.actor.role != role:
            known = ", ".join(self.list_role(role))
            msg = f"{role}: expected one of {known}, got {name}"
            raise OrganisationsError(msg)

    def check_member(self, name: str, role: Role) -> None:
        """Refuse, as `check`, and who is a member no more; raises `OrganisationsError`."""
        self.check(name, role)
        height, found = self._known[name]
        if found.credentials is None:
            msg = f"{role}: {name} is a member no more at height {height}; nothing is granted or sealed to it"
            raise OrganisationsError(msg)

    def find_seal_key(self, name: str) -> bytes:
        """Return the key to seal to for a member, after asking its own node too.

        Raises:
            OrganisationsError: If it is no member, or a member no more.
        """
        self._look()
        own = self._network.hosted.get(name, name)
        if own in self._list_nodes():
            self._ask(own)
        height, found = self._known.get(name, (0, None))
        if found is None or found.credentials is None:
            state = "no member" if found is None else f"a member no more at height {height}"
            msg = f"{name}: is {state}; nothing is sealed to it"
            raise OrganisationsError(msg)
        return found.credentials.seal_key

    def ask_all(self) -> None:
        """Ask every node that this home knows; those that do not answer are passed over.

        Raises:
            OrganisationsError: If none does.
        """
        for node in self._list_nodes():
            self._ask(node)
        self._look()

    def _look(self) -> None:
        """Ask until ANSWERS nodes have answered a moment ago, or all were asked."""
        nodes = self._list_nodes()
        answers = sum(map(self._is_fresh, nodes))
        for node in nodes:
            if answers >= ANSWERS:
                return
            if not self._is_fresh(node):
                answers += self._ask(node)
        if not answers:
            reasons = "; ".join(f"{node}: {self._silent[node][1]}" for node in nodes if node in self._silent)
            msg = f"no node shows who the members are: {reasons or 'this home knows none'}"
            raise OrganisationsError(msg)

    def _is_fresh(self, node: str) -> bool:
        return time.monotonic() - self._asked.get(node, float("-inf")) < FRESH_SECONDS

    def _ask(self, node: str) -> bool:
        """Take in what a node shows, if it was not asked a moment ago; return whether it holds."""
        now = time.monotonic()
        if self._is_fresh(node):
            return True
        if node in self._silent and now - self._silent[node][0] < FRESH_SECONDS:
            return False
        try:
            height, standings = self._fetch(node)
        except LedgerError as error:
            self._silent[node] = (now, str(error))
            return False
        self._asked[node] = now
        for item in standings:
            name = item.actor.name
            if name not in self._known or self._known[name][0] < height:
                self._known[name] = (height, item)
        return True

    def _fetch(self, node: str) -> tuple[int, tuple[Standing, ...]]:
        key = PrivateKey(self._entropy.draw(32))
        signer = RequestSigner(key, self._genesis.chain_id, pseudonym_name(key.public_key), carry_key=True)
        address, authority = self._network.address(node), self._home.authority_path(node)
        with Client(address, authority, signer, self._entropy, TIMEOUT_SECONDS) as client:
            try:
                data = client.get_bytes(PATH)
            except ApiError as error:
                if error.code == "NOT_FOUND":  # there is no block yet
                    return 0, ()
                raise
        return verify_organisations(data, self._genesis)

    def _list_nodes(self) -> tuple[str, ...]:
        return tuple(node.organisation for node in self._network.nodes)


def _list_founders(genesis: Genesis) -> tuple[Standing, ...]:
    return tuple(
        Standing(
            Actor(item.name, item.role, (KeyRecord(1, item.public_key, 0, None),), None),
            Credentials(item.seal_key, 1, item.certificate_hash),
        )
        for item in genesis.organisations
    )


def _order(standing: Standing) -> tuple[int, str]:
    return standing.order

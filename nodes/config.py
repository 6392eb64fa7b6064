"""Where a local network lives on disk, and who answers at which address.

    HOME/
      genesis.json            what every member agrees on (canonical JSON, public)
      network.json            who answers where (addresses of this machine)
      authorities/ORG.pem     each member's CA certificates (public)
      contracts/HASH/         contract sets by hash (public; `nodes.contract_sources`)
      nodes/ORG/              one organisation's own folder, mode 0700; nobody else's process reads it
        keys/ store/ snapshots/ base/ consensus/ vault/ outbox/ node.log node.lock node.json
      wallets/NAME.wallet     customers' wallets, mode 0600

The home folder stands for a network on one machine. A member that runs its node elsewhere has only its own folder,
the two public files and the authorities.
"""

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.errors import LedgerError
from ledger.genesis import Genesis
from ledger.membership import Role
from nodes.schemas import canonical_json

HOME_DEFAULT = Path(".xinpei")


class ConfigurationError(LedgerError):
    """A file of the home folder that is missing, malformed or of another network; says what to do."""


class NodeAddress(BaseModel):
    """Where one organisation's node listens."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    organisation: Annotated[str, Field(min_length=1, max_length=64)]
    host: Annotated[str, Field(min_length=1, max_length=255)]
    peer_port: Annotated[int, Field(ge=1, le=65535)]
    api_port: Annotated[int, Field(ge=1, le=65535)]


class NetworkConfig(BaseModel):
    """The addresses of all nodes, and which node hosts a member that runs none of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    chain_id: str
    genesis_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    nodes: tuple[NodeAddress, ...]
    hosted: dict[str, str] = {}
    """Member without a node -> organisation whose process hosts it: `{"rail": "regulator"}`."""
    joined: dict[str, Role] = {}
    """Members that are not in the genesis -> their role: what a node that joins goes by until it has the chain."""

    def address(self, organisation: str) -> NodeAddress:
        """Return the address of an organisation's node.

        Raises:
            ConfigurationError: If it runs no node in this network.
        """
        for node in self.nodes:
            if node.organisation == organisation:
                return node
        known = ", ".join(node.organisation for node in self.nodes)
        msg = f"organisation: expected one of {known}, got {organisation}"
        raise ConfigurationError(msg)


class Home:
    """The paths of one home folder, and its two public files."""

    def __init__(self, folder: Path = HOME_DEFAULT) -> None:
        """Name the folder; nothing is read or made yet."""
        self.folder = folder
        self.genesis_path = folder / "genesis.json"
        self.network_path = folder / "network.json"
        self.authorities_folder = folder / "authorities"
        self.contracts_folder = folder / "contracts"
        self.wallets_folder = folder / "wallets"

    def node_folder(self, organisation: str) -> Path:
        """Return an organisation's own folder."""
        return self.folder / "nodes" / organisation

    def authority_path(self, organisation: str) -> Path:
        """Return the file of a member's CA certificate."""
        return self.authorities_folder / f"{organisation}.pem"

    def wallet_path(self, name: str) -> Path:
        """Return the file of a customer's wallet."""
        return self.wallets_folder / f"{name}.wallet"

    def roles(self) -> dict[str, Role]:
        """Return the roles of the founding members and of those that joined, as this home knows them."""
        founding: dict[str, Role] = {item.name: item.role for item in self.load_genesis().organisations}
        return founding | self.load_network().joined

    def exists(self) -> bool:
        """Whether a network was set up here."""
        return self.genesis_path.exists() and self.network_path.exists()

    def load_genesis(self) -> Genesis:
        """Read the genesis.

        Raises:
            ConfigurationError: If it is missing or not a canonical genesis.
        """
        if not self.genesis_path.exists() and not self.network_path.exists():
            raise ConfigurationError(self._nothing_here())
        return load_genesis(self.genesis_path)

    def save_genesis(self, genesis: Genesis) -> None:
        """Write the genesis once; an existing one is never replaced."""
        if self.genesis_path.exists():
            msg = f"{self.genesis_path}: exists already; choose another --home"
            raise ConfigurationError(msg)
        write_file(self.genesis_path, canonical_json.render(genesis))

    def load_network(self) -> NetworkConfig:
        """Read the addresses and check that they belong to the genesis beside them.

        Raises:
            ConfigurationError: If the file is missing, malformed or of another network.
        """
        path = self.network_path
        try:
            config = NetworkConfig.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            if self.genesis_path.exists():
                msg = f"{path}: missing beside {self.genesis_path.name}; it says who answers where, so restore it"
            else:
                msg = self._nothing_here()
            raise ConfigurationError(msg) from None
        except OSError as error:
            msg = f"{path}: {error.strerror or error}"
            raise ConfigurationError(msg) from None
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "file"
            msg = f"{path}: {field}: {first['msg']}"
            raise ConfigurationError(msg) from None
        genesis = self.load_genesis()
        if config.genesis_hash != genesis.hash.hex() or config.chain_id != genesis.chain_id:
            msg = f"{path}: belongs to the network {config.chain_id}, but genesis.json is of {genesis.chain_id}"
            raise ConfigurationError(msg)
        return config

    def _nothing_here(self) -> str:
        return f"{self.network_path}: no network here; start one with `xinpei up`, or name its folder with --home"

    def save_network(self, config: NetworkConfig) -> None:
        """Write the addresses."""
        text = json.dumps(config.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
        write_file(self.network_path, text.encode())


def load_genesis(path: Path) -> Genesis:
    """Read a genesis file.

    Raises:
        ConfigurationError: If it is missing, unreadable or not canonical; says which field.
    """
    try:
        return canonical_json.parse(path.read_bytes(), Genesis)
    except FileNotFoundError:
        msg = f"{path}: no such genesis; a network's genesis is HOME/genesis.json"
        raise ConfigurationError(msg) from None
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise ConfigurationError(msg) from None
    except LedgerError as error:
        msg = f"{path}: {error}"
        raise ConfigurationError(msg) from None


def write_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a whole file or nothing: a new file beside it, synced, then renamed over it.

    Args:
        path: Its parent folder is made if it is missing.
        data: The whole contents.
        mode: Permission bits, set before the first byte is written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

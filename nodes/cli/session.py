"""Who acts, and the clients of the nodes.

`--as insurer-a` acts with the submission key in that organisation's folder; `--as wang` acts with the wallet of that
name. In a home folder of one machine both are files of one user.
"""

from nodes.authentication import RequestSigner
from nodes.client import Client
from nodes.config import Home
from nodes.entropy import SystemEntropy
from nodes.keystore import load_keystore


def open_operator(home: Home, organisation: str) -> Client:
    """Return a client of an organisation's own node, acting as that organisation.

    Raises:
        ConfigurationError: If the organisation runs no node here.
        KeystoreError: If its key cannot be read.
    """
    network = home.load_network()
    address = network.address(organisation)
    keys = load_keystore(home.node_folder(organisation) / "keys")
    signer = RequestSigner(keys.submission, network.chain_id, organisation, keys.submission_version)
    return Client(address, home.authority_path(organisation), signer, SystemEntropy())

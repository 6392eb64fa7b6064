"""A member in a process: its books opened, its agent hosted, its routes made.

A node hosts its own organisation and the members that run no node of their own; each has a folder with its own keys,
register and vault, and signs with its own key.
"""

import logging
from dataclasses import dataclass

from fastapi import APIRouter

from ledger.membership import Role
from nodes.agent import Agent
from nodes.api import access, activity, claims, coordination, customers, explanations, records, recovery, reports
from nodes.api.attachments import make_attaching_router, make_document_router
from nodes.api.authorities import make_authority_router, make_relation_router
from nodes.api.emergencies import make_glass_router, make_review_router
from nodes.api.hospital import make_hospital_router
from nodes.api.insurer import make_insurer_router
from nodes.api.received import make_received_router
from nodes.api.requests import make_request_router
from nodes.config import ConfigurationError, Home
from nodes.entropy import Entropy
from nodes.identity import RecordDates
from nodes.keystore import SealKeyFiles, load_keystore
from nodes.network.hosting import Signatory
from nodes.network.node import NetworkNode
from nodes.roles.auditor import Auditor
from nodes.roles.authorising import Authorising
from nodes.roles.hospital import Hospital
from nodes.roles.insurer.agent import Insurer
from nodes.roles.rail import Rail
from nodes.roles.rail.bank import PromptBank
from nodes.roles.reception import Reception
from nodes.roles.regulator import Regulator
from nodes.schemas.holds import load_holds
from nodes.vault import resealing
from nodes.vault.records import Vault
from nodes.vault.register import REGISTER_FOLDER, Register

VAULT_FOLDER = "vault"
HOLDS_FILE = "holds.json"

OF_EVERY_NODE = (
    customers.router,
    explanations.router,
    claims.router,
    coordination.router,
    records.router,
    recovery.router,
    reports.router,
    activity.router,
    access.router,
)
"""What a node answers whatever the role of its organisation, once for itself and not for those it hosts."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HostedMember:
    """A member whose agent runs in this process."""

    name: str
    role: Role
    seal_keys: SealKeyFiles
    routers: list[APIRouter]
    """The routes that belong to its role."""


def host_member(home: Home, node: NetworkNode, name: str, entropy: Entropy) -> HostedMember:
    """Open a member's books and host its agent.

    Args:
        home: Where its folder is.
        node: The node that hosts it.
        name: The member.
        entropy: For all that its agent draws.

    Raises:
        ConfigurationError: If it is no member that this home knows.
        KeystoreError, RegisterError, VaultError: If its keys or books cannot be opened.
        HoldsError: If its table of holds cannot be read.
    """
    role = _find_role(home, name)
    folder = home.node_folder(name)
    resealed = resealing.finish(folder, entropy)
    if resealed is not None:
        _log.info("register of %s: %d entries were left to be sealed under its new secret, and are now", name, resealed)
    keys = load_keystore(folder / "keys")
    assert isinstance(keys.seal, SealKeyFiles), "a keystore on disk opens with what lies there"
    register = Register(folder / REGISTER_FOLDER, keys.register_secret, entropy)
    vault = Vault(folder / VAULT_FOLDER, node.view.chain_id, entropy)
    holds = load_holds(folder / HOLDS_FILE)
    routers = [*OF_EVERY_NODE] if name == node.organisation else []
    find_dates: explanations.DatesFinder = _find_no_dates
    agent: Agent
    match role:
        case "hospital":
            agent = hospital = Hospital(name, node.view, keys, vault, register, entropy, holds)
            find_dates = hospital.find_dates
            routers += [
                *_make_people_routers(hospital, hospital.authorising),
                make_hospital_router(hospital),
                make_attaching_router(hospital),
                make_received_router(hospital),
                make_glass_router(hospital),
                make_document_router(vault),
            ]
        case "insurer":
            agent = insurer = Insurer(name, node.view, keys, vault, register, entropy, holds)
            find_dates = insurer.find_dates
            routers += [
                *_make_people_routers(insurer, insurer.authorising),
                claims.make_openings_router(insurer),
                make_insurer_router(insurer),
                coordination.make_coordination_router(insurer),
                make_document_router(vault),
                reports.make_publishing_router(insurer),
            ]
        case "rail":
            agent = Rail(name, node.view, keys, register, PromptBank(register), holds)
        case "regulator":
            agent = regulator = Regulator(name, node.view, keys, vault, register, entropy, holds)
            routers += [
                access.make_orders_router(regulator),
                make_received_router(regulator),
                make_review_router(regulator),
                make_document_router(vault),
            ]
        case "auditor":
            agent = Auditor(name)
        case _:
            return HostedMember(name, role, keys.seal, routers)
    if name == node.organisation:
        routers.append(explanations.make_explanation_router(find_dates))
    node.host.add(agent, Signatory(name, keys.submissions))
    return HostedMember(name, role, keys.seal, routers)


def _find_role(home: Home, name: str) -> Role:
    """Return what a member is, as this home says: before its node has a chain nothing else does."""
    role = home.roles().get(name)
    if role is None:
        chain_id = home.load_network().chain_id
        msg = f"member: {name} is neither in the genesis of {chain_id} nor among `joined` in network.json"
        raise ConfigurationError(msg)
    return role


def _make_people_routers(reception: Reception, authorising: Authorising) -> list[APIRouter]:
    """Return the routes at which people meet a hospital or an insurer."""
    return [
        customers.make_party_router(reception),
        make_relation_router(reception),
        make_request_router(reception),
        make_authority_router(authorising),
    ]


def _find_no_dates(_grant_id: str) -> RecordDates | None:
    """Return nothing: to a rail, a regulator and an auditor no customer shows the record dates of a grant."""
    return None

"""The route that shows who the members are, with the proof: for wallets, which believe no node."""

from typing import cast

from fastapi import APIRouter, Request, Response

from ledger.application import Application
from ledger.codec import decode, encode
from ledger.execution.contract import actor_key
from ledger.light_client import WalkStep
from ledger.membership import Actor
from ledger.state_multiproof import join_proofs
from nodes.api.callers import AnyCaller, Node
from nodes.api.chain import MESSAGE_PACK
from nodes.api.errors import NotFoundError
from nodes.audit.collect import Blocks, collect_certificates
from nodes.roles.customer.organisations import OrganisationsProof, Standing, list_entries

router = APIRouter(prefix="/v1/organisations", tags=["chain"])


class Shown:
    """The answer of the latest height, made once however many wallets ask: it takes a proof of every organisation."""

    def __init__(self) -> None:
        """Begin with none."""
        self._height = 0
        self._data = b""

    def get(self, application: Application, blocks: Blocks) -> bytes:
        """Return the encoded proof as of the latest committed height; raises as `collect_organisations`."""
        if self._height != application.height:
            self._data = encode(collect_organisations(application, blocks))
            self._height = application.height
        return self._data


@router.get("")
async def show_organisations(request: Request, node: Node, _caller: AnyCaller) -> Response:
    """Return all organisations as of the latest block, with their keys, and the proof of it from the genesis on.

    The answer is MessagePack: `nodes.roles.customer.organisations.OrganisationsProof`. Before the first block there is
    none, and the genesis says who the members are.
    """
    if node.application.header is None:
        msg = "there is no block yet: the members are those of the genesis"
        raise NotFoundError(msg)
    shown = cast("Shown", request.app.state.organisations)
    return Response(shown.get(node.application, node.files.blocks), media_type=MESSAGE_PACK)


def collect_organisations(application: Application, blocks: Blocks) -> OrganisationsProof:
    """Return all organisations as of the latest committed height, with the proof.

    Raises:
        CollectionError: If there is no block yet, or a certificate on the way is not stored here.
    """
    members = application.members()
    standings = []
    for name in application.roles():
        value = application.read(actor_key(name))
        assert value is not None, "who has a role has a row"
        standings.append(Standing(decode(value, Actor), members.get(name)))
    entries = list_entries(tuple(standings))
    steps = tuple(
        WalkStep(item.header, item.commit, item.next_validators) for item in collect_certificates(application, blocks)
    )
    proof = join_proofs(application.roots, {key: (value, application.prove(key)) for key, value in entries.items()})
    return OrganisationsProof(steps, tuple(standings), proof)

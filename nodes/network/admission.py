"""Admission: peers come and go with the members' votes, while the node runs.

After a block that changed who belongs to the network, the transport's authorities and peers are set anew from the state
and this home's public files: who was admitted can connect, and who was removed, or whose certificate was replaced, is
cut off, open connections included. What the home lacks for it is reported once, and looked for again at every tick.
"""

from collections.abc import Callable, Mapping

from ledger.application import Application, ExecutedBlock
from ledger.errors import LedgerError
from ledger.execution.members import MEMBERS_PREFIX
from nodes.network.directory import MemberDirectory
from nodes.network.transport import Transport
from nodes.pki import Tls


class Admission:
    """Keeps one transport in step with the state."""

    def __init__(
        self,
        application: Application,
        transport: Transport,
        tls: Tls,
        directory: MemberDirectory,
        report: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        """Take the members as the state has them; `tls` admits those whose certificates are here already.

        Args:
            application: Has the state.
            transport: What is kept in step.
            tls: What it uses.
            directory: Where certificates and addresses are looked up.
            report: Writes one structured log line.

        Raises:
            LedgerError: If the home's public files are malformed.
        """
        self._application = application
        self._transport = transport
        self._tls = tls
        self._directory = directory
        self._report = report
        self._admitted: dict[str, bytes] = {}
        self._admitted, self._leaving = self._read()
        self._lacking: tuple[str, ...] = directory.find(self._admitted).lacking
        self._report_lacking()

    def note_block(self, executed: ExecutedBlock) -> None:
        """See whether a committed block changed the members."""
        if self._leaving or any(key.startswith(MEMBERS_PREFIX) for key in executed.state_keys()):
            self._change()

    def tick(self) -> None:
        """Look again for what was lacking."""
        if self._lacking:
            self._change()

    def _read(self) -> tuple[dict[str, bytes], bool]:
        """Return organisation -> hash of its CA certificate, and whether one of them is about to go.

        A validator that was removed is heard while its vote still counts: for the one block that its removal waits for.
        """
        admitted = {name: item.certificate_hash for name, item in self._application.members().items()}
        voting = self._application.validators(self._application.height + 1)
        leaving = {
            name: known
            for name, known in self._admitted.items()
            if name not in admitted and voting.get(name) is not None
        }
        return admitted | leaving, bool(leaving)

    def _change(self) -> None:
        former, lacking = self._admitted, self._lacking
        self._admitted, self._leaving = self._read()
        try:
            directory = self._directory.find(self._admitted)
        except LedgerError as error:
            self._lacking = (str(error),)
        else:
            self._lacking = directory.lacking
            self._tls.trust(directory.authorities)
            self._transport.change_peers(directory.addresses)
        if self._lacking != lacking:
            self._report_lacking()
        if self._admitted != former:
            self._report("members", {"admitted": sorted(self._admitted)})
            own = former.get(self._tls.organisation)
            if own is not None and self._admitted.get(self._tls.organisation) != own:
                why = "this node's certificate is agreed on no more; start the node again if it has another"
                self._report("cut-off", {"why": why})

    def _report_lacking(self) -> None:
        for why in self._lacking:
            self._report("member-lacking", {"why": why})

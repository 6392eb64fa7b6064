"""An insurer's year with its openings: claims paid month by month, and reports over them as the insurer makes them."""

import hashlib

from contracts.calendar import MONTHS
from contracts.listings import FindTotal
from contracts.reports import FindReport, Publish, StatedTotal, YearReport
from contracts.totals import Group, YearTotal, disclosure_context, merge_months
from ledger.crypto.totals import prove_total
from tests.contracts.consortium import BEGUN_MS, ZERO, Call, Case, Consortium, Figure

MONTH_MS = 365 * 86_400_000 // 12
INSURER = "insurer-a"


class Books:
    """What insurer-a knows of its payments, and the months that the test says they count in."""

    def __init__(self, chain: Consortium) -> None:
        self.chain = chain
        self.sums: dict[tuple[int, int], Figure] = {}
        self.cases: list[Case] = []
        self.figures: dict[str, Figure] = {}
        """Payment id to what it moves."""
        self._policy: dict[str, str] = {}

    def go_to(self, year: int, month: int) -> None:
        """Make a block in the middle of a month, unless the chain is there already."""
        due_ms = BEGUN_MS + ((year - 2026) * MONTHS + month - 1) * MONTH_MS + MONTH_MS // 2
        if self.chain.application.time_ms < due_ms:
            self.chain.post(after_ms=due_ms - self.chain.application.time_ms)

    def pay(self, year: int, month: int, count: int = 1, payable: int | None = None) -> None:
        """Settle so many claims and have them paid in a month."""
        self.go_to(year, month)
        for _ in range(count):
            payment_id = self.settle(payable)
            self.chain.do(self.chain.pay(payment_id, "paid"))
            self.add((year, month), self.figures[payment_id])

    def settle(self, payable: int | None = None) -> str:
        """Settle a new claim, for an amount of its own if none is given; return its payment, which is due."""
        chain = self.chain
        case = chain.case(chain.consent(insurer=INSURER), chain.policy(INSURER))
        figure = Figure.draw(payable or 1_000 + 37 * len(self.cases), case.claim_id)
        chain.do(*chain.admit(case), *chain.discharge(case), *chain.deliver(case))
        chain.do(chain.settle(case, chain.outcome(case, figure)))
        self.cases.append(case)
        payment_id = chain.view(case).claim.payments[-1]
        self.figures[payment_id] = figure
        return payment_id

    def payment(self, number: int) -> str:
        """Return the first payment of a claim."""
        return self.chain.view(self.cases[number]).claim.payments[0]

    def add(self, month: tuple[int, int], figure: Figure) -> None:
        """Count a figure in a month."""
        self.sums[month] = self.sums.get(month, ZERO).plus(figure)

    def subtract(self, month: tuple[int, int], figure: Figure) -> None:
        """Count a figure against a month."""
        self.sums[month] = self.sums.get(month, ZERO).minus(figure)

    def total(self, year: int) -> YearTotal:
        """Return the chain's totals."""
        return self.chain.ask("registers.total", FindTotal(INSURER, year, "CNY"), YearTotal)

    def groups(self, year: int) -> tuple[Group, ...]:
        """Return the groups that follow from the chain's counts."""
        return merge_months(self.total(year).months)

    def sum_of(self, year: int, group: Group) -> Figure:
        """Return what a group adds up to by these books."""
        found = ZERO
        for month in range(group.first_month, group.last_month + 1):
            found = found.plus(self.sums.get((year, month), ZERO))
        return found

    def state(self, year: int, group: Group) -> StatedTotal:
        """Return a group's total with its proof."""
        figure = self.sum_of(year, group)
        context = disclosure_context(self.chain.chain_id, INSURER, year, "CNY", group)
        entropy = hashlib.sha512(context).digest()
        proof = prove_total(group.sums.paid, figure.amount, figure.blinding, context, entropy)
        return StatedTotal(figure.amount, proof)

    def report(self, year: int) -> Publish:
        """Return the honest report of a year."""
        return Publish(year, "CNY", tuple(self.state(year, group) for group in self.groups(year)))

    def publish(self, year: int) -> Call:
        """Return the call that publishes it."""
        return INSURER, "reports.publish", self.report(year)

    def published(self, year: int) -> YearReport | None:
        """Return what the chain has published."""
        return self.chain.ask("reports.find", FindReport(INSURER, year, "CNY"), YearReport | None)  # type: ignore[arg-type]

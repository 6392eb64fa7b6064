"""What chain and register say of a claim before it is settled: consent, policy, balance.

A balance on the chain is a pair of commitments under a sequence. What opens them is in the draft of the settlement
that led to it, which the chain names: so nothing has to be counted here, and a register that lost a draft is noticed
and not guessed around.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from contracts.adjudication.case import Accumulator, CategoryPaid, Policy
from contracts.policies import Balance, FindBalance
from contracts.settlements import Outcome
from ledger.codec import encode
from ledger.crypto.hashes import tag_keyed
from ledger.errors import LedgerError, VerificationError
from nodes.agent import ChainView
from nodes.roles.claims.casebook import Casebook
from nodes.roles.claims.settlement import EMPTY_BALANCE, BalanceOpening
from nodes.roles.insurer.portfolio import PolicyEntry, Portfolio
from nodes.roles.lookup import find_claim


class WaitError(LedgerError):
    """A claim that cannot be settled now, for a reason that is this insurer's or a person's to remove."""

    def __init__(self, code: str, reason: str) -> None:
        """Say why, by code and in a sentence without personal data."""
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class RulesError(WaitError):
    """The adjudicator of this installation is not the one that is in force."""

    def __init__(self, pinned: bytes, installed: bytes) -> None:
        """Name both by the begin of their hashes."""
        reason = (
            f"the adjudicator in force in the next block is {pinned.hex()[:16]}, installed is "
            f"{installed.hex()[:16]}; the claim is settled once they are the same"
        )
        super().__init__("RULES", reason)


@dataclass(frozen=True, slots=True)
class Balances:
    """The balance of a policy year, opened, and what goes with it."""

    sequence: int
    opening: BalanceOpening
    categories: tuple[CategoryPaid, ...]


class Premises:
    """One insurer's look-ups for settlements."""

    def __init__(self, view: ChainView, casebook: Casebook, portfolio: Portfolio, tag_secret: bytes) -> None:
        """Look things up.

        Args:
            view: The latest committed state.
            casebook: Holds the openings of balances.
            portfolio: Holds the policies.
            tag_secret: 32 bytes; names policy years, because a year's dates are private.
        """
        self._view = view
        self._casebook = casebook
        self._portfolio = portfolio
        self._tag_secret = tag_secret

    def year_tag(self, entry: PolicyEntry) -> str:
        """Return the name of a policy's year on the chain."""
        name = encode(("xinpei/policy-year/v1", entry.policy_id, entry.from_day))
        return f"year-{tag_keyed(self._tag_secret, name)[:16].hex()}"

    def open_balance(self, entry: PolicyEntry) -> Balances:
        """Return the current balance of a policy's year.

        Raises:
            WaitError: If the draft that opens it is lost.
        """
        currency = self._portfolio.product_of(entry).currency
        message = FindBalance(entry.policy_id, self.year_tag(entry), currency)
        balance = self._view.query("coverage", "balance", message, Balance)
        if balance.sequence == 0:
            return Balances(0, EMPTY_BALANCE, ())
        draft = self._casebook.settled_draft(self._outcome_behind(balance))
        if draft is None:
            raise WaitError("OPENING_LOST", f"the settlement behind sequence {balance.sequence} is lost, or was erased")
        opening = BalanceOpening(
            replace(draft.opening.paid_after, name="paid-before"),
            replace(draft.opening.deductible_used_after, name="deductible-used-before"),
        )
        try:
            opening.paid.verify(balance.paid)
            opening.deductible_used.verify(balance.deductible_used)
        except VerificationError:
            raise WaitError("OPENING_LOST", "the kept opening does not fit the balance on the chain") from None
        return Balances(balance.sequence, opening, draft.opening.paid_categories)

    def accumulate(self, entry: PolicyEntry, balances: Balances) -> Accumulator:
        """Return the balances as the adjudicator reads them; the lifetime is that of the product with this person."""
        others = [
            self.open_balance(other).opening
            for other in self._portfolio.siblings(entry)
            if self._portfolio.shown(other.policy_id) is not None
        ]
        former = self._portfolio.former_years(entry)[:1]
        paid_year = balances.opening.paid.amount
        return Accumulator(
            sequence=balances.sequence,
            deductible_used=balances.opening.deductible_used.amount,
            deductible_previous_year=sum(
                self.open_balance(year).opening.deductible_used.amount
                for year in former
                if self._portfolio.shown(year.policy_id) is not None
            ),
            paid_year=paid_year,
            paid_life=paid_year + sum(opening.paid.amount for opening in others),
            paid_categories=balances.categories,
        )

    def policy_facts(self, entry: PolicyEntry) -> Policy:
        """Return a policy as the adjudicator reads it."""
        former = self._portfolio.former_years(entry)
        return Policy(
            inception_day=former[-1].from_day if former else entry.from_day,
            from_day=entry.from_day,
            until_day=entry.until_day,
            renewal=bool(former),
            payee_currency=self._portfolio.product_of(entry).currency,
        )

    def _outcome_behind(self, balance: Balance) -> Outcome:
        assert balance.claim_id is not None, "a balance after sequence 0 has a settlement behind it"
        claim = find_claim(self._view, balance.claim_id)
        assert claim is not None, "a settlement belongs to a claim"
        return claim.settlements[balance.settlement_version - 1].outcome

"""Coverage: products are fixed, policies and payees have versions, and only their insurer writes them."""

from msgspec.structs import replace

from contracts.adjudication.product import AmountTier
from contracts.policies import (
    Balance,
    ChangePolicy,
    FindBalance,
    FindProduct,
    IssuePolicy,
    ListPolicies,
    NamePayee,
    PolicyView,
    ProductEntry,
    RegisterProduct,
    ShowPolicy,
    hash_product,
)
from ledger.crypto.commitments import IDENTITY
from tests.contracts.consortium import PRODUCT, Consortium, digest


def view(chain: Consortium, policy_id: str) -> PolicyView:
    found: PolicyView | None = chain.ask("coverage.policy", ShowPolicy(policy_id), PolicyView | None)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_a_product_that_contradicts_itself_is_not_registered(chain: Consortium) -> None:
    falling = replace(PRODUCT, amount_tiers=(AmountTier(0, 9_000), AmountTier(100_000, 8_000)))
    assert chain.post(("insurer-a", "coverage.register_product", RegisterProduct(falling))) == ["CASE-MALFORMED"]


def test_a_product_version_is_fixed_once_registered(chain: Consortium) -> None:
    register = ("insurer-a", "coverage.register_product", RegisterProduct(PRODUCT))
    assert chain.post(register, register) == ["OK", "PRODUCT_TAKEN"]
    cheaper = RegisterProduct(replace(PRODUCT, excluded_items=("bed-vip",)))
    assert chain.post(("insurer-a", "coverage.register_product", cheaper)) == ["PRODUCT_TAKEN"]
    entry: ProductEntry | None = chain.ask(
        "coverage.product",
        FindProduct("insurer-a", "inpatient", 1),
        ProductEntry | None,  # type: ignore[arg-type]
    )
    assert entry is not None
    assert (entry.product, entry.content_hash) == (PRODUCT, hash_product(PRODUCT))


def test_two_insurers_may_give_their_products_one_name(chain: Consortium) -> None:
    calls = [(insurer, "coverage.register_product", RegisterProduct(PRODUCT)) for insurer in ("insurer-a", "insurer-b")]
    assert chain.post(*calls) == ["OK", "OK"]


def test_only_insurers_register_and_issue(chain: Consortium) -> None:
    chain.policy("insurer-a")
    issue = IssuePolicy("policy-aaaaaaaaaaaa", "inpatient", 1, digest("a"), digest("b"), digest("c"))
    for stranger in ("hospital-a", "regulator", "rail"):
        assert chain.post((stranger, "coverage.register_product", RegisterProduct(PRODUCT))) == ["FORBIDDEN"]
        assert chain.post((stranger, "coverage.issue_policy", issue)) == ["FORBIDDEN"]


def test_a_policy_needs_a_product_of_its_own_insurer_and_an_id_of_its_own(chain: Consortium) -> None:
    policy_id = chain.policy("insurer-a")
    issue = IssuePolicy("policy-aaaaaaaaaaaa", "inpatient", 1, digest("a"), digest("b"), digest("c"))
    assert chain.post(("insurer-b", "coverage.issue_policy", issue)) == ["UNKNOWN_PRODUCT"]
    taken = replace(issue, policy_id=policy_id)
    assert chain.post(("insurer-a", "coverage.issue_policy", taken)) == ["POLICY_TAKEN"]


def test_a_telling_policy_id_is_malformed(chain: Consortium) -> None:
    chain.policy("insurer-a")
    issue = IssuePolicy("policy-zhang-san", "inpatient", 1, digest("a"), digest("b"), digest("c"))
    assert chain.post(("insurer-a", "coverage.issue_policy", issue)) == ["MALFORMED_ARGUMENTS"]


def test_versions_of_policy_and_payee_are_appended(chain: Consortium) -> None:
    policy_id = chain.policy()
    chain.do(
        ("insurer-a", "coverage.change_policy", ChangePolicy(policy_id, 2, digest("renewed"), "in-force")),
        ("insurer-a", "coverage.change_policy", ChangePolicy(policy_id, 3, digest("renewed"), "lapsed")),
        ("insurer-a", "coverage.name_payee", NamePayee(policy_id, 2, digest("heirs"))),
    )
    found = view(chain, policy_id)
    assert [version.status for version in found.versions] == ["in-force", "in-force", "lapsed"]
    assert [payee.commitment for payee in found.payees] == [digest("payee"), digest("heirs")]


def test_an_insurer_changes_its_own_policies_in_order(chain: Consortium) -> None:
    policy_id = chain.policy("insurer-a")
    change = ChangePolicy(policy_id, 2, digest("p"), "terminated")
    payee = NamePayee(policy_id, 2, digest("mine"))
    assert chain.post(("insurer-b", "coverage.change_policy", change)) == ["FORBIDDEN"]
    assert chain.post(("insurer-b", "coverage.name_payee", payee)) == ["FORBIDDEN"]
    assert chain.post(("insurer-a", "coverage.change_policy", replace(change, version=3))) == ["STALE_VERSION"]
    assert chain.post(("insurer-a", "coverage.name_payee", replace(payee, version=1))) == ["STALE_VERSION"]
    assert chain.post(("insurer-a", "coverage.change_policy", replace(change, policy_id="policy-ffffffffffff"))) == [
        "ELIG-005"
    ]


def test_a_terminated_policy_stays_terminated(chain: Consortium) -> None:
    policy_id = chain.policy()
    chain.do(("insurer-a", "coverage.change_policy", ChangePolicy(policy_id, 2, digest("p"), "terminated")))
    again = ChangePolicy(policy_id, 3, digest("p"), "in-force")
    assert chain.post(("insurer-a", "coverage.change_policy", again)) == ["WRONG_STATE"]


def test_a_balance_begins_with_nothing_used_and_nothing_paid(chain: Consortium) -> None:
    found = chain.ask("coverage.balance", FindBalance(chain.policy(), "year-aaaaaaaaaaaa", "CNY"), Balance)
    assert (found.sequence, found.deductible_used, found.paid) == (0, IDENTITY, IDENTITY)


def test_policies_are_listed_page_by_page(chain: Consortium) -> None:
    first, second = chain.policy("insurer-a"), chain.policy("insurer-a")
    chain.policy("insurer-b")
    everything = chain.ask("coverage.policies_of", ListPolicies("insurer-a", ""), tuple[PolicyView, ...])
    assert [found.versions[0].policy_id for found in everything] == [first, second]
    rest = chain.ask("coverage.policies_of", ListPolicies("insurer-a", first), tuple[PolicyView, ...])
    assert [found.versions[0].policy_id for found in rest] == [second]

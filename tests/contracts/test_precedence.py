"""Precedence: what is read once for all parts of a stay answers as one question after the other does."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.grants import Grant, Grantee, Grantor, GrantVersion, Notice, Permission, RecordType, Scope
from contracts.identifiers import Place
from contracts.needs import Need
from contracts.precedence import find_denial, list_against

NOW_MS = 1_000
HOSPITALS = ("hospital-a", "hospital-b")
STAYS = ("stay-00000000000a", "stay-00000000000b")
TYPES: tuple[RecordType, ...] = ("admission", "invoice", "item-list")
CASES = {"one-case": {"the first"}, "standing": {"the first", "all others"}}
PERMIT = Grant(
    "grant-000000000000",
    1,
    None,
    "customer-1",
    Grantor("customer", "customer-1", None),
    Grantee("insurer-a", "insurer"),
    ("hospital-a",),
    "HPAYMT",
    Scope("standing", (), TYPES, bytes(32)),
    Permission("STORE", None, None, 2 * NOW_MS, 2 * NOW_MS),
    "data-to-insurer",
    Notice("zh", bytes(32)),
    (),
)


def some(items: tuple[str, ...], at_least: int) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(st.sampled_from(items), min_size=at_least).map(lambda found: tuple(sorted(found)))


scopes = st.builds(Scope, st.sampled_from(("one-case", "standing")), some(STAYS, 0), some(TYPES, 1), st.just(bytes(32)))
places = st.integers(1, 4).map(lambda index: Place(7, index, NOW_MS, bytes(32)))
permits = st.builds(
    GrantVersion,
    st.just(1),
    st.builds(lambda scope, sources: replace(PERMIT, scope=scope, sources=sources), scopes, some(HOSPITALS, 1)),
    st.just("GRANTED"),
    places,
)


@st.composite
def denials(draw: st.DrawFn) -> GrantVersion:
    """Return a denial that may be about this, about somebody or something else, revoked, or over."""
    version = draw(permits)
    grant = replace(
        version.grant,
        grant_id=f"grant-{draw(st.integers(1, 99)):012}",
        effect="deny",
        purpose=draw(st.sampled_from(("HPAYMT", "HPAYMT", "CAREMGT"))),
        grantee=draw(st.sampled_from((PERMIT.grantee, PERMIT.grantee, Grantee("insurer-b", "insurer")))),
        permission=replace(PERMIT.permission, expires_at_ms=draw(st.sampled_from((NOW_MS, NOW_MS + 1)))),
    )
    return replace(version, grant=grant, status=draw(st.sampled_from(("GRANTED", "GRANTED", "REVOKED"))))


needs = st.lists(
    st.builds(
        Need,
        st.just(PERMIT.grant_id),
        st.just("hospital-a"),
        st.just("insurer-a"),
        st.just("customer-1"),
        st.sampled_from((None, *TYPES)),
        st.sampled_from((None, *STAYS)),
        st.none(),
        st.just("enter"),
    ),
    min_size=1,
    max_size=6,
)


def stands(need: Need, permit: GrantVersion, denial: GrantVersion) -> bool:
    """Say by itself, from the table of `contracts.precedence`, whether a denial refuses what a permit covers."""
    mine, theirs = permit.grant, denial.grant
    if denial.status != "GRANTED" or theirs.permission.expires_at_ms <= NOW_MS:
        return False
    if (theirs.purpose, theirs.grantee.organisation) != (need.purpose, need.recipient):
        return False
    asked = set(mine.scope.record_types) if need.record_type is None else {need.record_type}
    is_about = need.hospital in theirs.sources and asked <= set(theirs.scope.record_types)
    if not is_about or (theirs.scope.encounters and need.stay_id not in theirs.scope.encounters):
        return False
    stays, others = (set(grant.scope.encounters or STAYS) for grant in (mine, theirs))
    if bool(mine.scope.encounters) != bool(theirs.scope.encounters):  # any stay is more than all stays that there are
        (others if mine.scope.encounters else stays).add("any other")
    axes = (
        (set(mine.sources), set(theirs.sources)),
        (set(mine.scope.record_types), set(theirs.scope.record_types)),
        (stays, others),
        (CASES[mine.scope.case], CASES[theirs.scope.case]),
    )
    is_narrower = all(own <= other for own, other in axes) and any(own < other for own, other in axes)
    is_later = denial.place.index < permit.place.index
    return not (is_narrower and is_later)


@given(permits, st.lists(denials(), max_size=4), needs)
def test_denials_read_once_for_all_needs_refuse_what_each_need_by_itself_is_refused(
    permit: GrantVersion, against: list[GrantVersion], asked: list[Need]
) -> None:
    kept = list_against(asked[0], permit, tuple(against), NOW_MS)
    for need in asked:
        found = find_denial(need, permit, kept)
        assert found == find_denial(need, permit, list_against(need, permit, tuple(against), NOW_MS))
        standing = [denial for denial in against if stands(need, permit, denial)]
        assert (found is None) == (not standing)
        if found is not None:
            assert found.text.startswith(standing[0].grant.grant_id)

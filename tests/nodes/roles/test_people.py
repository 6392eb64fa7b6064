"""Master data: a document finds its person without reading the others, also after a crash between two files."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from nodes.entropy import SystemEntropy
from nodes.identity import Identity
from nodes.roles.people import DOCUMENT, PERSON, People, PeopleError
from nodes.vault.register import Register
from tests.nodes.roles.lane import Lane

SECRET = bytes(range(32))


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "register", SECRET, SystemEntropy())


def someone(number: str = "E0000001") -> Identity:
    """Return a made-up person with a passport of this number."""
    return Identity("passport", number, "wang", "1980-02-03")


def test_a_document_finds_its_person_without_opening_anybody_else(register: Register, tmp_path: Path) -> None:
    people = People(register)
    people.enter("wang", someone())
    for number in range(5):
        people.enter(f"other-{number}", someone(f"E100000{number}"))
    before = set((tmp_path / "register" / PERSON).iterdir())
    people.enter("last", someone("E2000000"))
    for path in before - {register._path(PERSON, "wang")}:
        path.write_bytes(b"damaged: whoever opens it fails")
    found = people.match(someone())
    assert found is not None
    assert found.number == "wang"
    assert people.find(someone("E9999999")) is None


def test_the_same_number_on_another_kind_of_document_is_another_document(register: Register) -> None:
    people = People(register)
    people.enter("wang", someone())
    assert people.find(replace(someone(), document_type="residence-permit")) is None


def test_a_document_belongs_to_one_person(register: Register) -> None:
    people = People(register)
    people.enter("wang", someone())
    with pytest.raises(PeopleError, match="entered for wang"):
        people.enter("li", replace(someone(), name="li"))


def test_a_corrected_document_leaves_the_former_one_free(register: Register) -> None:
    people = People(register)
    people.enter("wang", someone("E0000001"))
    people.enter("wang", someone("E0000002"))
    assert people.find(someone("E0000001")) is None
    assert register.get(DOCUMENT, "passport E0000001") is None
    assert people.enter("li", someone("E0000001")).number == "li"
    found = people.find(someone("E0000002"))
    assert found is not None
    assert found.number == "wang"


def test_a_crash_between_document_and_person_leaves_nobody_half_entered(register: Register) -> None:
    people = People(register)
    people.enter("wang", someone("E0000001"))
    register.put(DOCUMENT, "passport E0000002", b"wang")
    register.put(DOCUMENT, "passport E0000003", b"nobody")
    assert people.find(someone("E0000002")) is None
    assert people.find(someone("E0000003")) is None
    assert people.enter("li", someone("E0000002")).number == "li"
    assert people.get("wang").identity == someone("E0000001")


def test_the_folder_tells_no_document(register: Register, tmp_path: Path) -> None:
    People(register).enter("wang", someone("E0000001"))
    for path in (tmp_path / "register").rglob("*"):
        assert "E0000001" not in path.name
        assert path.is_dir() or b"E0000001" not in path.read_bytes()


def test_an_insurer_enters_who_acts_for_somebody_with_the_relation_and_nobody_else(tmp_path: Path) -> None:
    lane = Lane(tmp_path)
    lane.know()
    mother, stranger = someone(), someone("E0000002")

    def relate(acts_through: tuple[str, ...], **identities: Identity) -> tuple[str, ...]:
        related, _ = lane.insurer.relate(
            "wang", acts_through, 0, is_ward=True, is_deceased=False, identities=identities
        )
        return related.acts_through

    with pytest.raises(PeopleError, match="person: expected the number of a person entered here, got 'mum'"):
        relate(("mum",))
    with pytest.raises(PeopleError, match="identities: expected of mum, got mum, zhao"):
        relate(("mum",), mum=mother, zhao=stranger)
    with pytest.raises(PeopleError, match="identity: nobody is entered here"):
        lane.insurer.match_person(mother)
    assert relate(("mum",), mum=mother) == ("mum",)
    assert lane.insurer.match_person(mother).number == "mum"

"""A fresh consortium for every test, on contracts that are loaded once."""

import pytest

from ledger.execution.loader import ContractSet
from tests.contracts.consortium import Consortium, load


@pytest.fixture(scope="session")
def contract_set() -> ContractSet:
    return load()


@pytest.fixture
def chain(contract_set: ContractSet) -> Consortium:
    return Consortium(contract_set)

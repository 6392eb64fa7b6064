"""The one error of the reader."""

from ledger.errors import LedgerError


class FhirError(LedgerError):
    """A bundle that cannot be read; the sentence says which element, what was expected and what came.

    It carries identifiers of resources, never names, documents or diagnoses.
    """

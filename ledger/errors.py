"""The errors that cross a module boundary, and what each means for whoever catches it.

    LedgerError                    expected; a sentence that says what to do
    ├── DecodeError                bytes that are not the canonical encoding of anything
    ├── InvalidTransactionError    refused by check_submission, or recorded as failed
    ├── InvalidBlockError          a proposal that must not be voted for
    ├── VerificationError          a proof, commit or light-client step that does not hold
    └── ContractError              raised by a contract; reverts its transaction only

A peer's fault is a `LedgerError`: refuse, note, go on. A fault of this program is an `AssertionError`: stop. A
fault of the machine is an `OSError` or a storage error, and exists only in `nodes/`.
"""


class LedgerError(Exception):
    """An expected failure, caused by an input and described for the person who sent it."""


class DecodeError(LedgerError):
    """Bytes that are not the canonical encoding of the expected type."""


class InvalidTransactionError(LedgerError):
    """A submission or transaction that may not enter a block, with the code a receipt would carry."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the machine-readable code beside the sentence.

        Args:
            code: One of the system codes of `ledger.transactions`.
            message: What was expected and what came.
        """
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class InvalidBlockError(LedgerError):
    """A proposed block that an honest validator must not vote for."""

    def __init__(self, field: str, expected: object, actual: object) -> None:
        """Name the field that differs.

        Args:
            field: The header field or rule that does not hold.
            expected: What this validator computed.
            actual: What the proposal says.
        """
        super().__init__(f"block {field}: expected {expected}, got {actual}")
        self.field = field
        self.expected = expected
        self.actual = actual


class VerificationError(LedgerError):
    """A proof, certificate, signature or light-client step that does not hold."""


class ContractError(LedgerError):
    """A contract's own refusal: reverts the transaction and is recorded with its code and reason."""

    def __init__(self, code: str, reason: str) -> None:
        """Keep the code for programs and the reason for people.

        Args:
            code: A reason code, HCX's where HCX has one (`AUTH-013`).
            reason: One sentence without personal data; it is written to the chain.
        """
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason

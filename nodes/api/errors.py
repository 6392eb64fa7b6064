"""How the API says no: one JSON shape, a status code per kind, never a traceback.

400  the request is malformed             422  a field has the wrong shape (FastAPI's own)
401  the caller is not established         404  there is no such thing, or not for this caller
403  the caller may not do this            409  the chain or the node's books refuse it
410  what was asked for is erased
413  the body is too large                 503  the node is stopping or cannot write
429  too many streams at once              500  a fault of this program; the log names the place

{"code": "AUTH-013", "message": "one sentence: the field, what was expected, what came"}
"""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ledger.errors import ContractError, DecodeError, InvalidTransactionError, LedgerError, VerificationError
from nodes.authentication import AuthenticationError
from nodes.network.node import NodeStoppedError
from nodes.roles.insurer.inquiries import OpeningErasedError
from nodes.storage import StorageError

BODY_BYTES_MAX = 40 * 1024 * 1024
"""One request of a member: 64 submissions of 512 KB and their framing. Others may send less, see `nodes.api.gate`."""


class ForbiddenError(LedgerError):
    """A caller who may not do this."""

    def __init__(self, field: str, expected: str, actual: str) -> None:
        """Say who may, and who asked."""
        super().__init__(f"{field}: expected {expected}, got {actual}")


class NotFoundError(LedgerError):
    """Something that does not exist, or that this caller may not know of: the answer is the same."""


class TooManyError(LedgerError):
    """More of something than this node keeps at once."""

    def __init__(self, field: str, most: int) -> None:
        """Say of what, and how many there may be."""
        super().__init__(f"{field}: expected at most {most}, and there are as many; end one, or try again later")


class TooLargeError(LedgerError):
    """A body of more than its caller may send there."""

    def __init__(self, bytes_max: int) -> None:
        """Say what is taken."""
        super().__init__(f"body: expected at most {bytes_max} bytes from this caller here, got more")


STATUS: tuple[tuple[type[Exception], int, str], ...] = (
    (AuthenticationError, 401, "AUTHENTICATION"),
    (ForbiddenError, 403, "FORBIDDEN"),
    (NotFoundError, 404, "NOT_FOUND"),
    (OpeningErasedError, 410, "ERASED"),
    (TooLargeError, 413, "TOO_LARGE"),
    (TooManyError, 429, "TOO_MANY"),
    (DecodeError, 400, "MALFORMED"),
    (VerificationError, 400, "INVALID_PROOF"),
    (LedgerError, 409, "REFUSED"),
    (NodeStoppedError, 503, "STOPPING"),
    (StorageError, 503, "STORAGE"),
)
"""The first row whose class fits decides."""


def install_handlers(app: FastAPI) -> None:
    """Have the application answer expected errors in the one shape."""
    for kind, status, code in STATUS:
        app.add_exception_handler(kind, _handler(status, code))
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_unrouted)
    app.add_exception_handler(Exception, _answer_fault)


def _handler(status: int, code: str) -> Callable[[Request, Exception], Awaitable[JSONResponse]]:
    async def answer(_request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, InvalidTransactionError):
            return _refuse(error.code, error.message, status)
        if isinstance(error, ContractError):
            return _refuse(error.code, error.reason, status)
        return _refuse(code, str(error), status)

    return answer


async def _answer_invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError), "registered for this class only"
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part != "body") or "body"
    return _refuse("MALFORMED", f"{field}: {first['msg']}", 422)


async def _answer_unrouted(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException), "registered for this class only"
    codes = {404: "NOT_FOUND", 405: "METHOD", 400: "MALFORMED"}
    message = f"{request.method} {request.url.path}: {error.detail}; the routes are in /openapi.json"
    return _refuse(codes.get(error.status_code, "REFUSED"), message, error.status_code)


async def _answer_fault(_request: Request, _error: Exception) -> JSONResponse:
    return _refuse("FAULT", "a fault of this node's program, not of the request; its log names the place", 500)


def _refuse(code: str, message: str, status: int) -> JSONResponse:
    """Return a refusal; what it quotes may hold half a surrogate pair, which JSON can carry and UTF-8 cannot."""
    return JSONResponse({"code": code, "message": message.encode(errors="backslashreplace").decode()}, status)

"""A person's identity as the API takes it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from nodes.identity import DocumentType


class IdentityForm(BaseModel):
    """What her document says."""

    model_config = ConfigDict(extra="forbid")

    document_type: DocumentType
    document_number: Annotated[str, Field(min_length=1, max_length=32)]
    name: Annotated[str, Field(min_length=1, max_length=64)]
    birth_date: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    phone: Annotated[str, Field(min_length=3, max_length=20)] | None = None

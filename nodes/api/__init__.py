"""The HTTP API of one node: FastAPI over TLS, every caller authenticated by a signed request.

app         the application, errors, bounds
callers     who calls, and what a caller may do
chain       status, submissions, receipts, blocks, queries: the same at every organisation
server      uvicorn on the node's event loop

The OpenAPI description at `/openapi.json` is the reference.
"""

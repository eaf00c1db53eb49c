"""Methods called by a page: the same checks as over XRPC in the same order, the same method behind them.

A page shows what a method answers and hands on what somebody typed. A token that is pasted here is spent here, as it
would be there.
"""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from labeler.atproto.lexicon import Lexicons
from labeler.service.access import Access, Caller
from labeler.service.http import Call, Method, Procedure, Query, count


class Calls:
    """The methods of the table, called from within. `access` and the counters are those of the HTTP doors."""

    def __init__(self, methods: Mapping[str, Method], access: Access, lexicons: Lexicons) -> None:
        self._methods = methods
        self._access = access
        self._lexicons = lexicons

    async def caller(self, token: str, nsid: str) -> Caller:
        """Name who made `token` for the method `nsid`; raises `BadInput` (401), `Unavailable`."""
        caller = await self._access.identify(f"Bearer {token}", nsid)
        assert caller is not None  # noqa: S101 - None is the answer to no header
        return caller

    async def query(
        self, nsid: str, request: web.Request, caller: Caller | None, params: Mapping[str, str]
    ) -> Mapping[str, Any]:
        """Ask a query; raises `BadInput`, `Unavailable`."""
        query, checked = self._methods[nsid], self._lexicons.check_params(nsid, params.items())
        if not isinstance(query, Query):
            raise TypeError(f"{nsid} is no query")
        if query.allow is not None:
            query.allow(caller)
        return await query.answer(Call(checked, caller, None, request))

    async def procedure(
        self, nsid: str, request: web.Request, caller: Caller, body: dict[str, Any]
    ) -> Mapping[str, Any]:
        """Call a procedure; raises `BadInput`, `Unavailable`."""
        procedure = self._methods[nsid]
        if not isinstance(procedure, Procedure):
            raise TypeError(f"{nsid} is no procedure")
        procedure.allow(caller)
        checked = self._lexicons.check_input(nsid, body)
        count(procedure.rate, request, caller, checked)
        return await procedure.answer(Call({}, caller, checked, request))

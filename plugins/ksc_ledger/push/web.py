"""Where sites send to: one address, no sign-in but the signature, no answer but yes or why not."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from ksc_ledger.errors import LedgerError
from ksc_ledger.push.desk import Arrival, Receipt, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksc_ledger.push.desk import Desk

log = logging.getLogger(__name__)

PATH = "/v1"
HEAD_SECONDS = 30.0  # until it is known who sends
BODY_SECONDS = 1800.0
AT_A_TIME = 8  # bundles that are being received; whoever comes then is told to come again


def create_app(desk: Callable[[], Desk]) -> FastAPI:
    """The application; ``desk`` is made when the first bundle comes."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    busy = asyncio.Semaphore(AT_A_TIME)

    @app.post(PATH)
    async def receive(request: Request) -> JSONResponse:
        if busy.locked():
            return _said(429, "push_busy", "Trung tâm đang nhận nhiều gói.", "Gửi lại sau ít phút.")
        async with busy:
            try:
                arrival = (await run_in_threadpool(desk)).open()
                receipt = await _received(request, arrival)
            except Refused as refused:
                log.warning("push: %s %s", refused.status, refused.code)
                return _said(refused.status, refused.code, refused.text, refused.remedy)
            except TimeoutError:
                return _said(
                    408, "push_too_slow", "Gói tới quá chậm.", "Kiểm tra đường truyền; gửi lại sau."
                )
            except LedgerError:
                log.exception("push")
                return _said(
                    503,
                    "push_not_ready",
                    "Trung tâm chưa nhận được lúc này.",
                    "Gửi lại sau; trung tâm xem nhật ký của api-server.",
                )
        said: dict[str, Any] = {
            "load_id": receipt.load_id,
            "is_new": receipt.is_new,
            "max_bytes": arrival.desk.max_bytes,
        }
        return JSONResponse(said)

    return app


async def _received(request: Request, arrival: Arrival) -> Receipt:
    """The bundle of a request. The disk is written in another thread than the one that serves."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(HEAD_SECONDS) as patience:
            is_known = False
            async for piece in request.stream():
                await run_in_threadpool(arrival.feed, piece)
                if arrival.head is not None and not is_known:
                    is_known = True
                    patience.reschedule(loop.time() + BODY_SECONDS)
            return await run_in_threadpool(arrival.finish)
    except ClientDisconnect as gone:
        raise Refused(400, "push_broken", "Nơi gửi ngắt giữa chừng.", "Gửi lại sau.") from gone
    finally:
        await run_in_threadpool(arrival.abort)


def _said(status: int, code: str, text: str, remedy: str) -> JSONResponse:
    return JSONResponse({"code": code, "text": text, "remedy": remedy}, status_code=status)

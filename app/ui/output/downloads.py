"""What of finished pictures the browser cannot make: the maps as exact numbers."""

import io
import json

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from limelight.app.ui.access.errors import Forgotten
from limelight.app.ui.access.visitor import Visitor, browser_of
from limelight.app.ui.output.pictures import plain_info
from limelight.app.ui.studio.results import Results
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.results.maps_export import describe, write_numbers
from limelight.pipeline.results.result import Result


def downloads(results: Results) -> APIRouter:
    """The route to them, for the browser that had the picture drawn, and no other."""
    router = APIRouter(prefix="/made")

    @router.get("/{id}/maps.npz")
    def maps(request: Request, id: str) -> Response:
        return _file(results, _reader(request), id)

    return router


def _reader(request: Request) -> Visitor:
    return Visitor("", browser_of(request.headers.get("cookie", "")))


def _file(results: Results, reader: Visitor, id: str) -> Response:
    try:
        result = results.get(id, reader)
    except Forgotten as error:
        return PlainTextResponse(str(error), status_code=404)
    if result.maps is None:
        return PlainTextResponse("nothing was recorded of that picture", status_code=404)
    name = result.file_name.removesuffix(".png")
    return Response(
        _numbers(result, result.maps),
        media_type="application/octet-stream",
        headers={"content-disposition": f'attachment; filename="{name}-maps.npz"'},
    )


def _numbers(result: Result, maps: HeatMaps) -> bytes:
    record = json.dumps(plain_info(result) | {"maps": describe(maps)}, ensure_ascii=False, sort_keys=True)
    buffer = io.BytesIO()
    write_numbers(buffer, maps, record)
    return buffer.getvalue()

"""Metrics: instruments are made with the OpenTelemetry API wherever something happens; Prometheus fetches them here.

    _METER = metrics.get_meter("helpdesk.consumer")
    _APPLIED = _METER.create_counter("helpdesk.consumer.applied", "1", "Events applied.")

`/metrics` is for the operators' own network: the gateway refuses it.
"""

from typing import Final

from fastapi import APIRouter
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from helpdesk.http.access import OPEN

ADDRESS: Final = "/metrics"


def configure(service: str) -> None:
    """Collect this process's metrics from now on, once; instruments that were made before are collected too."""
    reader = PrometheusMetricReader(scope_info_enabled=False)
    metrics.set_meter_provider(MeterProvider([reader], Resource({"service.name": service}), shutdown_on_exit=False))


def metrics_routes() -> APIRouter:
    """`GET /metrics`, outside every OpenAPI document: it belongs to the process and not to the product."""
    router = APIRouter(include_in_schema=False)

    # On the loop and not in a thread: observing instruments reads what only the loop's tasks may change.
    @router.get(ADDRESS, openapi_extra=OPEN)
    async def collected() -> Response:
        return Response(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})

    return router

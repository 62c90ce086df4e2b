"""gRPC: status codes, streams, servers."""

import graphite as g
from boards.shared import (
    PERCENTILES,
    TOO_FEW,
    TOO_FEW_FIGURE,
    ZOOM,
    board,
    bytes_each_way,
    connections,
    failed_share,
    messages_each_way,
)
from grafana_foundation_sdk.models import units
from panels import FILL, course, figure


def grpc():
    streams = g.highest_share(
        g.gauge("grpc.{streams_in_use,streams_allowed}"), 5, "streams_in_use", "streams_allowed"
    )
    figures = [
        figure(
            "Requests",
            "Requests that ended, a second, over the chosen steps.",
            g.per_second(g.total(g.count("steps.$step.requests"))),
            units.RequestsPerSecond,
        ),
        failed_share(),
        figure(
            "Streams in use",
            "Share of the streams that the open connections allow, in the scenario where it is highest. At 100 % "
            "requests wait for a free stream: give the scenario more connections.",
            g.highest(streams),
            units.PercentUnit,
            0,
            FILL,
        ),
        figure(
            "Response time p99",
            "p99 of the slowest chosen step, the last there was; a second has one from 1,000 requests on.",
            g.highest(g.times(g.slowest(g.gauge("steps.$step.response_time_us.p99")))),
            units.Microseconds,
            no_value=TOO_FEW_FIGURE,
        ),
    ]
    return board(
        "loadgen-grpc",
        "gRPC: status codes, streams and connections, step by step and server by server.",
        [g.run(), g.scenario_of("grpc"), g.step(), g.answered_by()],
        [
            (4, figures),
            (
                9,
                [
                    course(
                        "Requests by status",
                        "How requests ended, a second: ok, a gRPC status, or what kept them from one.",
                        g.rates_by_nodes(g.count("steps.$step.outcomes.*"), 7),
                        g.rates_by_nodes(g.count("steps.$step.outcomes.*.*"), 7, 8),
                        unit=units.RequestsPerSecond,
                    ),
                    course(
                        "Response time by step",
                        f"From when a step was due until its last answer. {ZOOM}",
                        g.by_nodes(
                            g.highest(g.times(g.gauge(f"steps.$step.response_time_us.{PERCENTILES}"))), 3, 5, 7
                        ),
                        unit=units.Microseconds,
                        logarithmic=True,
                    ),
                ],
            ),
            (
                9,
                [
                    course(
                        "Requests by step",
                        "Requests a second that ended, well or not.",
                        g.rates_by_nodes(g.count("steps.$step.requests"), 3, 5),
                        unit=units.RequestsPerSecond,
                    ),
                    course(
                        "Streams in use, of those allowed",
                        f"Open streams against what the server and the scenario allow on the open connections. {ZOOM}",
                        g.by_nodes(g.highest(g.gauge("grpc.{streams_in_use,streams_allowed}")), 3, 5),
                    ),
                    course(
                        "Wait for a stream",
                        f"How long requests waited for a free stream; it is part of their response time. {ZOOM}",
                        g.by_nodes(g.highest(g.times(g.gauge("steps.$step.stream_wait_us.{p50,p95,max}"))), 3, 5, 7),
                        unit=units.Microseconds,
                        no_value="no request waited for a stream in this time range",
                    ),
                ],
            ),
            (
                9,
                [
                    course(
                        "Requests by server",
                        "Which server answered, by its own word: whether the balancing in between is even.",
                        g.rates_by_nodes(g.count("backends.$backend.requests"), 5),
                        unit=units.RequestsPerSecond,
                    ),
                    course(
                        "Response time by server",
                        f"p95 of what each server answered: one that is slower than the others stands out. {ZOOM}",
                        g.by_nodes(g.highest(g.times(g.gauge("backends.$backend.response_time_us.p95"))), 3, 5),
                        unit=units.Microseconds,
                        no_value=TOO_FEW,
                    ),
                ],
            ),
            (
                9,
                [
                    bytes_each_way(),
                    messages_each_way(),
                    course(
                        "Streams: first message, gap, round trip",
                        "p95 of the wait for the first message of a stream, of the gap between two, and of a "
                        f"message's round trip. {ZOOM}",
                        g.by_nodes(
                            g.highest(
                                g.times(g.gauge("steps.$step.{first_message_us,message_gap_us,round_trip_us}.p95"))
                            ),
                            3,
                            5,
                            6,
                        ),
                        unit=units.Microseconds,
                        no_value="no run in this time range, or no step with a stream",
                    ),
                    connections(),
                ],
            ),
        ],
    )

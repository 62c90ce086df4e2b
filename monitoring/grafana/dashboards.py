#!/usr/bin/env python3
"""
Writes the five Grafana dashboards, as JSON for Grafana to load.

    dashboards.py [--check] FOLDER

With `--check` it writes nothing and says which files are not what it would write.
"""

import json
import pathlib
import sys

from grafana_foundation_sdk.builders import common, dashboard, xychart
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models import xychart as xy

import graphite as g
from panels import BAD, FILL, GOOD, NEVER, PLAIN, SHARE, WARN, course, figure, lay

PERCENTILES = "{p50,p95,p99,max}"
TOO_FEW = (
    "no run, or too few a second: a percentile needs ten samples beyond it "
    "(p95: 200 a second, p99: 1,000)"
)
ZOOM = "Zoomed out, a point is the highest of its seconds."
TOO_FEW_FIGURE = "too few a second"
NO_BACKEND = "no reference backend sends metrics: start loadgen serve with STATSD_HOST=127.0.0.1"
NO_FAILURE = "nothing failed in this time range"

BOARDS = {
    "loadgen-overview": "Overview",
    "loadgen-grpc": "gRPC",
    "loadgen-websocket": "WebSocket",
    "loadgen-errors": "Errors",
    "loadgen-resources": "Resources",
}


def board(uid: str, about: str, variables: list, rows: list) -> models.Dashboard:
    made = (
        dashboard.Dashboard(f"loadgen: {BOARDS[uid]}")
        .uid(uid)
        .description(about)
        .tags(["loadgen"])
        .refresh("5s")
        .time("now-15m", "now")
        .timepicker(dashboard.TimePicker().refresh_intervals(["1s", "5s", "10s", "30s", "1m", "5m"]))
        # One crosshair for all panels: what stands at one moment belongs together.
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .variables(variables)
        .annotations(g.marks())
    )
    for other, name in BOARDS.items():
        if other != uid:
            made.link(
                dashboard.DashboardLink(name)
                .type(models.DashboardLinkType.LINK)
                .icon("dashboard")
                .tooltip(f"{name}, with what is chosen here")
                .url(f"/d/{other}")
                .include_vars(True)
                .keep_time(True)
            )
    lay(made, rows)
    return made.build()


# Panels that stand on several dashboards.


def late_share():
    return figure(
        "Started late",
        "Share of the iterations that the generator started more than the tolerance after they were due, "
        "over the whole time range. Above 1 % the run is invalid: it measured the generator.",
        g.share_so_far(g.or_zero("late"), g.total(g.count("started"))),
        units.PercentUnit,
        2,
        SHARE,
    )


def failed_share():
    return figure(
        "Failed",
        "Share of the iterations that failed, of all that ended, over the whole time range.",
        g.share_so_far(g.or_zero("failed"), g.ended()),
        units.PercentUnit,
        2,
        SHARE,
    )


def generator_busy():
    return figure(
        "Generator busy",
        "How much of its core the busiest worker of the generator uses. Near 100 % the generator is the limit.",
        g.highest(g.generator("cpu_busy")),
        units.PercentUnit,
        0,
        FILL,
    )


def limit():
    """One number from two signs: of each, how near it is to where the figures stop being the service's."""
    late = g.share_so_far(g.or_zero("late"), g.total(g.count("started")))
    signs = g.slowest(f"scale({g.generator('cpu_busy')}, {1 / 0.9:.4f})", f"scale({late}, 100)")
    panel = figure(
        "Generator the limit?",
        "“yes” when a worker uses more than 90 % of its core or more than 1 % of the iterations start late: "
        "then the figures are the generator's, not the service's. Give it more workers or less load.",
        g.highest(signs),
        thresholds=[(None, GOOD), (0.8, WARN), (1, BAD)],
    )
    texts = [(0, 0.8, "no"), (0.8, 1, "nearly"), (1, 1e9, "yes")]
    return panel.mappings(
        [
            models.RangeMap(
                options=models.DashboardRangeMapOptions(
                    from_val=low, to=high, result=models.ValueMappingResult(text=text, index=index)
                )
            )
            for index, (low, high, text) in enumerate(texts)
        ]
    )


def failures(title: str, about: str, *targets: str, unit: str = units.RequestsPerSecond):
    return course(title, about, *targets, unit=unit, no_value=NO_FAILURE)


def outcomes(of: str, node: int) -> list[str]:
    """How they failed. A code of a protocol is one part more of the name: `grpc.UNAVAILABLE`."""
    plain = f"exclude({g.count(f'{of}outcomes.*')}, '\\.ok\\.count$')"
    return [
        g.rates_by_nodes(plain, node),
        g.rates_by_nodes(g.count(f"{of}outcomes.*.*"), node, node + 1),
    ]


def knee():
    """Each second a point: how much was done, and how long it took."""
    rate, *percentiles = "completed", "p95", "p99"

    def field(name: str):
        return xychart.MatcherConfig().id("byName").options(name)

    panel = (
        xychart.Panel()
        .title("Knee: response time against rate")
        .description(
            "Each second is a point: completed iterations to the right, response time upwards. "
            "Where the points turn upwards the service has reached its limit."
        )
        .datasource(g.SOURCE)
        .interval("1s")
        .unit(units.Microseconds)
        .min(0)
        .no_value(TOO_FEW)
        .mapping(xy.SeriesMapping.MANUAL)
        .series(
            [
                xychart.XYSeriesConfig()
                .name(xychart.XychartXYSeriesConfigName().fixed(name))
                .x(xychart.XychartXYSeriesConfigX().matcher(field(rate)))
                .y(xychart.XychartXYSeriesConfigY().matcher(field(name)))
                for name in percentiles
            ]
        )
        .show(xy.XYShowMode.POINTS)
        .point_size(xychart.XychartFieldConfigPointSize().fixed(4))
        .override_by_name(
            rate,
            [
                models.DynamicConfigValue(id_val="unit", value=units.OpsPerSecond),
                models.DynamicConfigValue(id_val="custom.axisLabel", value="completed"),
            ],
        )
        .legend(common.VizLegendOptions().show_legend(True).placement("bottom").display_mode("list").calcs([]))
        .with_transformation(models.DataTransformerConfig(id_val="joinByField", options={"mode": "outer"}))
        .with_target(g.Query(g.named(g.per_second(g.total(g.count("completed"))), rate), "A"))
    )
    for letter, name in zip("BC", percentiles, strict=True):
        worst = g.highest(g.times(g.slowest(g.gauge(f"response_time_us.{name}"))))
        panel.with_target(g.Query(g.named(worst, name), letter))
    return panel


# The dashboards.


def overview() -> models.Dashboard:
    def rate(metric: str) -> str:
        return g.named(g.per_second(g.total(g.count(metric))), metric)

    def slowest(name: str):
        return figure(
            f"Response time {name}",
            f"{name} of the slowest scenario, the last there was: from when an iteration was due until its end. "
            "A second has one if at least ten iterations lie beyond it: p95 from 200 a second on, p99 from 1,000.",
            g.highest(g.times(g.slowest(g.gauge(f"response_time_us.{name}")))),
            units.Microseconds,
            no_value=TOO_FEW_FIGURE,
        )

    figures = [
        figure(
            "Completed",
            "Iterations that ended well in the last second, all chosen scenarios together; 0 when a run is over.",
            g.highest(g.total(g.gauge("throughput_per_s"))),
            units.OpsPerSecond,
        ),
        failed_share(),
        slowest("p95"),
        slowest("p99"),
        figure(
            "Users busy",
            "Users that were busy with an iteration in the last second.",
            g.highest(g.total(g.gauge("users"))),
        ),
        late_share(),
        generator_busy(),
        limit(),
    ]
    rates = course(
        "Rate: planned, started, completed, failed",
        "Iterations a second. Completed below planned means that the service (or the generator: see its "
        "panels) does not keep up. The response time below has the same time axis.",
        *map(rate, ["planned", "started", "completed"]),
        g.named(g.per_second(g.or_zero("failed")), "failed"),
        unit=units.OpsPerSecond,
    )
    response = course(
        "Response time",
        f"From when an iteration was due until its end, by scenario. {ZOOM}",
        g.by_nodes(g.highest(g.times(g.gauge(f"response_time_us.{PERCENTILES}"))), 3, 5),
        unit=units.Microseconds,
        logarithmic=True,
    )
    against = course(
        "Response time against service time (p95)",
        "Service time counts from the actual start. What response time has beyond it was waiting for a free "
        f"user: the service is slower than the load. {ZOOM}",
        g.by_nodes(g.highest(g.times(g.gauge("{response_time_us,service_time_us}.p95"))), 3, 4),
        g.by_nodes(g.highest(g.gauge("queue_wait_us.p95")), 3, 4),
        unit=units.Microseconds,
        no_value=TOO_FEW,
    )
    users = course(
        "Users, in flight, waiting",
        "Users at work, requests sent and not answered, iterations in line for a user. A line that grows "
        f"without end is an overload. {ZOOM}",
        *[
            g.named(g.highest(g.total(g.gauge(metric))), metric)
            for metric in ("users", "in_flight", "waiting")
        ],
    )
    generator = course(
        "Generator: busy, and how late it starts",
        "Busiest worker's share of its core (left), and the generator's own lateness in open models (right). "
        f"Both must be small, or the figures are the generator's. {ZOOM}",
        g.named(g.highest(g.generator("cpu_busy")), "busy"),
        g.by_nodes(g.highest(g.gauge("start_lag_us.{p50,p99,max}")), 3, 5),
        unit=units.PercentUnit,
        decimals=0,
        thresholds=FILL,
        right=("/\\.(p50|p99|max)$/", units.Microseconds),
    )
    return board(
        "loadgen-overview",
        "Is the service healthy, where is its knee, and is the generator the limit?",
        [g.run(), g.scenario()],
        [
            (4, figures),
            (9, [rates, knee()]),
            (9, [response, against]),
            (
                9,
                [
                    users,
                    failures(
                        "Failed, by outcome",
                        "Iterations a second that did not end well, by how they ended.",
                        *outcomes("", 5),
                        unit=units.OpsPerSecond,
                    ),
                    generator,
                ],
            ),
        ],
    )


def grpc() -> models.Dashboard:
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


def bytes_each_way():
    return course(
        "Bytes each way",
        "On the wire, a second, all chosen scenarios together.",
        g.rates_by_nodes(g.count("bytes.{sent,received}"), 5),
        unit=units.BytesPerSecondSI,
    )


def messages_each_way():
    return course(
        "Messages each way",
        "Messages a second that were sent and received, by step.",
        g.rates_by_nodes(g.count("steps.$step.{messages_sent,messages_received}"), 5, 6),
        unit=units.MessagesPerSecond,
    )


def connections():
    """What becomes of connections is rare: counts of a second, not smoothed."""
    changes = g.count("connections.{opened,failed,dropped,reconnected}")
    return course(
        "Connections",
        "Open now, and what became of them, a second: opened, failed to open, dropped by the other side, "
        "opened anew in place of a dropped one.",
        g.named(g.highest(g.total(g.gauge("connections.open"))), "open"),
        g.rates_by_nodes(changes, 5),
    )


def websocket() -> models.Dashboard:
    def times(title: str, about: str, metric: str):
        return course(
            title,
            f"{about} {ZOOM}",
            g.by_nodes(g.highest(g.times(g.gauge(f"steps.$step.{metric}.{PERCENTILES}"))), 3, 5, 7),
            unit=units.Microseconds,
            logarithmic=True,
            no_value="no run in this time range, or none of its chosen steps does this",
        )

    def in_range(title: str, about: str, *metrics: str):
        zero = f"scale({g.count('started')}, 0)"
        counted = g.total(*map(g.count, metrics), zero)
        return figure(title, about, f"consolidateBy({counted}, 'sum')", units.LocaleFormat, 0, NEVER, "sum")

    faults = "{messages_missing,messages_out_of_order,messages_unexpected,messages_too_late}"
    figures = [
        figure(
            "Connections open",
            "Connections that are open now, all chosen scenarios together.",
            g.highest(g.total(g.gauge("connections.open"))),
        ),
        figure(
            "Messages received",
            "Messages a second that came from the service, over the chosen steps.",
            g.per_second(g.total(g.count("steps.$step.messages_received"))),
            units.MessagesPerSecond,
        ),
        in_range(
            "Connections lost",
            "Connections that failed to open or were dropped, in the whole time range.",
            "connections.{failed,dropped}",
        ),
        in_range(
            "Message faults",
            "Messages missing, out of order, unexpected or too late, in the whole time range.",
            f"steps.$step.{faults}",
        ),
    ]
    return board(
        "loadgen-websocket",
        "WebSocket: connections and how long they last, round trips, and whether every message came.",
        [g.run(), g.scenario_of("websocket"), g.step()],
        [
            (4, figures),
            (
                9,
                [
                    connections(),
                    course(
                        "Time to connect",
                        f"From resolving the name until ready for messages. {ZOOM}",
                        g.by_nodes(g.highest(g.times(g.gauge(f"connect_time_us.{PERCENTILES}"))), 3, 5),
                        unit=units.Microseconds,
                    ),
                ],
            ),
            (
                9,
                [
                    times("Round trip", "From sending a message until its reply.", "round_trip_us"),
                    times("First message", "From asking until the first message of a stream.", "first_message_us"),
                    times("Gap between messages", "Between one message of a stream and the next.", "message_gap_us"),
                ],
            ),
            (
                9,
                [
                    messages_each_way(),
                    course(
                        "Message faults by kind",
                        "Messages a second that were missing, out of order, not asked for, or too late.",
                        g.rates_by_nodes(g.count(f"steps.$step.{faults}"), 5, 6),
                        unit=units.MessagesPerSecond,
                        no_value="no message was at fault in this time range",
                    ),
                    course(
                        "Replies owed, and iterations in line",
                        f"Messages that wait for their answer, and iterations that wait for a user. {ZOOM}",
                        g.named(g.highest(g.total(g.gauge("websocket.replies_owed"))), "replies owed"),
                        g.named(g.highest(g.total(g.gauge("waiting"))), "waiting"),
                    ),
                ],
            ),
            (
                9,
                [
                    course(
                        "Iterations by outcome",
                        "How iterations ended, a second: ok, a code of the closing connection, or what else.",
                        g.rates_by_nodes(g.count("outcomes.*"), 5),
                        g.rates_by_nodes(g.count("outcomes.*.*"), 5, 6),
                        unit=units.OpsPerSecond,
                    ),
                    bytes_each_way(),
                ],
            ),
        ],
    )


def errors() -> models.Dashboard:
    def in_range(title: str, about: str, metric: str, thresholds=NEVER):
        counted = f"consolidateBy({g.or_zero(metric)}, 'sum')"
        return figure(title, about, counted, units.LocaleFormat, 0, thresholds, "sum")

    figures = [
        failed_share(),
        in_range("Failed iterations", "Iterations that failed, in the whole time range.", "failed"),
        in_range(
            "Dropped iterations",
            "Iterations that were due and never started: all users were busy, or the run ended first.",
            "dropped",
        ),
        late_share(),
        in_range(
            "Interrupted iterations",
            "Iterations cut off by the end of the run: a few are normal.",
            "interrupted",
            PLAIN,
        ),
        in_range(
            "Connections dropped",
            "Connections that the other side ended, in the whole time range.",
            "connections.dropped",
        ),
    ]
    share = g.share(g.or_zero("failed"), g.ended())
    return board(
        "loadgen-errors",
        "What went wrong, how much of it, in which step and on which server.",
        [g.run(), g.scenario(), g.step(), g.answered_by()],
        [
            (4, figures),
            (
                9,
                [
                    course(
                        "Share that failed",
                        "Of the iterations that ended in a second, the share that failed. Zoomed out, a point is "
                        "the mean of its seconds' shares.",
                        g.named(share, "failed"),
                        unit=units.PercentUnit,
                        decimals=1,
                        thresholds=SHARE,
                        no_value="no iteration ended in this time range",
                    ),
                    failures(
                        "Failed iterations by outcome",
                        "Iterations a second that did not end well, by how they ended.",
                        *outcomes("", 5),
                        unit=units.OpsPerSecond,
                    ),
                ],
            ),
            (
                9,
                [
                    failures(
                        "Failed requests by step",
                        "Requests a second that failed, by scenario and step.",
                        g.rates_by_nodes(g.count("steps.$step.failed"), 3, 5),
                    ),
                    failures(
                        "Failed requests by outcome",
                        "Requests a second that failed, by how they ended.",
                        *outcomes("steps.$step.", 7),
                    ),
                    failures(
                        "Failed requests by server",
                        "Failures a second that a server answered with, by its own word. A request that no "
                        "server answered is not among them.",
                        g.rates_by_nodes(g.count("backends.$backend.failed"), 5),
                    ),
                ],
            ),
            (
                9,
                [
                    course(
                        "Dropped, late, interrupted",
                        "Iterations a second that never started, started late, or were cut off by the end.",
                        *[
                            g.named(g.per_second(g.total(g.count(metric))), metric)
                            for metric in ("dropped", "late", "interrupted")
                        ],
                        unit=units.OpsPerSecond,
                        no_value="nothing was dropped, late or interrupted in this time range",
                    ),
                    course(
                        "Connections failed and dropped",
                        "Connections a second that could not be opened, or were ended by the other side.",
                        g.rates_by_nodes(g.count("connections.{failed,dropped}"), 3, 5),
                        no_value="no connection was lost in this time range",
                    ),
                    course(
                        "Iterations in line",
                        f"Iterations that are due and wait for a user; the longest wait on the right. {ZOOM}",
                        g.named(g.highest(g.total(g.gauge("waiting"))), "waiting"),
                        g.by_nodes(g.highest(g.gauge("queue_wait_us.max")), 3, 5),
                        right=("/\\.max$/", units.Microseconds),
                    ),
                ],
            ),
        ],
    )


def resources() -> models.Dashboard:
    open_files = g.share(g.generator("open_files"), g.generator("open_files_limit"))
    figures = [
        generator_busy(),
        figure(
            "Generator memory",
            "Memory of the generator's process that is resident.",
            g.highest(g.generator("memory_bytes")),
            units.BytesIEC,
            1,
        ),
        figure(
            "Open files, of those allowed",
            "At 100 % no connection can be opened any more: raise the limit with ulimit -n.",
            g.highest(open_files),
            units.PercentUnit,
            1,
            FILL,
        ),
        figure(
            "Longest stall",
            "The longest that a worker of the generator stood still in the last second. More than some "
            "milliseconds means that the machine has other things to do.",
            g.highest(g.generator("stall_us")),
            units.Microseconds,
            thresholds=[(None, GOOD), (10_000, WARN), (100_000, BAD)],
        ),
    ]

    def of_backends(title: str, about: str, *targets: str, unit: str = units.Short, **more):
        return course(title, about, *targets, unit=unit, no_value=NO_BACKEND, **more)

    return board(
        "loadgen-resources",
        "What the generator and the reference backends use, and whether the generator has room left.",
        [g.run(), g.scenario(), g.reference_backend()],
        [
            (4, figures),
            (
                9,
                [
                    course(
                        "Generator: busiest worker",
                        "Share of its core that the busiest worker uses. The dashed lines: 70 % is the end of "
                        f"comfort, from 90 % on the generator is the limit. {ZOOM}",
                        g.named(g.highest(g.generator("cpu_busy")), "busiest worker"),
                        unit=units.PercentUnit,
                        decimals=0,
                        thresholds=FILL,
                        top=1,
                    ),
                    course(
                        "Generator: cores",
                        f"Cores that the whole process uses, and its workers. {ZOOM}",
                        g.named(g.highest(g.generator("cpu_cores")), "cores used"),
                        g.named(g.highest(g.generator("workers")), "workers"),
                        decimals=2,
                    ),
                ],
            ),
            (
                9,
                [
                    course(
                        "Generator: memory",
                        f"Resident memory. In a long run it must become flat. {ZOOM}",
                        g.named(g.highest(g.generator("memory_bytes")), "memory"),
                        unit=units.BytesIEC,
                    ),
                    course(
                        "Generator: open files",
                        f"Open descriptors, most of them connections, and as many as may be. {ZOOM}",
                        g.named(g.highest(g.generator("open_files")), "open"),
                        g.named(g.highest(g.generator("open_files_limit")), "allowed"),
                    ),
                    course(
                        "Generator: stalls and start lag",
                        f"The longest standstill of a worker, and the latest start of an iteration. {ZOOM}",
                        g.named(g.highest(g.generator("stall_us")), "stall"),
                        g.by_nodes(g.highest(g.gauge("start_lag_us.{p99,max}")), 3, 5),
                        unit=units.Microseconds,
                    ),
                ],
            ),
            (
                9,
                [
                    of_backends(
                        "Backends: cores",
                        f"Cores that each backend's process uses. {ZOOM}",
                        g.by_nodes(g.highest(g.backend("process.cpu_cores")), 4),
                        decimals=2,
                    ),
                    of_backends(
                        "Backends: memory",
                        f"Resident memory of each backend's process. {ZOOM}",
                        g.by_nodes(g.highest(g.backend("process.memory_bytes")), 4),
                        unit=units.BytesIEC,
                    ),
                    of_backends(
                        "Backends: open files",
                        f"Open descriptors of each backend's process, and as many as may be. {ZOOM}",
                        g.by_nodes(g.highest(g.backend("process.{open_files,open_files_limit}")), 4, 6),
                    ),
                ],
            ),
            (
                9,
                [
                    of_backends(
                        "Backends: handling time",
                        "From having a request until its answer is handed to the connection: the service's own "
                        f"part of the response time. {ZOOM}",
                        g.by_nodes(g.highest(g.times(g.backend(f"*.handling_time_us.{PERCENTILES}"))), 4, 5, 7),
                        unit=units.Microseconds,
                        logarithmic=True,
                    ),
                    of_backends(
                        "Backends: connections",
                        f"Open connections of each backend. {ZOOM}",
                        g.by_nodes(g.highest(g.backend("*.connections.open")), 4, 5),
                    ),
                    of_backends(
                        "Backends: requests, failed ones, new connections",
                        "What each backend answered, what of it with a failure, and connections it took, a second.",
                        g.rates_by_nodes(g.backend_count("*.{requests,failed}"), 4, 5, 6),
                        g.rates_by_nodes(g.backend_count("*.connections.opened"), 4, 5, 7),
                        unit=units.CountsPerSecond,
                    ),
                ],
            ),
        ],
    )


def register_types() -> None:
    """Lets the SDK read what is written here back into its types."""
    register_default_plugins()
    g.register()


def files() -> dict[str, str]:
    """What each file holds, by its name."""
    made = [overview(), grpc(), websocket(), errors(), resources()]
    return {
        f"{it.uid.removeprefix('loadgen-')}.json": json.dumps(it, cls=JSONEncoder, indent=2) + "\n"
        for it in made
    }


def main(arguments: list[str]) -> int:
    check = "--check" in arguments
    folders = [it for it in arguments if it != "--check"]
    if len(folders) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(folders[0])
    status = 0
    for name, text in files().items():
        path = folder / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            print(f"{path}: not what monitoring/grafana would write: run `just dashboards`", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

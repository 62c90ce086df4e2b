"""What the dashboards have in common: their frame, and panels that stand on several of them."""

import graphite as g
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units
from panels import BAD, FILL, GOOD, SHARE, WARN, course, figure, lay

PERCENTILES = "{p50,p95,p99,max}"
TOO_FEW = (
    "no run, or too few a second: a percentile needs ten samples beyond it "
    "(p95: 200 a second, p99: 1,000)"
)
TOO_FEW_FIGURE = "too few a second"
ZOOM = "Zoomed out, a point is the highest of its seconds."
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


def late_share():
    return figure(
        "Started late",
        "Share of the iterations that the generator started more than the tolerance after they were due, "
        "over the whole time range. The generator's own doing, never the service's.",
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

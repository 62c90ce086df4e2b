"""The dashboard to begin with: is the service healthy, where is its knee, is the generator the limit?"""

import graphite as g
from boards.shared import (
    PERCENTILES,
    TOO_FEW,
    TOO_FEW_FIGURE,
    ZOOM,
    board,
    failed_share,
    failures,
    generator_busy,
    late_share,
    limit,
    outcomes,
)
from grafana_foundation_sdk.builders import common, xychart
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models import xychart as xy
from panels import FILL, course, figure


def overview():
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

"""What went wrong."""

import graphite as g
from boards.shared import ZOOM, board, failed_share, failures, late_share, outcomes
from grafana_foundation_sdk.models import units
from panels import NEVER, PLAIN, SHARE, course, figure


def errors():
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

"""WebSocket: connections, round trips, messages."""

import graphite as g
from boards.shared import PERCENTILES, ZOOM, board, bytes_each_way, connections, messages_each_way
from grafana_foundation_sdk.models import units
from panels import NEVER, course, figure


def websocket():
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

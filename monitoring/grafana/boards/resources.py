"""What the generator and the reference backends use."""

import graphite as g
from boards.shared import PERCENTILES, ZOOM, board, generator_busy
from grafana_foundation_sdk.models import units
from panels import BAD, FILL, GOOD, WARN, course, figure

NO_BACKEND = "no reference backend sends metrics: start loadgen serve with STATSD_HOST=127.0.0.1"


def resources():
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

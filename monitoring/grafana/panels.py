"""Panels as all five dashboards have them: one look for a figure, one for a course over time."""

import graphite
from grafana_foundation_sdk.builders import common, dashboard, stat, timeseries
from grafana_foundation_sdk.models import common as c
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import units

NO_RUN = "no run in this time range: loadgen run --statsd 127.0.0.1:8125"
# A figure has room for some words; what to do stands in the panels below.
NO_FIGURE = "no run"

GOOD, WARN, BAD = "green", "orange", "red"
# What has one meaning has one colour on every dashboard.
COLOURS = {
    "planned": "blue",
    "started": "light-blue",
    "completed": "green",
    "failed": "red",
    "dropped": "purple",
    "late": "orange",
    "interrupted": "yellow",
}

Levels = list[tuple[float | None, str]]
# Of a share that should be nothing.
SHARE: Levels = [(None, GOOD), (0.001, WARN), (0.01, BAD)]
# Of a thing that has an end.
FILL: Levels = [(None, GOOD), (0.7, WARN), (0.9, BAD)]
# Of what should never happen.
NEVER: Levels = [(None, GOOD), (1, BAD)]
PLAIN: Levels = [(None, "blue")]


def levels(of: Levels) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=value, color=colour) for value, colour in of]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def queries(panel, targets):
    for letter, target in zip("ABCDEFGH", targets, strict=False):
        panel.with_target(graphite.Query(target=target, ref_id=letter))
    return panel.datasource(graphite.SOURCE)


def figure(
    title: str,
    about: str,
    target: str,
    unit: str = units.Short,
    decimals: int | None = None,
    thresholds: Levels = PLAIN,
    calc: str = "lastNotNull",
    no_value: str = NO_FIGURE,
) -> stat.Panel:
    """A number, coloured by what it means."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .no_value(no_value)
        .interval("1s")
        .thresholds(levels(thresholds))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .color_mode(c.BigValueColorMode.VALUE)
        # A total has no course to draw.
        .graph_mode(c.BigValueGraphMode.NONE if calc == "sum" else c.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs([calc]).fields("").values(False))
    )
    if decimals is not None:
        panel.decimals(decimals)
    return queries(panel, [target])


def course(
    title: str,
    about: str,
    *targets: str,
    unit: str = units.Short,
    decimals: int | None = None,
    thresholds: Levels | None = None,
    right: tuple[str, str] | None = None,
    top: float | None = None,
    logarithmic: bool = False,
    no_value: str = NO_RUN,
) -> timeseries.Panel:
    """
    Lines over time.

    `right`: which lines, by a pattern, are read on the right, and their unit. `logarithmic`: for times
    that lie far apart.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .no_value(no_value)
        .interval("1s")
        .line_width(1)
        .fill_opacity(8)
        .show_points(c.VisibilityMode.AUTO)
        # A second in which nothing was sent interrupts no line; the time between two runs does.
        .span_nulls(5000)
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
        .tooltip(
            common.VizTooltipOptions().mode(c.TooltipDisplayMode.MULTI).sort(c.SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(c.LegendDisplayMode.TABLE)
            .placement(c.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "max"])
        )
    )
    if decimals is not None:
        panel.decimals(decimals)
    if logarithmic:
        scale = common.ScaleDistributionConfig().type(c.ScaleDistribution.LOG).log(10)
        panel.scale_distribution(scale)
    else:
        panel.min(0)
    if top is not None:
        panel.max(top)
    if thresholds is not None:
        line = c.GraphThresholdsStyleMode.DASHED
        panel.thresholds(levels(thresholds))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(line))
    for name, colour in COLOURS.items():
        if any(f"'{name}')" in target for target in targets):
            fixed = {"mode": "fixed", "fixedColor": colour}
            panel.override_by_name(name, [models.DynamicConfigValue(id_val="color", value=fixed)])
    if right is not None:
        pattern, its_unit = right
        properties = [
            models.DynamicConfigValue(id_val="unit", value=its_unit),
            models.DynamicConfigValue(id_val="custom.axisPlacement", value="right"),
        ]
        panel.override_by_regexp(pattern, properties)
    return queries(panel, targets)


def lay(board: dashboard.Dashboard, rows: list[tuple[int, list]]) -> None:
    """Rows of panels of one height, each filling the width of 24 columns in equal parts."""
    number = y = 0
    for height, row in rows:
        width, rest = divmod(24, len(row))
        assert rest == 0, "columns must share the width evenly"
        for place, panel in enumerate(row):
            number += 1
            panel.id(number)
            panel.grid_pos(models.GridPos(h=height, w=width, x=place * width, y=y))
            board.with_panel(panel)
        y += height

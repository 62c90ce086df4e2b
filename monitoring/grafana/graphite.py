"""Queries to Graphite, with the types that Grafana's SDK has for other data sources and not for this one."""

import typing
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog import builder, runtime, variants
from grafana_foundation_sdk.models import dashboard as models

SOURCE = models.DataSourceRef(type_val="graphite", uid="graphite")


@dataclass
class Query(variants.Dataquery, builder.Builder):
    """What a panel asks: a field of `targets`, as Grafana's Graphite plugin reads it."""

    target: str
    ref_id: str
    # The plugin's visual editor would rewrite what it does not know.
    text_editor: bool = True

    def build(self) -> typing.Self:
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "refId": self.ref_id,
            "datasource": SOURCE,
            "target": self.target,
            "textEditor": self.text_editor,
        }

    @classmethod
    def from_json(cls, data: dict[str, typing.Any]) -> typing.Self:
        return cls(target=data["target"], ref_id=data["refId"], text_editor=data["textEditor"])


class EventQuery(models.AnnotationTarget):
    """Events with a tag. It is one tag: of several, Graphite leaves out those it has never seen."""

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {"refId": "Anno", "queryType": "tags", "fromAnnotations": True}

    def build(self) -> typing.Self:
        return self


def register() -> None:
    """Lets the SDK read Graphite's queries back into these types."""
    runtime.register_dataquery_variant(
        runtime.DataqueryConfig(identifier="graphite", from_json_hook=Query.from_json)
    )


# Paths of metrics, as StatsD writes them with `legacyNamespace: false`.


def count(metric: str) -> str:
    """A counter of the chosen scenarios: how often in a second."""
    return f"stats.counters.$run.$scenario.{metric}.count"


def gauge(metric: str) -> str:
    """A gauge of the chosen scenarios."""
    return f"stats.gauges.$run.$scenario.{metric}"


def generator(metric: str) -> str:
    return f"stats.gauges.$run.generator.{metric}"


def backend_count(metric: str) -> str:
    return f"stats.counters.$run.backend.$backend.{metric}.count"


def backend(metric: str) -> str:
    return f"stats.gauges.$run.backend.$backend.{metric}"


# Functions of Graphite.


def total(*series: str) -> str:
    return f"sumSeries({', '.join(series)})"


def slowest(*series: str) -> str:
    return f"maxSeries({', '.join(series)})"


def highest(series: str) -> str:
    """Where a point stands for several seconds, the highest of them: a peak is never smoothed away."""
    return f"consolidateBy({series}, 'max')"


def times(series: str) -> str:
    """Times, without the zeros that a run sets its gauges to when it is over: nothing takes no time."""
    return f"removeBelowValue({series}, 0.001)"


def per_second(counts: str) -> str:
    """
    A rate from counts, true at every zoom.

    The older archives hold counts of 10 s and 60 s: those are scaled. Where a point on the screen stands
    for several, it is their mean, and a second without a count, which is not stored, is a zero in it.
    (`sum` would show n times the rate where a point stands for n; `average` would leave out the zeros.)
    """
    return f"consolidateBy(scaleToSeconds({counts}, 1), 'avg_zero')"


def or_zero(metric: str) -> str:
    """
    A counter's sum that is zero, and not absent, where the counter has never counted.

    A counter that never counted has no series. One of those that every run has, times zero, lends its own.
    """
    return f"sumSeries({count(metric)}, scale({count('started')}, 0))"


def share(part: str, whole: str) -> str:
    """A share of each second; where a point stands for several seconds, their mean."""
    return f"divideSeries({part}, {whole})"


def highest_share(parts: str, node: int, part: str, whole: str) -> str:
    """Of each scenario the share that `part` has of `whole`, which stand at `node`; the highest of them."""
    return f"maxSeries(reduceSeries(mapSeries({parts}, 3), 'divideSeries', {node}, '{part}', '{whole}'))"


def share_so_far(part: str, whole: str) -> str:
    """A share of all since the left end of the time range; its last value is the share of the whole range."""
    divided = f"divideSeries(integral(transformNull({part}, 0)), integral({whole}))"
    return f"consolidateBy({divided}, 'last')"


def ended() -> str:
    return total(count("{completed,failed}"))


def named(series: str, name: str) -> str:
    return f"alias({series}, '{name}')"


def by_nodes(series: str, *nodes: int) -> str:
    """One line a series, named by parts of its path, which count from 0."""
    return f"aliasByNode({series}, {', '.join(map(str, nodes))})"


def rates_by_nodes(series: str, *nodes: int) -> str:
    """Counts added up where these parts of their paths are the same, as rates named by those parts."""
    summed = f"groupByNodes({series}, 'sum', {', '.join(map(str, nodes))})"
    # The other functions have put the name between a parenthesis and a comma.
    return rf"aliasSub({per_second(summed)}, '^.*\(([^(),]+),.*$', '\1')"


# What is chosen at the top of a dashboard.


def variable(name: str, label: str, query: str, description: str) -> builders.QueryVariable:
    """Several may be chosen, or all."""
    return (
        builders.QueryVariable(name)
        .label(label)
        .description(description)
        .datasource(SOURCE)
        .query(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def run() -> builders.QueryVariable:
    # StatsD's own gauges stand beside the runs.
    return (
        variable("run", "Run", "stats.gauges.*", "The first part of --statsd-prefix")
        .regex("/^(?!statsd$).*/")
        .multi(False)
        .include_all(False)
        .current(models.VariableOption(selected=True, text="loadgen", value="loadgen"))
    )


def scenario() -> builders.QueryVariable:
    return variable("scenario", "Scenario", "stats.gauges.$run.*", "Scenarios of the run").regex(
        "/^(?!(?:generator|backend)$).*/"
    )


def scenario_of(protocol: str) -> builders.QueryVariable:
    """Only scenarios that have metrics of this protocol."""
    query = f"expand(stats.gauges.$run.*.{protocol})"
    found = variable("scenario", "Scenario", query, f"Scenarios of the run that speak {protocol}")
    return found.regex(rf"/^stats\.gauges\.[^.]+\.([^.]+)\.{protocol}$/")


def step() -> builders.QueryVariable:
    return variable("step", "Step", "stats.counters.$run.$scenario.steps.*", "Steps of the scenarios")


def answered_by() -> builders.QueryVariable:
    return variable(
        "backend",
        "Answered by",
        "stats.counters.$run.$scenario.backends.*",
        "Servers that answered, by their own word",
    )


def reference_backend() -> builders.QueryVariable:
    return variable(
        "backend",
        "Backend",
        "stats.gauges.$run.backend.*",
        "Reference backends (loadgen serve) that send metrics themselves",
    )


# Where runs began and ended.


def marks() -> list[builders.AnnotationQuery]:
    kinds = [
        ("Run starts", "start", "blue"),
        ("Run passed", "pass", "green"),
        ("Run failed", "fail", "red"),
        ("Run invalid", "invalid", "orange"),
    ]
    return [
        builders.AnnotationQuery()
        .name(name)
        .datasource(SOURCE)
        .icon_color(colour)
        .target(EventQuery(limit=100, tags=[f"$run:{tag}"], type_val="tags"))
        for name, tag, colour in kinds
    ]

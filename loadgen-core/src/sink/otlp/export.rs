//! Pictures as OTLP's messages.

use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric as Message, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::sink::RunInfo;
use crate::sink::metric::{Kind, Unit, Value};
use crate::sink::picture::{Family, Of, Picture, Scope, in_base_unit, tags, words};

/// What is the same in every export of a run.
#[derive(Debug)]
pub(super) struct Exporter {
    resource: Resource,
    scope: InstrumentationScope,
    /// The attributes of each scenario's metrics.
    scenarios: Vec<Vec<KeyValue>>,
    /// When the counters were zero.
    begun: u64,
}

impl Exporter {
    pub(super) fn new(scopes: &[Scope], run: &RunInfo, begun: SystemTime) -> Self {
        let scenarios = scopes.iter().map(|scope| {
            let own = [
                attribute("scenario", &scope.scenario),
                attribute("protocol", &scope.protocol),
            ];
            let tags = tags(&scope.tags, "tag.", str::to_owned);
            let tags = tags.iter().map(|(key, value)| attribute(key, value));
            own.into_iter().chain(tags).collect()
        });
        Self {
            resource: Resource {
                attributes: vec![
                    attribute("service.name", "loadgen"),
                    attribute("service.version", &run.version),
                    attribute("loadgen.run.id", &run.id),
                ],
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: "loadgen".to_owned(),
                version: run.version.clone(),
                ..InstrumentationScope::default()
            },
            scenarios: scenarios.collect(),
            begun: nanos(begun),
        }
    }

    pub(super) fn request(&self, picture: &Picture, at: SystemTime) -> ExportMetricsServiceRequest {
        // A clock that was set back must not end a stretch before it began.
        let at = nanos(at).max(self.begun);
        let metrics = picture.families().map(|family| self.message(family, at));
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: Some(self.resource.clone()),
                scope_metrics: vec![ScopeMetrics {
                    scope: Some(self.scope.clone()),
                    metrics: metrics.collect(),
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        }
    }

    fn message(&self, family: &Family, at: u64) -> Message {
        let metric = family.metric;
        let series = family.series.iter();
        let data_points = series.map(|((scenario, labels), value)| {
            let common = match family.of {
                Of::Scenario => self.scenarios.get(*scenario).cloned(),
                Of::Generator => None,
            };
            let mut attributes = common.unwrap_or_default();
            let labels = metric.labels().zip(labels);
            attributes.extend(labels.map(|(key, value)| attribute(key, value)));
            NumberDataPoint {
                attributes,
                start_time_unix_nano: match metric.kind {
                    Kind::Counter => self.begun,
                    Kind::Gauge => 0,
                },
                time_unix_nano: at,
                value: Some(match *value {
                    // The format has no more.
                    Value::Count(count) => Number::AsInt(i64::try_from(count).unwrap_or(i64::MAX)),
                    Value::Level(level) => Number::AsDouble(in_base_unit(metric, level)),
                }),
                ..NumberDataPoint::default()
            }
        });
        let data_points = data_points.collect();
        Message {
            name: words(family.of, metric).join("."),
            description: metric.description(),
            unit: unit(metric.unit).to_owned(),
            data: Some(match metric.kind {
                Kind::Counter => Data::Sum(Sum {
                    data_points,
                    aggregation_temporality: AggregationTemporality::Cumulative.into(),
                    is_monotonic: true,
                }),
                Kind::Gauge => Data::Gauge(Gauge { data_points }),
            }),
            ..Message::default()
        }
    }
}

fn nanos(at: SystemTime) -> u64 {
    crate::clock::nanos(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Any::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

/// Units as UCUM has them; what is counted stands in braces.
fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Iterations => "{iteration}",
        Unit::IterationsPerSecond => "{iteration}/s",
        Unit::Requests => "{request}",
        Unit::RequestsPerSecond => "{request}/s",
        Unit::Messages => "{message}",
        Unit::Checks => "{check}",
        Unit::Connections => "{connection}",
        Unit::Streams => "{stream}",
        Unit::Users => "{user}",
        Unit::Samples => "{sample}",
        Unit::Threads => "{thread}",
        Unit::Descriptors => "{file_descriptor}",
        Unit::Bytes => "By",
        Unit::Microseconds => "s",
        Unit::Cores => "{core}",
        Unit::Share => "1",
        Unit::Own => "",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use test_case::test_case;

    use super::*;
    use crate::sink::metric::{GENERATOR, Metric, SCENARIO};

    fn all() -> Vec<(&'static Metric, String)> {
        let of = |of, metrics: &'static [&'static Metric]| {
            let named = move |it: &&'static Metric| (*it, words(of, it).join("."));
            metrics.iter().map(named)
        };
        of(Of::Scenario, SCENARIO)
            .chain(of(Of::Generator, GENERATOR))
            .collect()
    }

    #[test]
    fn no_two_metrics_have_one_name() {
        let distinct: BTreeSet<String> = all().into_iter().map(|(_, name)| name).collect();
        assert_eq!(distinct.len(), SCENARIO.len() + GENERATOR.len());
    }

    #[test_case("planned" => ("loadgen.planned".to_owned(), "{iteration}"))]
    #[test_case("bytes.sent" => ("loadgen.bytes.sent".to_owned(), "By"))]
    #[test_case("steps.<step>.requests" => ("loadgen.steps.requests".to_owned(), "{request}"))]
    #[test_case("custom.<name>_us.<statistic>" => ("loadgen.custom.timings".to_owned(), "s"))]
    #[test_case("throughput_per_s" => ("loadgen.throughput".to_owned(), "{iteration}/s"))]
    #[test_case("response_time_us.<statistic>" => ("loadgen.response_time".to_owned(), "s"))]
    #[test_case("cpu_busy" => ("loadgen.generator.cpu_busy".to_owned(), "1"))]
    #[test_case("memory_bytes" => ("loadgen.generator.memory".to_owned(), "By"))]
    fn names(of: &str) -> (String, &'static str) {
        let found = all().into_iter().find(|(metric, _)| metric.name == of);
        let (metric, name) = found.expect("a metric");
        (name, unit(metric.unit))
    }
}

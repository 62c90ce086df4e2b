//! Pictures as text: OpenMetrics, and the older format of Prometheus.
//!
//! Owns names, units and labels there. How they are written is `prometheus-client`'s.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as Suffix};

use crate::sink::RunInfo;
use crate::sink::metric::{Kind, Metric, Unit, Value};
use crate::sink::picture::{Family, Of, Picture, Scope, in_base_unit, tags, words};

/// The formats it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    OpenMetrics,
    Text,
}

impl Format {
    /// The one that an `Accept` header asks for. Prometheus names OpenMetrics where it can read it.
    pub(super) fn accepted(header: &str) -> Self {
        let mut asked = header.split(',').map(str::trim);
        if asked.any(|it| it.starts_with("application/openmetrics-text")) {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// What is the same in every picture of a run.
#[derive(Debug, Clone)]
pub(super) struct Exposition {
    run: RunInfo,
    /// The labels of each scenario's metrics.
    scenarios: Arc<[Vec<(String, String)>]>,
}

impl Exposition {
    pub(super) fn new(scopes: &[Scope], run: &RunInfo) -> Self {
        let labels = scopes.iter().map(|scope| {
            let own = [("scenario", &scope.scenario), ("protocol", &scope.protocol)];
            let own = own
                .into_iter()
                .map(|(key, it)| (key.to_owned(), it.clone()));
            own.chain(tags(&scope.tags, "tag_", label_name)).collect()
        });
        Self {
            run: run.clone(),
            scenarios: labels.collect(),
        }
    }

    pub(super) fn text(&self, picture: &Arc<Picture>, format: Format) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Collected {
            exposition: self.clone(),
            picture: Arc::clone(picture),
        }));
        let mut text = String::new();
        let encoded = match format {
            Format::OpenMetrics => text::encode(&mut text, &registry),
            Format::Text => prometheus_text::encode(&mut text, &registry),
        };
        encoded.expect("writing to a string cannot fail");
        text
    }
}

#[derive(Debug)]
struct Collected {
    exposition: Exposition,
    picture: Arc<Picture>,
}

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let RunInfo { id, version } = &self.exposition.run;
        encoder
            .encode_descriptor("loadgen_run", "which run this is", None, MetricType::Info)?
            .encode_info(&[("run", id.as_str()), ("version", version.as_str())])?;
        for family in self.picture.families() {
            self.encode_family(family, &mut encoder)?;
        }
        Ok(())
    }
}

impl Collected {
    fn encode_family(
        &self,
        family: &Family,
        encoder: &mut DescriptorEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        let metric = family.metric;
        let (name, unit) = name(family.of, metric);
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
        };
        let mut encoder =
            encoder.encode_descriptor(&name, &metric.description(), unit.as_ref(), kind)?;
        for ((scenario, values), value) in &family.series {
            let common = match family.of {
                Of::Scenario => self.exposition.scenarios.get(*scenario),
                Of::Generator => None,
            };
            let (own, tags) = common.map_or((&[][..], &[][..]), |it| it.split_at(2));
            let pair = |(key, value): &'_ (String, String)| (key.clone(), value.clone());
            let labels: Vec<(String, String)> = own
                .iter()
                .map(pair)
                .chain(
                    metric
                        .labels()
                        .map(str::to_owned)
                        .zip(values.iter().cloned()),
                )
                .chain(tags.iter().map(pair))
                .collect();
            let mut encoder = encoder.encode_family(&labels)?;
            match value {
                Value::Count(count) => {
                    encoder.encode_counter::<Vec<(String, String)>, u64, f64>(count, None)?;
                }
                Value::Level(level) => encoder.encode_gauge(&in_base_unit(metric, *level))?,
            }
        }
        Ok(())
    }
}

/// A metric's name without its unit and a counter's `_total`, and that unit.
fn name(of: Of, metric: &Metric) -> (String, Option<Suffix>) {
    let mut words = words(of, metric);
    let unit = match metric.unit {
        Unit::Microseconds => Some(Suffix::Seconds),
        Unit::Bytes => {
            // It comes at the end.
            words.retain(|word| *word != "bytes");
            Some(Suffix::Bytes)
        }
        Unit::Share => Some(Suffix::Other("ratio".to_owned())),
        Unit::IterationsPerSecond | Unit::RequestsPerSecond => {
            words.push("per_second");
            None
        }
        _ => None,
    };
    (words.join("_"), unit)
}

/// A tag's name as that of a label: what a label's may not have becomes `_`, and one that begins
/// with a digit or, as only Prometheus's own may, with two `_`, is put behind `tag_`.
fn label_name(key: &str) -> String {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let cleaned: String = key
        .chars()
        .map(|c| if valid(c) { c } else { '_' })
        .collect();
    let digit = |c: char| c.is_ascii_digit();
    if cleaned.is_empty() || cleaned.starts_with(digit) || cleaned.starts_with("__") {
        format!("tag_{cleaned}")
    } else {
        cleaned
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use test_case::test_case;

    use super::*;
    use crate::sink::metric::{GENERATOR, SCENARIO};

    fn full_name(of: Of, metric: &Metric) -> String {
        let (name, unit) = name(of, metric);
        let unit = unit.map_or_else(String::new, |it| format!("_{}", it.as_str()));
        let total = if metric.kind == Kind::Counter {
            "_total"
        } else {
            ""
        };
        format!("{name}{unit}{total}")
    }

    fn all() -> Vec<(&'static Metric, String)> {
        let scenario = SCENARIO.iter().map(|it| (*it, full_name(Of::Scenario, it)));
        let generator = GENERATOR
            .iter()
            .map(|it| (*it, full_name(Of::Generator, it)));
        scenario.chain(generator).collect()
    }

    #[test]
    fn no_two_metrics_have_one_name() {
        // A counter's family is named without `_total`.
        let families = all().into_iter().map(|(_, it)| it.replace("_total", ""));
        let distinct: BTreeSet<String> = families.collect();
        assert_eq!(distinct.len(), SCENARIO.len() + GENERATOR.len());
    }

    #[test_case("planned" => "loadgen_planned_total")]
    #[test_case("outcomes.<outcome>" => "loadgen_outcomes_total")]
    #[test_case("bytes.sent" => "loadgen_sent_bytes_total")]
    #[test_case("steps.<step>.outcomes.<outcome>" => "loadgen_steps_outcomes_total")]
    #[test_case("steps.<step>.messages_sent" => "loadgen_steps_messages_sent_total")]
    #[test_case("custom.<name>_us.samples" => "loadgen_custom_samples_total")]
    #[test_case("custom.<name>_us.<statistic>" => "loadgen_custom_timings_seconds")]
    #[test_case("throughput_per_s" => "loadgen_throughput_per_second")]
    #[test_case("response_time_us.<statistic>" => "loadgen_response_time_seconds")]
    #[test_case("grpc.streams_in_use" => "loadgen_grpc_streams_in_use")]
    #[test_case("cpu_busy" => "loadgen_generator_cpu_busy_ratio")]
    #[test_case("memory_bytes" => "loadgen_generator_memory_bytes")]
    #[test_case("stall_us" => "loadgen_generator_stall_seconds")]
    fn names(of: &str) -> String {
        let found = all().into_iter().find(|(metric, _)| metric.name == of);
        found.expect("a metric").1
    }

    #[test]
    fn custom_counters_and_gauges_are_two() {
        let custom = all()
            .into_iter()
            .filter(|(it, _)| it.name == "custom.<name>");
        let names: Vec<String> = custom.map(|(_, name)| name).collect();
        assert_eq!(
            names,
            ["loadgen_custom_counters_total", "loadgen_custom_gauges"]
        );
    }

    #[test_case("team" => "team"; "stays")]
    #[test_case("team.name" => "team_name"; "a dot")]
    #[test_case("größe" => "gr__e"; "not ASCII")]
    #[test_case("2nd" => "tag_2nd"; "a digit")]
    #[test_case("__name__" => "tag___name__"; "Prometheus's own")]
    #[test_case("" => "tag_"; "empty")]
    fn label_names(key: &str) -> String {
        label_name(key)
    }

    #[test]
    fn tags_give_way() {
        let given =
            ["step", "a.b", "a-b", "a_b", "tag_step"].map(|it| (it.to_owned(), it.to_owned()));
        let named = tags(&given, "tag_", label_name);
        let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["tag_step", "a_b", "tag_a_b", "tag_tag_a_b", "tag_tag_step"]
        );
    }

    #[test_case("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1" => Format::OpenMetrics; "Prometheus")]
    #[test_case("text/plain, application/openmetrics-text" => Format::OpenMetrics; "not first")]
    #[test_case("*/*" => Format::Text; "anything")]
    #[test_case("" => Format::Text; "nothing")]
    fn formats(accept: &str) -> Format {
        Format::accepted(accept)
    }
}

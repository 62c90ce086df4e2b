//! The document that a page carries: putting it in, and taking it out again.

use std::io::{Read as _, Write as _};

use data_encoding::BASE64;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde_json::Value;

use super::super::document::Document;
use crate::text;

/// A document that is longer is deflated: it is no longer for people to read.
const MOST_PLAIN: usize = 256 << 10;
/// Of one that takes more than this in a page, histograms are left out: nobody could send it.
const MOST_CARRIED: usize = 1_700_000;
/// No document is longer, and nothing that says it is one is read on.
const MOST_INFLATED: u64 = 256 << 20;

/// JSON as it is.
const PLAIN: &str = "application/json";
/// JSON, deflated (zlib) and in base64.
const DEFLATED: &str = "application/octet-stream";

/// What is left out first of a document that is too large: no page shows it.
const WITHOUT_STEPS: &str = "without its steps over time";
/// What is left out then: the parts of scenarios whose histograms go, which are known in figures all the same.
const LEAVE_OUT: [(&str, &[&str]); 2] = [
    (
        "without its steps over time and the histograms of its points",
        &["series"],
    ),
    (
        "without its steps over time and the histograms of points, steps and backends",
        &["steps", "backends"],
    ),
];
/// What is left of one that is too large even then.
const WITHOUT_SERVERS: &str = "without its steps over time, the histograms of points, steps and backends, and who \
                               answered when";

/// A document as it stands in a page.
pub(super) struct Carried {
    pub(super) media_type: &'static str,
    pub(super) text: String,
    /// How much of it that is, in words.
    pub(super) extent: &'static str,
}

impl Carried {
    pub(super) fn of(document: &Document) -> Self {
        // Fails only for maps whose keys are not text.
        let mut json = serde_json::to_value(document).unwrap_or_default();
        // Nobody looks at a shard's record, and it is as large as all the rest.
        if let Some(shard) = json
            .pointer_mut("/run/shard")
            .and_then(Value::as_object_mut)
        {
            shard.remove("record");
        }
        Self::fitting(json)
    }

    /// As much of a document as a page can carry.
    fn fitting(mut json: Value) -> Self {
        let mut carried = Self::with(&json, "whole");
        if carried.text.len() > MOST_CARRIED {
            drop_steps_over_time(&mut json);
            carried = Self::with(&json, WITHOUT_STEPS);
        }
        for (extent, parts) in LEAVE_OUT {
            if carried.text.len() > MOST_CARRIED {
                for scenario in json["scenarios"].as_array_mut().into_iter().flatten() {
                    let parts = parts.iter();
                    parts.for_each(|it| scenario.get_mut(it).into_iter().for_each(drop_histograms));
                }
                carried = Self::with(&json, extent);
            }
        }
        if carried.text.len() > MOST_CARRIED {
            for scenario in json["scenarios"].as_array_mut().into_iter().flatten() {
                drop_servers_over_time(scenario);
            }
            carried = Self::with(&json, WITHOUT_SERVERS);
        }
        carried
    }

    fn with(document: &Value, extent: &'static str) -> Self {
        let json = guarded(&document.to_string());
        let (media_type, text) = match json.len() <= MOST_PLAIN {
            true => (PLAIN, json),
            false => (DEFLATED, deflated(&json)),
        };
        Self {
            media_type,
            text,
            extent,
        }
    }
}

/// Takes every histogram out of a part of a document.
fn drop_histograms(part: &mut Value) {
    match part {
        Value::Object(fields) => {
            fields.remove("histogram");
            fields.values_mut().for_each(drop_histograms);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_histograms),
        _ => {}
    }
}

/// Takes out of a document how its steps went over time.
fn drop_steps_over_time(document: &mut Value) {
    let scenarios = document["scenarios"].as_array_mut().into_iter().flatten();
    let steps = scenarios.filter_map(|it| it.get_mut("steps")?.as_array_mut());
    for step in steps.flatten().filter_map(Value::as_object_mut) {
        step.remove("series");
    }
}

/// Takes out of a scenario what each server answered at which time. The sums of the run stay.
fn drop_servers_over_time(scenario: &mut Value) {
    let Some(scenario) = scenario.as_object_mut() else {
        return;
    };
    scenario.remove("timeline");
    let points = scenario.get_mut("series").and_then(Value::as_array_mut);
    for point in points.into_iter().flatten() {
        if let Some(fields) = point.as_object_mut() {
            fields.remove("backends");
        }
    }
}

/// JSON in which nothing ends the element that it stands in, and nothing hidden stands as it is. Both are
/// within strings only, where each can be written as an escape that means the same.
fn guarded(json: &str) -> String {
    let mut guarded = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '<' || text::is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                guarded.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            guarded.push(c);
        }
    }
    guarded
}

fn deflated(text: &str) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(text.as_bytes())
        .expect("memory takes everything");
    BASE64.encode(&encoder.finish().expect("memory takes everything"))
}

/// The text that was deflated; nothing where it is none, or longer than a document can be.
pub(super) fn inflated(text: &str) -> Option<String> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    let mut inflated = String::new();
    let mut decoder = ZlibDecoder::new(&*bytes).take(MOST_INFLATED);
    decoder.read_to_string(&mut inflated).ok()?;
    Some(inflated)
}

/// The JSON of the document that a page carries; nothing where the text is no such page, or was cut off.
#[must_use]
pub fn embedded(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(r#"" id="loadgen-result">"#)?;
    let (_, media_type) = before.rsplit_once(r#"<script type=""#)?;
    let (carried, _) = rest.split_once("</script>")?;
    match media_type {
        PLAIN => Some(carried.to_owned()),
        DEFLATED => inflated(carried),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Something that does not get smaller, as what was deflated.
    fn histogram(random: &mut fastrand::Rng, length: usize) -> Value {
        (0..length)
            .map(|_| random.alphanumeric())
            .collect::<String>()
            .into()
    }

    /// What is carried of a document whose points and whose steps have histograms as long as this.
    fn carried(points: usize, steps: usize) -> (&'static str, Value) {
        let mut random = fastrand::Rng::with_seed(3);
        let mut list = |length: usize| -> Value {
            (0..600)
                .map(|_| json!({"response_time_us": {"max": 3.5, "histogram": histogram(&mut random, length)}}))
                .collect()
        };
        let json = json!({"scenarios": [{
            "series": list(points), "steps": list(steps), "response_time_us": {"histogram": "whole"},
        }]});
        let carried = Carried::fitting(json);
        assert!(carried.text.len() <= MOST_CARRIED);
        let json = match carried.media_type {
            PLAIN => carried.text,
            _ => inflated(&carried.text).unwrap(),
        };
        let mut json: Value = serde_json::from_str(&json).unwrap();
        let scenario = json["scenarios"][0].take();
        assert_eq!(scenario["response_time_us"]["histogram"], "whole");
        assert_eq!(scenario["series"][599]["response_time_us"]["max"], 3.5);
        (carried.extent, scenario)
    }

    #[test]
    fn steps_over_time_are_left_out_first() {
        let mut random = fastrand::Rng::with_seed(4);
        let series = json!([{"completed": 1, "of": histogram(&mut random, 3_000_000)}]);
        let points = json!([{"response_time_us": {"histogram": "kept"}}]);
        let step = json!({"name": "hello", "series": series});
        let carried = Carried::fitting(json!({"scenarios": [{"series": points, "steps": [step]}]}));
        assert_eq!(carried.extent, WITHOUT_STEPS);
        let json: Value = serde_json::from_str(&carried.text).unwrap();
        let scenario = json!({"series": points, "steps": [{"name": "hello"}]});
        assert_eq!(json, json!({"scenarios": [scenario]}));
    }

    #[test]
    fn who_answered_when_is_left_out_last() {
        let mut random = fastrand::Rng::with_seed(5);
        let moments: Vec<Value> = (0..200)
            .map(|_| json!({"backends": {"b1": histogram(&mut random, 6_000)}}))
            .collect();
        let json =
            json!({"scenarios": [{"series": moments, "timeline": moments, "backends": ["b1"]}]});
        let carried = Carried::fitting(json);
        assert_eq!(carried.extent, WITHOUT_SERVERS);
        assert_eq!(carried.media_type, PLAIN);
        let json: Value = serde_json::from_str(&carried.text).unwrap();
        let scenario = &json["scenarios"][0];
        assert_eq!(scenario["series"].as_array().map(Vec::len), Some(200));
        assert_eq!(scenario["series"][0], json!({}));
        assert_eq!(scenario.get("timeline"), None);
        assert_eq!(scenario["backends"], json!(["b1"]));
    }

    #[test]
    fn histograms_are_left_out_as_far_as_they_do_not_fit() {
        let has = |part: &Value| part[0]["response_time_us"].get("histogram").is_some();
        for (points, steps, is_whole, has_points, has_steps) in [
            (400, 400, true, true, true),
            (4_000, 400, false, false, true),
            (4_000, 4_000, false, false, false),
        ] {
            let (extent, scenario) = carried(points, steps);
            assert_eq!(extent == "whole", is_whole, "{extent}");
            assert_eq!(has(&scenario["series"]), has_points, "{points}");
            assert_eq!(has(&scenario["steps"]), has_steps, "{steps}");
        }
    }
}

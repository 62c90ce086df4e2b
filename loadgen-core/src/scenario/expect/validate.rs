//! What is expected, where it fits together and the scenario has what it is about.

use std::collections::BTreeMap;

use super::raw::{
    RawDistribution, RawEjection, RawExpect, RawShares, RawSticky, RawStickyWord, RawUnit,
};
use super::value::{LimitText, Pattern, ShareWeight};
use crate::condition::{Threshold, ThresholdError};
use crate::expectation::{Bound, Distribution, Ejected, Expectations, Glob, Limit, Route, Sticky};
use crate::nearest::did_you_mean;
use crate::record::Unit;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entries, Entry, List};

impl Layers<'_> {
    /// What is expected; `None` where something is wrong with it. `known` are the names of the servers that the
    /// run starts, where it starts any and they go by these.
    pub(in crate::scenario) fn expect(
        &self,
        tags: Option<&BTreeMap<String, String>>,
        known: Option<&[String]>,
    ) -> Option<Expectations> {
        let picked = self.pick("expect", |raw| &raw.expect);
        let raw: &RawExpect = match picked.entry {
            Entry::Absent => return Some(Expectations::default()),
            entry => entry.given()?,
        };
        let within = Within {
            path: picked.path,
            problems: self.problems,
        };
        if *raw == RawExpect::default() {
            // What it has instead has been named already.
            if !self.problems.any_below(&within.path) {
                within.refuse("", "an empty object", "at least one expectation", None);
            }
            return None;
        }
        let distribution = raw
            .distribution
            .or(Some(None), |it| within.distribution(it).map(Some));
        let tags = tags.and_then(|it| self.values_of(it));
        let routes = raw
            .route
            .or(Some(Vec::new()), |it| within.routes(it, tags.as_ref()));
        let known = known.filter(|it| !it.is_empty());
        if let (Some(known), Some(Some(Some(distribution)))) = (known, &distribution) {
            let path = format!("{}.distribution.weights", within.path);
            let named = distribution.weights.iter();
            let unknown = named.filter(|(name, _)| !self.knows(name, known, &path));
            // All of them, so that each is told of.
            if unknown.count() > 0 {
                return None;
            }
        }
        let sticky = raw.sticky.or(Some(None), |it| stuck(it).map(Some));
        // By itself it is for what others say.
        let is_asked = !raw.drain.is_absent() || self.has_failover_thresholds();
        let (failover, ok_within) = match &raw.failover {
            Entry::Given(failover) => {
                let may_be_none = is_asked && !failover.ok_within.is_absent();
                (
                    within.limits(".failover", failover.limits(), may_be_none),
                    failover.ok_within.or(None, |span| Some(span.0)),
                )
            }
            Entry::Absent => (Some(Vec::new()), Some(None)),
            Entry::Broken => (None, None),
        };
        let drain = raw.drain.or(Some(Vec::new()), |it| {
            within.limits(".drain", it.limits(), false)
        });
        if let Some(None) = ok_within {
            let all = [(".failover", &failover), (".drain", &drain.clone()?)];
            let of_slow = |(below, bounds): (&'static str, &Option<Vec<Bound>>)| {
                let mut bounds = bounds.iter().flatten();
                let is_any = bounds.any(|it| it.threshold().is_about_slow());
                is_any.then_some(below)
            };
            let of_slow: Vec<&str> = all.into_iter().filter_map(of_slow).collect();
            for below in &of_slow {
                let below = format!("{below}.slow");
                let expected = "`failover.ok_within`, which says how long a request may take";
                within.refuse(&below, "nothing that says what is slow", expected, None);
            }
            if !of_slow.is_empty() {
                return None;
            }
        }
        Some(Expectations {
            distribution: distribution??,
            routes: routes??,
            sticky: sticky??,
            failover: failover?,
            drain: drain??,
            ok_within: ok_within?,
            slow_start: raw
                .slow_start
                .or(None, |it| it.over.given().map(|it| it.0))?,
            ejection: raw
                .ejection
                .or(Some(Ejected::default()), |it| within.ejection(it))??,
        })
    }

    /// The values that its tags have, those included of the scenarios that it is written for; `None` where
    /// something is wrong with these, which is told of elsewhere.
    fn values_of(&self, tags: &BTreeMap<String, String>) -> Option<TagValues> {
        let own = tags
            .iter()
            .map(|(key, value)| (key.clone(), vec![value.clone()]));
        let mut all: TagValues = own.collect();
        let each = match self.pick("for_each", |raw| &raw.for_each).entry {
            Entry::Absent => return Some(all),
            entry => entry.given()?,
        };
        for (name, values) in &each.0 {
            let values = values.given()?.all(|it| it.0.clone())?;
            all.entry(name.clone()).or_default().extend(values);
        }
        Some(all)
    }

    /// Whether something says how long a request may take, or would if it were right.
    pub(in crate::scenario) fn has_ok_within(&self) -> bool {
        let picked = self.pick("expect", |raw| &raw.expect);
        let raw: &RawExpect = match picked.entry {
            Entry::Given(raw) => raw,
            Entry::Absent => return false,
            Entry::Broken => return true,
        };
        match &raw.failover {
            Entry::Given(failover) => !failover.ok_within.is_absent(),
            Entry::Absent => false,
            Entry::Broken => true,
        }
    }

    /// Whether a threshold is about what became of the load when a server went away.
    fn has_failover_thresholds(&self) -> bool {
        let picked = self.pick("thresholds", |raw| &raw.thresholds);
        let entry: &Entry<List<Threshold>> = picked.entry;
        let mut given = entry.given().into_iter().flat_map(|it| it.given());
        given.any(|(_, it)| it.is_about_failover())
    }
}

fn stuck(raw: &RawSticky) -> Option<Sticky> {
    Some(match raw {
        RawSticky::Word(RawStickyWord::Connection) => Sticky::Connection,
        RawSticky::Word(RawStickyWord::User) => Sticky::User,
        RawSticky::Word(RawStickyWord::Source) => Sticky::Source,
        RawSticky::Key(key) => Sticky::Key(key.key.given()?.0.clone()),
    })
}

/// By the key of a tag, what it may be.
type TagValues = BTreeMap<String, Vec<String>>;

/// The place of what is expected.
struct Within<'a> {
    path: String,
    problems: &'a Problems,
}

impl Within<'_> {
    fn refuse(&self, below: &str, found: &str, expected: &str, help: Option<String>) {
        let path = format!("{}{below}", self.path);
        self.problems.add(path, found, expected, help);
    }

    fn distribution(&self, raw: &RawDistribution) -> Option<Distribution> {
        let shares: &RawShares = match raw {
            RawDistribution::Text(even) => return Some(even.0.clone()),
            RawDistribution::Shares(shares) => shares,
        };
        let weights = shares.weights.or(Some(Vec::new()), |it| self.weights(it));
        let per = shares.per.or(None, |unit| {
            Some(match unit {
                RawUnit::Request => Unit::Request,
                RawUnit::Stream => Unit::Stream,
                RawUnit::Connection => Unit::Connection,
            })
        });
        let weights = weights??;
        let distribution = Distribution {
            weights,
            per: per?,
            ..Distribution::even(shares.within.given()?.0)
        };
        let whole: f64 = distribution.weights.iter().map(|(_, weight)| weight).sum();
        let wanted = distribution
            .weights
            .iter()
            .filter(|(_, weight)| *weight > 0.0);
        let least = wanted.min_by(|(_, one), (_, other)| one.total_cmp(other));
        match least.filter(|(_, weight)| distribution.within >= weight / whole) {
            None => Some(distribution),
            Some((name, weight)) => {
                let share = crate::units::human::percent(weight / whole);
                self.refuse(
                    ".distribution.within",
                    "as much as a server's share or more",
                    &format!("less than the {share} of `{name}`"),
                    Some("it could get nothing at all".to_owned()),
                );
                None
            }
        }
    }

    fn weights(&self, raw: &Entries<ShareWeight>) -> Option<Vec<(String, f64)>> {
        let weights = raw.0.iter();
        let weights = weights.map(|(name, weight)| Some((name.as_str(), *weight.given()?)));
        let weights: Vec<(&str, ShareWeight)> = weights.collect::<Option<_>>()?;
        let refuse = |found: &str, expected: &str, help: Option<String>| {
            self.refuse(".distribution.weights", found, expected, help);
            None
        };
        let is_percent = |it: &ShareWeight| matches!(it, ShareWeight::Percent(_));
        let percents = weights.iter().filter(|(_, it)| is_percent(it)).count();
        if percents > 0 && percents < weights.len() {
            return refuse("numbers beside percentages", "one or the other", None);
        }
        let plain = weights.iter().map(|(name, weight)| {
            let (ShareWeight::Parts(weight) | ShareWeight::Percent(weight)) = weight;
            ((*name).to_owned(), *weight)
        });
        let plain: Vec<(String, f64)> = plain.collect();
        let whole: f64 = plain.iter().map(|(_, weight)| weight).sum();
        if whole <= 0.0 {
            return refuse("nothing for anybody", "a weight above 0", None);
        }
        // A third is written as 33.3 or so.
        if percents > 0 && (whole - 100.0).abs() > 0.5 {
            let found = format!("{}% in all", (whole * 1e6).round() / 1e6);
            let help = "numbers without `%` are in proportion to each other".to_owned();
            return refuse(&found, "percentages that add up to 100%", Some(help));
        }
        Some(plain)
    }

    fn routes(
        &self,
        raw: &Entries<Entries<Pattern>>,
        tags: Option<&TagValues>,
    ) -> Option<Vec<Route>> {
        let routes = raw.0.iter().map(|(tag, table)| {
            let route = self.route(tag, table.given()?)?;
            self.fits(&route, tags?).then_some(route)
        });
        // All of them, so that each is told of.
        let routes: Vec<Option<Route>> = routes.collect();
        if routes.is_empty() {
            self.refuse(".route", "an empty object", "the key of a tag", None);
            return None;
        }
        routes.into_iter().collect()
    }

    fn route(&self, tag: &str, raw: &Entries<Pattern>) -> Option<Route> {
        let below = format!(".route{}", crate::scenario::join(".route", tag));
        let mut table: Vec<(Glob, Glob)> = Vec::new();
        let mut fits = true;
        for (values, servers) in &raw.0 {
            let Ok(glob) = values.parse::<Glob>() else {
                let expected = "a pattern of 1 to 200 characters such as \"v1.*\"";
                self.refuse(&below, &format!("the pattern {values:?}"), expected, None);
                fits = false;
                continue;
            };
            if let Some((other, _)) = table.iter().find(|(it, _)| it.overlaps(&glob)) {
                self.refuse(
                    &below,
                    &format!("`{other}` and `{glob}`, which can match the same"),
                    "patterns of which only one matches a value",
                    None,
                );
                fits = false;
            }
            match servers.given() {
                Some(servers) => table.push((glob, servers.0.clone())),
                None => fits = false,
            }
        }
        if raw.0.is_empty() {
            let expected = "patterns of the tag's values, such as {\"v1.*\": \"v1*\"}";
            self.refuse(&below, "an empty object", expected, None);
        }
        (fits && !table.is_empty()).then(|| Route::new(tag, table))
    }

    /// Whether something is said of this scenario.
    fn fits(&self, route: &Route, tags: &TagValues) -> bool {
        let below = format!(".route{}", crate::scenario::join(".route", &route.tag));
        let Some(values) = tags.get(&route.tag) else {
            let known = tags.keys().map(String::as_str);
            let help = did_you_mean(&route.tag, known.clone()).unwrap_or_else(|| {
                match known.collect::<Vec<_>>().as_slice() {
                    [] => "the scenario has no tags".to_owned(),
                    known => format!("the tags are {}", known.join(", ")),
                }
            });
            self.refuse(
                &below,
                &format!("the unknown tag `{}`", route.tag),
                "the key of a tag of the scenario",
                Some(help),
            );
            return false;
        };
        if let Some(value) = values.iter().find(|it| route.servers(it).is_none()) {
            let found = format!("nothing for `{value}`, which the scenario has");
            self.refuse(&below, &found, "a pattern for each value", None);
            return false;
        }
        true
    }

    fn ejection(&self, raw: &RawEjection) -> Option<Ejected> {
        type Read = fn(&str) -> Result<Limit, ThresholdError>;
        let read = |name: &str, entry: &Entry<LimitText>, read: Read, example: &str| {
            let text = match entry {
                Entry::Absent => return Some(None),
                entry => &entry.given()?.0,
            };
            let limit = read(text).map_err(|error| {
                let path = format!("{}.ejection.{name}", self.path);
                let help = format!("a limit is written as \"{example}\"");
                self.problems
                    .add(path, format!("{text:?}"), error.expected(), Some(help));
            });
            limit.ok().map(Some)
        };
        // All of them, so that each is told of.
        let bad = read("bad", &raw.bad, Limit::count, "<= 20");
        let out = read("out", &raw.out, Limit::time, "< 40s");
        let healthy = read("healthy", &raw.healthy, Limit::count, "== 0");
        let ejected = Ejected {
            bad: bad?,
            out: out?,
            healthy: healthy?,
        };
        if ejected.is_empty() {
            if !self.problems.any_below(&format!("{}.ejection", self.path)) {
                let expected = "a limit such as {\"healthy\": \"== 0\"}";
                self.refuse(".ejection", "no limit", expected, None);
            }
            return None;
        }
        Some(ejected)
    }

    fn limits(
        &self,
        below: &str,
        limits: Vec<(&'static str, &Entry<LimitText>)>,
        may_be_none: bool,
    ) -> Option<Vec<Bound>> {
        let mut bounds = Some(Vec::new());
        let mut is_any = may_be_none;
        for (figure, limit) in limits {
            is_any |= !limit.is_absent();
            let limit = match limit {
                Entry::Absent => continue,
                Entry::Broken => {
                    bounds = None;
                    continue;
                }
                Entry::Given(limit) => limit,
            };
            match format!("{figure} {}", limit.0).parse::<Bound>() {
                Ok(bound) => {
                    if let Some(bounds) = &mut bounds {
                        bounds.push(bound);
                    }
                }
                Err(error) => {
                    let path = format!("{}{below}.{figure}", self.path);
                    let found = format!("{:?}", limit.0);
                    let help = format!("a limit is written as \"{}\"", example(figure));
                    self.problems.add(path, found, error.expected(), Some(help));
                    bounds = None;
                }
            }
        }
        if !is_any && !self.problems.any_below(&format!("{}{below}", self.path)) {
            let expected = "a limit such as {\"lost\": \"<= 200\"}";
            self.refuse(below, "no limit", expected, None);
            return None;
        }
        bounds
    }
}

/// How a limit of this figure looks.
fn example(figure: &str) -> &'static str {
    match figure {
        "lost" | "slow" | "relapses" | "finished" | "refused" | "sent_again" | "broken"
        | "reconnects" => "<= 200",
        _ => "< 1s",
    }
}

//! What is expected as it is written.

use super::raw::{
    GrowingSpan, RawDistribution, RawDrain, RawEjection, RawExpect, RawFailover, RawShares,
    RawSlowStart, RawSticky, RawStickyKey, RawStickyWord, RawUnit,
};
use super::value::{EvenText, KeyTemplate, LimitText, Pattern, Share, ShareWeight};
use crate::expectation::{Bound, Distribution, Ejected, Expectations, Limit, Route, Sticky};
use crate::record::Unit;
use crate::scenario::reader::{Entries, Entry};
use crate::scenario::value::PositiveSpan;

/// What is expected; nothing where nothing is.
pub(in crate::scenario) fn print(expectations: &Expectations) -> Entry<RawExpect> {
    if *expectations == Expectations::default() {
        return Entry::Absent;
    }
    let Expectations {
        distribution,
        routes,
        sticky,
        failover,
        drain,
        ok_within,
        slow_start,
        ejection,
    } = expectations;
    let route = |route: &Route| {
        let table = route.table.iter();
        let table = table
            .map(|(values, servers)| (values.to_string(), Entry::Given(Pattern(servers.clone()))));
        (route.tag.clone(), Entry::Given(Entries(table.collect())))
    };
    let mut raw_failover = RawFailover {
        ok_within: Entry::from_option(ok_within.map(PositiveSpan)),
        ..RawFailover::default()
    };
    let mut raw_drain = RawDrain::default();
    for bound in failover {
        put(raw_failover.limit_mut(bound.figure()), bound);
    }
    for bound in drain {
        put(raw_drain.limit_mut(bound.figure()), bound);
    }
    Entry::Given(RawExpect {
        distribution: Entry::from_option(distribution.as_ref().map(printed)),
        route: match routes.is_empty() {
            true => Entry::Absent,
            false => Entry::Given(Entries(routes.iter().map(route).collect())),
        },
        sticky: Entry::from_option(sticky.as_ref().map(stuck)),
        failover: match raw_failover == RawFailover::default() {
            true => Entry::Absent,
            false => Entry::Given(raw_failover),
        },
        drain: match drain.is_empty() {
            true => Entry::Absent,
            false => Entry::Given(raw_drain),
        },
        slow_start: Entry::from_option(slow_start.map(|over| RawSlowStart {
            over: Entry::Given(GrowingSpan(over)),
        })),
        ejection: match ejection.is_empty() {
            true => Entry::Absent,
            false => Entry::Given(ejected(ejection)),
        },
    })
}

fn ejected(ejection: &Ejected) -> RawEjection {
    let limit = |it: &Option<Limit>| {
        let text = it.as_ref().map(|it| LimitText(it.to_string()));
        Entry::from_option(text)
    };
    RawEjection {
        bad: limit(&ejection.bad),
        out: limit(&ejection.out),
        healthy: limit(&ejection.healthy),
    }
}

fn stuck(sticky: &Sticky) -> RawSticky {
    RawSticky::Word(match sticky {
        Sticky::Connection => RawStickyWord::Connection,
        Sticky::User => RawStickyWord::User,
        Sticky::Source => RawStickyWord::Source,
        Sticky::Key(key) => {
            let key = Entry::Given(KeyTemplate(key.clone()));
            return RawSticky::Key(RawStickyKey { key });
        }
    })
}

fn put(place: Option<&mut Entry<LimitText>>, bound: &Bound) {
    if let Some(place) = place.filter(|it| it.is_absent()) {
        *place = Entry::Given(LimitText(bound.limit().to_owned()));
    }
}

fn printed(distribution: &Distribution) -> RawDistribution {
    if distribution.weights.is_empty() {
        return RawDistribution::Text(EvenText(distribution.clone()));
    }
    RawDistribution::Shares(RawShares {
        weights: Entries::of(&distribution.weights, ShareWeight::Parts),
        within: Entry::Given(Share(distribution.within)),
        per: Entry::from_option(distribution.per.map(|unit| match unit {
            Unit::Request => RawUnit::Request,
            Unit::Stream => RawUnit::Stream,
            Unit::Connection => RawUnit::Connection,
        })),
    })
}

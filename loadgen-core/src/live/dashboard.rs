//! Whoever makes of what was recorded what the page is told.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::extent::Extent;
use super::follower::Recorded;
use super::message::{self, Fields, Message, Over, Phase};
use super::search::Search;
use super::series::Series;
use serde_json::value::RawValue;

use crate::clock::nanos;
use crate::process::thread_time;
use crate::record::{RunRecord, ScenarioRecord};
use crate::report::page::{self, ChapterPart, Parts, Writer};
use crate::report::{self, Context, Document, Progress};
use crate::scenario::ScenarioPlan;

/// Makes the messages of one run, of JSON. It is used on one thread, which makes no load: the processor time that it
/// takes to make them while the run is under way counts as spent on the page.
#[derive(Debug)]
pub struct Dashboard {
    writer: Writer,
    extent: Extent,
    context: Context,
    spent: Arc<AtomicU64>,
    /// Of each scenario.
    series: Vec<Series>,
    fields: Vec<Fields>,
    /// What was run: it does not change, and is written once.
    plan: Option<ChapterPart>,
    phase: Phase,
    /// How all shards of the run do.
    of_all: Option<String>,
    parts: Parts,
    /// The search that the run is a trial of.
    search: Option<Search>,
    /// What its charts are drawn from.
    known: Option<Box<RawValue>>,
    /// What the page has of the last trial that there are figures of.
    of_trial: Vec<ChapterPart>,
    /// Whether the figures are those of a trial before.
    is_of_before: bool,
    over: Option<Over>,
}

impl Dashboard {
    pub(super) fn new(scenarios: &[ScenarioPlan], context: Context, spent: Arc<AtomicU64>) -> Self {
        let writer = Writer::new();
        let extent = Extent::of(scenarios);
        Self {
            parts: page::parts_before(&writer, &extent.before()),
            writer,
            extent,
            context,
            spent,
            series: Vec::new(),
            fields: Vec::new(),
            plan: None,
            phase: Phase::Connecting,
            of_all: None,
            search: None,
            known: None,
            of_trial: Vec::new(),
            is_of_before: false,
            over: None,
        }
    }

    /// The load has begun; there are no figures of it yet.
    pub fn begin(&mut self) {
        self.phase = Phase::Running;
        self.parts = page::parts_before(&self.writer, &self.extent.begun());
    }

    /// The run is a trial of this search. Where there was one `before` it, what the page has of that stays until there are
    /// figures of this one.
    #[must_use]
    pub fn of_trial(mut self, search: Search, before: Option<Self>) -> Self {
        if let Some(before) = before {
            self.series = before.series;
            self.fields = before.fields;
            self.of_trial = before.of_trial;
            self.is_of_before = true;
        }
        self.phase = Phase::Running;
        self.put_known(search);
        self
    }

    /// Something else is known of the search, or is being done. Gives the message of what has changed.
    pub fn knows(&mut self, search: Search) -> String {
        let began = thread_time();
        let parts = self.parts.clone();
        self.put_known(search);
        let from: Vec<usize> = self.series.iter().map(Series::len).collect();
        let change = self.message(Some(&parts), &self.fields, &from, true);
        self.spend_since(began);
        change
    }

    fn put_known(&mut self, search: Search) {
        self.known = Some(message::written(&search.known));
        self.parts = self.parts_of(&search);
        self.search = Some(search);
    }

    /// How all shards of the run do, of which the page is one's: a line that it has above its own figures from the next
    /// [`Self::advance`] on, as long as the run is under way.
    pub fn tells_of_all(&mut self, line: Option<String>) {
        self.of_all = line;
    }

    /// Takes what was recorded. Gives the message of what has changed since the last one that was given, for whoever
    /// has that. `is_paused` says whether somebody has paused the whole run.
    pub fn advance(&mut self, recorded: Recorded, is_paused: bool) -> String {
        let began = thread_time();
        let at = recorded.at;
        if mem::take(&mut self.is_of_before) {
            self.series.clear();
        }
        let (mut record, from) = self.record(recorded);
        let mut document = report::build_so_far(&record, self.context.clone(), &from);
        let progress = self.extent.progress(at, &record, is_paused);
        let scenarios = document.scenarios.iter_mut().zip(&mut record.scenarios);
        for (((scenario, record), series), from) in scenarios.zip(&mut self.series).zip(&from) {
            series.recorded = mem::take(&mut record.series);
            series.lend(&mut scenario.series, *from);
        }
        let parts = match self.search.take() {
            None => self.parts_so_far(&document, progress),
            Some(mut search) => {
                search.goes_on(at);
                let parts = self.parts_of_trial(&document, &search);
                self.search = Some(search);
                parts
            }
        };
        let parts = mem::replace(&mut self.parts, parts);
        for (scenario, series) in document.scenarios.iter_mut().zip(&mut self.series) {
            series.take_back(&mut scenario.series);
        }
        let fields = document.scenarios.iter().map(message::fields).collect();
        let fields = mem::replace(&mut self.fields, fields);
        self.phase = Phase::Running;
        let change = self.message(Some(&parts), &fields, &from, false);
        self.spend_since(began);
        change
    }

    /// The message of all there is, for whoever has nothing.
    #[must_use]
    pub fn whole(&self) -> String {
        let began = thread_time();
        let whole = self.message(None, &[], &[], true);
        self.spend_since(began);
        whole
    }

    /// The run is over: from now on the page is the report.
    pub fn conclude(&mut self, document: &Document) {
        self.phase = Phase::Over;
        self.parts = page::parts(&self.writer, document);
        self.over = Some(Over::of(document));
        self.forget_figures();
    }

    /// There is no result: says why. Where there is one already, that stands.
    pub fn fail(&mut self, why: &str) {
        if self.over.is_some() {
            return;
        }
        self.phase = Phase::Failed;
        self.parts = page::parts_before(&self.writer, &self.extent.failed(why));
        self.forget_figures();
    }

    fn forget_figures(&mut self) {
        self.search = None;
        self.known = None;
        self.of_trial.clear();
        self.series.clear();
        self.fields.clear();
    }

    /// The record of all that there is, and of each scenario the place in its series from which on that is new.
    fn record(&mut self, recorded: Recorded) -> (RunRecord, Vec<usize>) {
        self.series
            .resize_with(recorded.scenarios.len(), Series::default);
        let scenarios = recorded.scenarios.into_iter().zip(&mut self.series);
        let (scenarios, from): (Vec<ScenarioRecord>, Vec<usize>) = scenarios
            .map(|(of, series)| {
                let mut record = of.record;
                let from = of.series.add_to(&mut series.recorded).unwrap_or(0);
                record.series = mem::take(&mut series.recorded);
                record.elapsed = of.elapsed;
                record.happened(of.events);
                (record, from)
            })
            .unzip();
        let (began, elapsed) = (recorded.started_at, recorded.elapsed);
        let mut record = RunRecord::new(began, elapsed, scenarios, recorded.generator);
        record.tags = recorded.tags;
        record.stopped = recorded.stopped;
        record.early_end = recorded.early_end;
        (record, from)
    }

    fn parts_so_far(&mut self, document: &Document, progress: Progress) -> Parts {
        let progress = Progress {
            whole: self.of_all.clone(),
            ..progress
        };
        let mut parts = page::parts_so_far(&self.writer, document, &progress);
        self.put_plan(&mut parts.chapters, document);
        parts
    }

    fn parts_of_trial(&mut self, document: &Document, search: &Search) -> Parts {
        let mut chapters = page::trial_parts(&self.writer, document, &search.called());
        self.put_plan(&mut chapters, document);
        self.of_trial = chapters;
        self.parts_of(search)
    }

    /// The plan, where the report has it.
    fn put_plan(&mut self, chapters: &mut Vec<ChapterPart>, document: &Document) {
        let writer = &self.writer;
        let plan = self
            .plan
            .get_or_insert_with(|| page::plan_part(writer, document));
        let last = chapters.len().saturating_sub(1);
        chapters.insert(last, plan.clone());
    }

    /// What the page has of a search, and of the last of its trials that there are figures of.
    fn parts_of(&self, search: &Search) -> Parts {
        let progress = search.progress(self.extent.name());
        let mut parts = page::parts_of_search(&self.writer, &progress, &search.known, search.now());
        parts.chapters.extend(self.of_trial.iter().cloned());
        parts
    }

    /// What is others than it was before, the points of each series from a place on, and what is known of a search where
    /// that `is_news`.
    fn message(
        &self,
        parts: Option<&Parts>,
        fields: &[Fields],
        from: &[usize],
        is_news: bool,
    ) -> String {
        let is_old_header = parts.is_some_and(|it| it.header == self.parts.header);
        let scenarios = self.series.iter().zip(&self.fields).enumerate();
        let scenarios = scenarios.map(|(place, (series, now))| {
            let from = from.get(place).copied().unwrap_or_default();
            message::drawn(now, fields.get(place), from, series.written_from(from))
        });
        let message = Message {
            phase: self.phase,
            run: &self.context.run_id,
            title: &self.parts.title,
            header: (!is_old_header).then_some(&*self.parts.header),
            chapters: message::chapters(&self.parts, parts),
            scenarios: scenarios.collect(),
            capacity: self.known.as_deref().filter(|_| is_news),
            over: self.over.as_ref(),
        };
        message.to_json()
    }

    /// Has the follower know what it took since the thread had used so much. What else the thread does, like
    /// answering whoever asks over the network, is not of it: others could have figures come late by asking.
    fn spend_since(&self, began: Duration) {
        let spent = nanos(thread_time().saturating_sub(began));
        self.spent.fetch_add(spent, Ordering::Relaxed);
    }
}

//! Whoever makes of what was recorded what the page is told.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::extent::Extent;
use super::follower::Recorded;
use super::message::{self, Fields, Message, Over, Phase};
use super::series::Series;
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
            over: None,
        }
    }

    /// The load has begun; there are no figures of it yet.
    pub fn begin(&mut self) {
        self.phase = Phase::Running;
        self.parts = page::parts_before(&self.writer, &self.extent.begun());
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
        let (mut record, from) = self.record(recorded);
        let mut document = report::build_so_far(&record, self.context.clone(), &from);
        let progress = Progress {
            whole: self.of_all.clone(),
            ..self.extent.progress(at, &record, is_paused)
        };
        let scenarios = document.scenarios.iter_mut().zip(&mut record.scenarios);
        for (((scenario, record), series), from) in scenarios.zip(&mut self.series).zip(&from) {
            series.recorded = mem::take(&mut record.series);
            series.lend(&mut scenario.series, *from);
        }
        let parts = self.parts_so_far(&document, &progress);
        let parts = mem::replace(&mut self.parts, parts);
        for (scenario, series) in document.scenarios.iter_mut().zip(&mut self.series) {
            series.take_back(&mut scenario.series);
        }
        let fields = document.scenarios.iter().map(message::fields).collect();
        let fields = mem::replace(&mut self.fields, fields);
        self.phase = Phase::Running;
        let change = self.message(Some(&parts), &fields, &from);
        self.spend_since(began);
        change
    }

    /// The message of all there is, for whoever has nothing.
    #[must_use]
    pub fn whole(&self) -> String {
        let began = thread_time();
        let whole = self.message(None, &[], &[]);
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

    fn parts_so_far(&mut self, document: &Document, progress: &Progress) -> Parts {
        let writer = &self.writer;
        let mut parts = page::parts_so_far(writer, document, progress);
        let plan = self
            .plan
            .get_or_insert_with(|| page::plan_part(writer, document));
        // Where the report has it.
        let last = parts.chapters.len().saturating_sub(1);
        parts.chapters.insert(last, plan.clone());
        parts
    }

    /// What is others than it was before, the points of each series from a place on.
    fn message(&self, parts: Option<&Parts>, fields: &[Fields], from: &[usize]) -> String {
        let is_old_header = parts.is_some_and(|it| it.header == self.parts.header);
        let scenarios = self.series.iter().zip(&self.fields).enumerate();
        let scenarios = scenarios.map(|(place, (series, now))| {
            let from = from.get(place).copied().unwrap_or_default();
            message::drawn(now, fields.get(place), series.written_from(from))
        });
        let message = Message {
            phase: self.phase,
            run: &self.context.run_id,
            title: &self.parts.title,
            header: (!is_old_header).then_some(&*self.parts.header),
            chapters: message::chapters(&self.parts, parts),
            scenarios: scenarios.collect(),
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

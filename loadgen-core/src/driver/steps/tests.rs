use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use test_case::test_case;

use super::*;
use crate::clock::Clock;
use crate::driver::mistake::Mistake;
use crate::expression::{Known, value_of};
use crate::scenario::{
    self, Alternative, DataOrder, DataSource, GrpcPlan, RowPer, ScenarioPlan, WhenOut,
};
use crate::schedule::Load;
use crate::secrets::Secrets;
use crate::workload::{IterationSeed, Observer, SetUp, StepSample, UserId, WorkerContext};

type Step = scenario::Step<Said>;

/// An action that ends like this, and is answered with its text, filled in.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    outcome: Outcome,
    text: &'static str,
}

fn say(name: &str, text: &'static str) -> Step {
    scenario::Step::new(
        name,
        Said {
            outcome: Outcome::Ok,
            text,
        },
    )
}

fn fail(name: &str, failure: Failure) -> Step {
    let mut step = say(name, "");
    step.action = scenario::Action::Speak(Said {
        outcome: failure.into(),
        text: "",
    });
    step
}

/// An action that is ready.
#[derive(Debug)]
struct Prepared(Outcome, crate::expression::Text);

/// Executes actions, and keeps what was said.
#[derive(Default)]
struct Obedient(RefCell<Vec<String>>);

impl Execute for Obedient {
    type Action = Prepared;
    type Own = ();

    async fn execute(
        &self,
        Prepared(outcome, text): &Prepared,
        step: usize,
        session: &mut Session<()>,
        _: &Iteration<'_>,
    ) -> Outcome {
        let text = text.render(session.scope()).expect("what is there");
        self.0.borrow_mut().push(format!("{step}:{text}"));
        session.reply = Some(Reply {
            value: value_of(&json!({ "text": &*text, "len": text.len() })),
            status: match outcome {
                Outcome::Ok => "OK".into(),
                failed => failed.to_string().into(),
            },
            ..Reply::default()
        });
        *outcome
    }
}

/// Keeps what was told.
#[derive(Default)]
struct Kept {
    steps: RefCell<Vec<(usize, Outcome)>>,
    checks: RefCell<Vec<(usize, usize, bool)>>,
    said: RefCell<Vec<(Failure, String)>>,
    rests: RefCell<u32>,
}

impl Observer for Kept {
    fn step(&self, sample: StepSample) {
        self.steps.borrow_mut().push((sample.step, sample.outcome));
    }
    fn rests(&self, begins: bool) {
        *self.rests.borrow_mut() += u32::from(begins);
    }
    fn check(&self, step: usize, check: usize, passed: bool, _: &mut dyn FnMut() -> String) {
        self.checks.borrow_mut().push((step, check, passed));
    }
    fn explain(&self, _: Option<usize>, failure: Failure, detail: &mut dyn FnMut() -> String) {
        self.said.borrow_mut().push((failure, detail()));
    }
}

/// A scenario of these steps, on one worker.
struct Stage {
    life: Life<Prepared>,
    lives: Lives,
    kept: Rc<Kept>,
    executor: Obedient,
}

#[derive(Default)]
struct Script {
    setup: Vec<Step>,
    begin: Vec<Step>,
    steps: Vec<Step>,
    end: Vec<Step>,
    data: Vec<DataSource>,
}

fn prepare(script: &Script) -> Result<Life<Prepared>, Vec<Mistake>> {
    let load = Load::closed(2).iterations(10);
    let mut plan = ScenarioPlan::new("greet", GrpcPlan::new([]), load);
    plan.data.clone_from(&script.data);
    let parts = Parts {
        setup: &script.setup,
        begin: &script.begin,
        steps: &script.steps,
        end: &script.end,
    };
    Life::prepare(
        &plan,
        &parts,
        &super::Stage::alone(&Secrets::default()),
        |said: &Said, at: &At<'_>| {
            let text = crate::expression::Text::parse(said.text).expect("a template");
            at.lexicon.check(&text.names(), &format!("{}.say", at.path));
            let fields = ["text", "len"].map(|name| (name.to_owned(), Known::Scalar));
            Ok(Ready {
                action: Some(Prepared(said.outcome, text)),
                reply: vec![("reply", Known::fields(fields)), ("status", Known::Scalar)],
            })
        },
    )
}

impl Stage {
    fn new(script: &Script) -> Self {
        let kept = Rc::new(Kept::default());
        let clock = Clock::start();
        let context = WorkerContext::new(clock, Rc::clone(&kept) as Rc<dyn Observer>);
        Self {
            life: prepare(script).expect("nothing wrong"),
            lives: Lives::new(&context, Duration::from_secs(10)),
            kept,
            executor: Obedient::default(),
        }
    }

    fn set_up_at(script: &Script, set_up: SetUp) -> Self {
        let stage = Self::new(script);
        Self {
            lives: stage.lives.set_up_at(set_up),
            ..stage
        }
    }

    fn session(&self, user: u32) -> Session<()> {
        self.lives.session(&self.life, UserId(user), ())
    }

    async fn iterate(
        &self,
        session: &mut Session<()>,
        number: u64,
        arrival: Option<u64>,
    ) -> Outcome {
        let iteration = Iteration::new(IterationSeed {
            number,
            arrival,
            single_step: false,
            ..IterationSeed::new(Clock::start(), &*self.kept)
        });
        let (life, executor) = (&self.life, &self.executor);
        self.lives
            .iterate(life, executor, session, &iteration)
            .await
    }

    fn said(&self) -> Vec<String> {
        self.executor.0.take()
    }
}

fn steps(steps: impl Into<Vec<Step>>) -> Script {
    Script {
        steps: steps.into(),
        ..Script::default()
    }
}

#[tokio::test(start_paused = true)]
async fn goes_through_the_steps_until_one_fails() {
    let pause = || Step::pause(Duration::from_secs(1));
    let stage = Stage::new(&steps([
        say("first", ""),
        pause(),
        fail("second", Failure::Protocol),
        pause(),
        say("third", ""),
    ]));
    let outcome = stage.iterate(&mut stage.session(0), 0, None).await;
    let failed = Outcome::from(Failure::Protocol);
    assert_eq!(outcome, failed);
    assert_eq!(*stage.kept.steps.borrow(), [(0, Outcome::Ok), (1, failed)]);
    assert_eq!(*stage.kept.rests.borrow(), 1);
}

#[tokio::test]
async fn repeats_chooses_and_leaves_out() {
    let stage = Stage::new(&steps([
        Step::repeat(
            2,
            [
                say("a", "a"),
                Step::repeat(2, [say("b", "b").when("iteration == 1")]),
            ],
        ),
        Step::mix([
            Alternative::new(3, [say("c", "c")]),
            Alternative::new(1, [say("d", "d"), say("e", "e")]),
        ]),
        say("f", "f").when("iteration % 2 == 0"),
    ]));
    let mut session = stage.session(0);
    let mut said = Vec::new();
    for number in 0..4 {
        assert!(stage.iterate(&mut session, number, None).await.is_ok());
        said.push(stage.said().join(" "));
    }
    assert_eq!(
        said,
        [
            "0:a 0:a 2:c 5:f",
            "0:a 1:b 1:b 0:a 1:b 1:b 2:c",
            "0:a 0:a 3:d 4:e 5:f",
            "0:a 0:a 2:c"
        ]
    );
}

#[tokio::test]
async fn arrivals_choose_by_their_number() {
    let mix_of = |one, other| {
        Step::mix([
            Alternative::new(1, [say(one, one)]),
            Alternative::new(1, [say(other, other)]),
        ])
    };
    let mix = || mix_of("a", "b");
    let stage = Stage::new(&steps([mix(), mix_of("c", "d")]));
    let mut session = stage.session(0);
    let mut said = async |arrival| {
        stage.iterate(&mut session, 0, Some(arrival)).await;
        stage.said()
    };
    let mut pairs = std::collections::BTreeMap::new();
    for round in 0..50 {
        let (first, second) = (said(2 * round).await, said(2 * round + 1).await);
        // Each once in each round of two, and the same for the same arrival.
        assert_ne!(first[0], second[0]);
        assert_eq!(first, said(2 * round).await);
        *pairs.entry(first.join(" ")).or_insert(0) += 1;
    }
    // What one mix chooses says nothing of the other.
    assert_eq!(pairs.len(), 4, "{pairs:?}");
}

#[tokio::test]
async fn what_is_saved_is_used_later_and_kept() {
    let stage = Stage::new(&Script {
        setup: vec![say("prime", "seed").save("seed", "reply.text ~ '!'")],
        begin: vec![say("login", "token-{{ user }}").save("token", "reply.text")],
        end: vec![say("logout", "bye {{ saved.token }}")],
        ..steps([
            say("get", "{{ setup.seed }} {{ saved.token }}").save("long", "reply.len + 1"),
            say("put", "{{ saved.long }} {{ scenario }}"),
        ])
    });
    let done = stage.lives.set_up(&stage.life, &stage.executor, ()).await;
    assert_eq!(done, Ok(Some(())));
    // It is done once.
    let again = stage.lives.set_up(&stage.life, &stage.executor, ()).await;
    assert_eq!(again, Ok(None));
    let mut session = stage.session(7);
    let begun = stage
        .lives
        .begin(&stage.life, &stage.executor, &mut session);
    assert_eq!(begun.await, Ok(()));
    assert!(stage.iterate(&mut session, 0, None).await.is_ok());
    stage
        .lives
        .end(&stage.life, &stage.executor, &mut session)
        .await;
    assert_eq!(
        stage.said(),
        [
            "4:seed",
            "0:token-7",
            "1:seed! token-7",
            "2:14 greet",
            "3:bye token-7"
        ]
    );
    // What is done once is in no figures, the rest is in order.
    let measured: Vec<_> = stage.kept.steps.borrow().iter().map(|it| it.0).collect();
    assert_eq!(measured, [0, 1, 2, 3]);
}

/// One process sets up, and another goes on with what that saved: values as they were, secrets as secrets.
#[tokio::test]
async fn what_was_set_up_elsewhere_is_used_here() {
    let script = || Script {
        setup: vec![say("prime", "seed").save("seed", "reply.text ~ '!'").save(
            "token",
            "{'id': reply.len, 'password': 'hunter22-' ~ reply.text}",
        )],
        ..steps([say(
            "get",
            "{{ setup.seed }} {{ setup.token.id + 1 }} {{ setup.token.password }}",
        )])
    };
    let (told, told_here) = std::sync::mpsc::channel();
    let first = Stage::set_up_at(
        &script(),
        SetUp::for_others(move |ended| {
            told.send(ended.map(str::to_owned).map_err(str::to_owned))
                .unwrap();
        }),
    );
    let done = first.lives.set_up(&first.life, &first.executor, ()).await;
    assert_eq!(done, Ok(Some(())));
    assert_eq!(first.said(), ["1:seed"]);
    let (set_up, elsewhere) = SetUp::elsewhere();
    let second = Stage::set_up_at(&script(), set_up);
    elsewhere.tell(told_here.recv().unwrap());
    let done = second
        .lives
        .set_up(&second.life, &second.executor, ())
        .await;
    assert_eq!(done, Ok(Some(())), "a connection is given back");
    for stage in [&first, &second] {
        assert!(stage.iterate(&mut stage.session(0), 0, None).await.is_ok());
        assert_eq!(stage.said(), ["0:seed! 5 hunter22-seed"]);
    }
}

#[tokio::test]
async fn a_setup_that_failed_elsewhere_fails_here() {
    let script = Script {
        setup: vec![say("prime", "x")],
        ..steps([say("get", "")])
    };
    for (told, expected) in [
        (
            Some(Err("setup failed in step `prime`".to_owned())),
            "setup failed in step `prime`",
        ),
        (
            Some(Ok("no JSON".to_owned())),
            "what another shard saved cannot be read: expected ident at line 1 column 2",
        ),
        (None, "whoever sets it up is gone"),
    ] {
        let (set_up, elsewhere) = SetUp::elsewhere();
        let stage = Stage::set_up_at(&script, set_up);
        match told {
            Some(told) => elsewhere.tell(told),
            None => drop(elsewhere),
        }
        let failed = stage.lives.set_up(&stage.life, &stage.executor, ()).await;
        let failed = failed.unwrap_err();
        assert_eq!(
            (failed.to_string().as_str(), failed.is_setup),
            (expected, true)
        );
        assert_eq!(stage.said(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_failed_setup_says_why() {
    let stage = Stage::new(&Script {
        setup: vec![say("prime", "x").check("reply.len == 3")],
        ..steps([say("get", "")])
    });
    let error = stage.lives.set_up(&stage.life, &stage.executor, ()).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "setup failed in step `prime` with `check`: setup[0]: `reply.len == 3`: reply.len is 1"
    );
}

#[tokio::test]
async fn checks_are_counted_and_decide() {
    let stage = Stage::new(&steps([say("get", "abc")
        .check("reply.len == 3")
        .check("reply.text == 'abd'")
        .check("reply.len > 5")
        .save("never", "reply.text")]));
    let mut session = stage.session(0);
    let outcome = stage.iterate(&mut session, 0, None).await;
    assert_eq!(outcome, Failure::Check.into());
    let counted = [(0, 0, true), (0, 1, false), (0, 2, false)];
    assert_eq!(*stage.kept.checks.borrow(), counted);
    let said = "steps[0]: `reply.text == 'abd'`: reply.text is \"abc\"".to_owned();
    assert_eq!(*stage.kept.said.borrow(), [(Failure::Check, said)]);
    // What did not hold is not kept.
    assert_eq!(format!("{:?}", session.saved), "[]");
}

#[test_case("status == 'protocol'" => Outcome::Ok; "the check decides")]
#[test_case("status == 'OK'" => Outcome::from(Failure::Check); "and may refuse")]
#[test_case("reply.len == 0" => Outcome::from(Failure::Protocol); "where it is about the status")]
fn a_check_may_judge_the_status(check: &str) -> Outcome {
    let stage = Stage::new(&steps([fail("get", Failure::Protocol).check(check)]));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(stage.iterate(&mut stage.session(0), 0, None))
}

#[tokio::test]
async fn an_expression_that_comes_to_nothing_is_an_outcome() {
    let stage = Stage::new(&steps([say("get", "abc").save("x", "reply.text + 1")]));
    let outcome = stage.iterate(&mut stage.session(0), 0, None).await;
    assert_eq!(outcome, Failure::Expression.into());
    let said = stage.kept.said.borrow();
    assert_eq!(
        said[0].1,
        "steps[0].save.x: `reply.text + 1`: invalid operation: tried to use + operator on unsupported \
         types string and number; reply.text is \"abc\""
    );
}

fn people(rows: &str) -> (tempfile::NamedTempFile, DataSource) {
    let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
    file.write_all(rows.as_bytes()).unwrap();
    let source = DataSource::new("people", file.path());
    (file, source)
}

#[test_case(DataOrder::Sequential, RowPer::Iteration => vec!["ann", "bob", "ann", "bob"])]
#[test_case(DataOrder::Sequential, RowPer::User => vec!["bob", "bob", "bob", "bob"])]
#[test_case(DataOrder::Once, RowPer::Iteration => vec!["ann", "bob", "expression", "expression"])]
fn rows_are_given_out(order: DataOrder, per: RowPer) -> Vec<String> {
    let (_file, mut source) = people("name\nann\nbob\n");
    (source.order, source.per) = (order, per);
    source.when_out = WhenOut::Fail;
    let stage = Stage::new(&Script {
        data: vec![source],
        ..steps([say("greet", "{{ row.name }}")])
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut session = stage.session(1);
    let names = (0..4).map(|number| {
        let outcome = runtime.block_on(stage.iterate(&mut session, number, None));
        match outcome {
            Outcome::Ok => stage.said()[0].trim_start_matches("0:").to_owned(),
            failed => failed.to_string(),
        }
    });
    names.collect()
}

#[tokio::test]
async fn the_same_seed_draws_the_same() {
    let draw = async |user, number, arrival| {
        let stage = Stage::new(&steps([say(
            "get",
            "{{ uuid() }} {{ random(1, 1000000) }}",
        )]));
        stage
            .iterate(&mut stage.session(user), number, arrival)
            .await;
        stage.said()
    };
    assert_eq!(draw(1, 2, None).await, draw(1, 2, None).await);
    assert_ne!(draw(1, 2, None).await, draw(1, 3, None).await);
    assert_ne!(draw(1, 2, None).await, draw(2, 2, None).await);
    // Whichever user has an arrival.
    assert_eq!(draw(1, 2, Some(9)).await, draw(5, 0, Some(9)).await);
}

#[test]
fn names_are_known_or_told_of() {
    let (_file, source) = people("name,age\nann,30\n");
    let script = Script {
        setup: vec![say("prime", "{{ user }}").save("seed", "reply.txt")],
        begin: vec![say("login", "{{ row.name }} {{ saved.token }}")],
        data: vec![source],
        ..steps([
            say("get", "{{ row.nmae }} {{ setup.sed }} {{ reply.text }}")
                .save("token", "reply.text ~ status")
                .check("replly.len")
                .when("env.QZXJ_7 == 'x'"),
            Step::repeat(2, [say("put", "{{ saved.tokn }} {{ uuuid() }}")]),
        ])
    };
    let mistakes = prepare(&script).unwrap_err();
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    begin[0].say: `row` has no value here: its rows belong to iterations; with `"per": "user"` it is known here
    begin[0].say: `saved.token` is unknown; there are none
    steps[0].say: `reply` has no value here: there is none before the request; `save` what a later step needs
    steps[0].say: `row.nmae` is unknown; did you mean `name`?
    steps[0].say: `setup.sed` is unknown; did you mean `seed`?
    steps[0].check[0]: `replly` is unknown; did you mean `reply`?
    steps[0].when: `env.QZXJ_7` is unknown; the environment has no such variable
    steps[1].repeat.steps[0].say: `saved.tokn` is unknown; did you mean `token`?
    steps[1].repeat.steps[0].say: `uuuid` is unknown; did you mean `uuid`?
    setup[0].say: `user` has no value here: `setup` is done once, before there are users
    setup[0].save.seed: `reply.txt` is unknown; did you mean `text`?
    "#);
}

#[test]
fn what_is_wrong_with_data_is_told() {
    let (_file, mut short) = people("name\nann\n");
    (short.order, short.per) = (DataOrder::Once, RowPer::User);
    let (_other, ragged) = people("name,age\nann\n");
    let missing = DataSource::new("missing", "nowhere.csv");
    let script = Script {
        data: vec![short, ragged, missing],
        ..steps([say("get", "")])
    };
    let told: Vec<String> = prepare(&script)
        .unwrap_err()
        .iter()
        .map(|mistake| {
            let (_, problem) = mistake.problem.split_once(": ").unwrap();
            format!("{}: {problem}", mistake.path)
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    data.people.file: 2 users need a row each (`per` user, `order` once), and it has 1; have fewer users, or another `order`
    data.people.file: line 2: it has 1 field, and the first line names 2
    data.missing.file: No such file or directory (os error 2)
    ");
}

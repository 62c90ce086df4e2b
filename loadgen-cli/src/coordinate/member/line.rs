//! A shard's connection to the coordinator, from the first attempt to the last word.

use std::time::Duration;

use loadgen_core::units::human;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Streaming};

use super::super::clock::{Exchange, Offset, Wall};
use super::super::error::CoordinateError;
use super::super::proto::coordinator_client::CoordinatorClient;
use super::super::proto::from_coordinator::Said as Told;
use super::super::proto::from_shard::Said;
use super::super::proto::refused::Kind;
use super::super::proto::{FromCoordinator, FromShard, Hello, Probe, Refused, Welcome};
use super::super::state::SILENCE;
use super::super::{LONGEST_MESSAGE, words};
use super::{Place, Shared, take};
use crate::moment;

/// So often the coordinator is asked for its time.
const PROBES: usize = 16;
/// How often a shard says that it is there, and how it goes.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// How long an attempt to connect may take, and how long it is rested before the next.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_millis(250);
/// How long a place is waited for that another process has: who is silent for [`SILENCE`] loses it, so whoever has it
/// for longer lives.
const TAKEN_WITHIN: Duration = SILENCE.saturating_add(Duration::from_secs(5));

/// The connection itself.
pub(super) struct Line {
    says: UnboundedSender<FromShard>,
    hears: Streaming<FromCoordinator>,
    has_tls: bool,
}

impl Line {
    /// Connects, is let in, and compares clocks; and what else was said meanwhile.
    pub(super) async fn open(
        place: &Place,
        hello: Hello,
        clock: Wall,
    ) -> Result<(Self, (Welcome, Offset, Vec<Told>)), CoordinateError> {
        let (mut line, welcome) = Self::let_in(place, hello).await?;
        let lost = |why: String| CoordinateError::Lost {
            address: place.given.clone(),
            why,
        };
        let mut before = Vec::new();
        let mut exchanges = Vec::with_capacity(PROBES);
        for _ in 0..PROBES {
            line.say(Said::Probe(Probe { sent: clock.now() }));
            loop {
                match line.next().await.map_err(lost)? {
                    Told::Echo(echo) => {
                        exchanges.push(Exchange {
                            sent: echo.sent,
                            received: echo.received,
                            answered: echo.answered,
                            back: clock.now(),
                        });
                        break;
                    }
                    Told::Refused(refused) => return Err(refused.into()),
                    told => before.push(told),
                }
            }
        }
        let offset = Offset::of(&exchanges).expect("there was an exchange");
        Ok((line, (welcome, offset, before)))
    }

    /// Tries again and again: whoever starts all may start this shard first, and whoever starts one again may do so
    /// before it is noticed that the first is gone.
    async fn let_in(place: &Place, hello: Hello) -> Result<(Self, Welcome), CoordinateError> {
        let mut until = moment::now() + place.wait;
        let mut taken = None;
        loop {
            // Something may listen there that is no coordinator, and say nothing.
            let left = until.saturating_duration_since(moment::now());
            let within = left.min(SILENCE);
            let why = match timeout(within, Self::ask(place, hello.clone())).await {
                Ok(Ok(let_in)) => return Ok(let_in),
                Ok(Err(Attempt::Final(error))) => return Err(error),
                Ok(Err(Attempt::Again(error))) => error,
                Ok(Err(Attempt::Taken(refused))) => {
                    if taken.is_none() {
                        until = until.min(moment::now() + TAKEN_WITHIN);
                        place.screen.say(&format!(
                            "WARNING: {}; waiting {} at most for the place, which is free where that one is gone",
                            refused.why,
                            human::duration(TAKEN_WITHIN.min(place.wait)),
                        ));
                    }
                    taken = Some(refused.clone());
                    refused.into()
                }
                Err(_) => absent(
                    place,
                    format!(
                        "what listens there has not said a word for {}",
                        human::duration(within)
                    ),
                ),
            };
            if moment::now() + REST >= until {
                // Who had the place may have ended the run meanwhile.
                return Err(taken.map_or(why, CoordinateError::from));
            }
            tokio::time::sleep(REST).await;
        }
    }

    async fn ask(place: &Place, hello: Hello) -> Result<(Self, Welcome), Attempt> {
        let mut client = CoordinatorClient::new(channel(place).await?)
            .max_decoding_message_size(LONGEST_MESSAGE);
        let (says, said) = mpsc::unbounded_channel();
        let said_first = FromShard {
            said: Some(Said::Hello(hello)),
        };
        let _ = says.send(said_first);
        let mut request = Request::new(UnboundedReceiverStream::new(said));
        place.trust.show(&mut request);
        let has_tls = place.trust.has_tls();
        let again = |why| Attempt::Again(absent(place, words::at_first(why, has_tls)));
        let mut line = match client.join(request).await {
            Ok(answer) => Self {
                says,
                hears: answer.into_inner(),
                has_tls,
            },
            Err(status) if status.code() == Code::Unauthenticated => {
                let address = place.given.clone();
                return Err(Attempt::Final(match place.trust.has_token() {
                    true => CoordinateError::OtherToken { address },
                    false => CoordinateError::NoToken { address },
                }));
            }
            Err(status) => return Err(again(words::of_status(&status, has_tls))),
        };
        match line.next().await.map_err(again)? {
            Told::Welcome(welcome) => Ok((line, welcome)),
            Told::Refused(refused) if refused.kind() == Kind::Taken => Err(Attempt::Taken(refused)),
            Told::Refused(refused) => Err(Attempt::Final(refused.into())),
            _ => Err(Attempt::Final(CoordinateError::Lost {
                address: place.given.clone(),
                why: "it does not speak as a coordinator does".to_owned(),
            })),
        }
    }

    fn say(&self, said: Said) {
        // Where nobody takes it, nothing comes any more either, and that is noticed.
        let _ = self.says.send(FromShard { said: Some(said) });
    }

    /// The next that the coordinator says, or how it was lost.
    async fn next(&mut self) -> Result<Told, String> {
        loop {
            match timeout(SILENCE, self.hears.message()).await {
                Err(_) => return Err(format!("silent for {}", human::duration(SILENCE))),
                Ok(Err(status)) => return Err(words::of_status(&status, self.has_tls)),
                Ok(Ok(None)) => return Err("it has closed the connection".to_owned()),
                Ok(Ok(Some(FromCoordinator { said: Some(told) }))) => return Ok(told),
                Ok(Ok(Some(FromCoordinator { said: None }))) => {}
            }
        }
    }

    /// Until the last word, from either side.
    pub(super) async fn live(
        mut self,
        shared: &Shared,
        mut said: UnboundedReceiver<Said>,
        lost: impl FnOnce(&str),
    ) {
        let mut ticks = tokio::time::interval(TICK_EVERY);
        let says = self.says.clone();
        let say = |said| {
            let _ = says.send(FromShard { said: Some(said) });
        };
        // A wait that is given up for something else to be said begins anew, and there is a tick each second.
        let mut heard = moment::now();
        let why = loop {
            tokio::select! {
                told = self.next() => match told {
                    Ok(told) => {
                        heard = moment::now();
                        match &told {
                            Told::Refused(refused) if shared.known().start.is_some() => {
                                break refused.why.clone();
                            }
                            Told::Refused(_) | Told::Farewell(_) => {
                                shared.change(|it| take(it, told));
                                return;
                            }
                            _ => shared.change(|it| take(it, told)),
                        }
                    }
                    Err(why) => break why,
                },
                said = said.recv() => match said {
                    Some(said) => say(said),
                    None => return,
                },
                _ = ticks.tick() => {
                    let tick = shared.known().tick.clone();
                    say(Said::Tick(tick));
                    if moment::now().saturating_duration_since(heard) > SILENCE {
                        break format!("silent for {}", human::duration(SILENCE));
                    }
                }
            }
        };
        let has_begun = shared.known().start.is_some();
        if has_begun {
            lost(&why);
        }
        shared.change(|it| {
            it.set_up.clear();
            it.lost = Some(why);
        });
    }
}

/// What came of an attempt to connect.
enum Attempt {
    /// The next may do better.
    Again(CoordinateError),
    /// Another process has the place, and may be gone.
    Taken(Refused),
    /// It will not.
    Final(CoordinateError),
}

async fn channel(place: &Place) -> Result<Channel, Attempt> {
    let (host, _) = place.given.rsplit_once(':').unwrap_or((&place.given, ""));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = place
        .own
        .map_or_else(|| place.given.clone(), |it| it.to_string());
    let tls = place.trust.of_client(host);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let unusable = |why: tonic::transport::Error| {
        let why = words::of_files(&why);
        Attempt::Final(CoordinateError::Tls { why })
    };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).map_err(unusable)?;
    let endpoint = endpoint.connect_timeout(CONNECT_WITHIN).tcp_nodelay(true);
    let endpoint = match tls {
        Some(tls) => endpoint.tls_config(tls).map_err(unusable)?,
        None => endpoint,
    };
    let connected = endpoint.connect().await;
    connected.map_err(|why| {
        let why = words::of_transport(&why, place.trust.has_tls());
        Attempt::Again(absent(place, why))
    })
}

fn absent(place: &Place, why: String) -> CoordinateError {
    CoordinateError::Absent {
        address: place.given.clone(),
        within: human::duration(place.wait),
        why,
    }
}

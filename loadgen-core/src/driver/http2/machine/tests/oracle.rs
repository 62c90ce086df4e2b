//! Servers that are made up, to the library and to us.

use std::collections::BTreeMap;

use super::super::frame::{PRIORITY, WINDOW_UPDATE};
use super::super::oracle::{Parted, Script, agree};
use super::pieces::STREAMS;
use super::script::{frame, settings};
use super::server::Server;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    Well,
    Badly,
    Anything,
}

fn made_up(seed: u64, says: Says) -> Option<Parted> {
    let mut server = Server::new(seed);
    // The library decodes each piece of a block as if it were one, and none that depends on itself.
    server.is_odd = says == Says::Well;
    let says = match says {
        Says::Well => server.answers(STREAMS),
        Says::Badly => {
            let mut bytes = server.answers(STREAMS);
            server.spoil(&mut bytes);
            bytes
        }
        Says::Anything => server.says_anything(),
    };
    let mut rng = fastrand::Rng::with_seed(seed);
    let gives_up = (rng.usize(0..STREAMS as usize), rng.usize(1..30));
    agree(&Script {
        window: [0, 50, 65_535][rng.usize(0..3)],
        calls: STREAMS,
        says: &says,
        gives_up: Some(gives_up).filter(|_| rng.bool()),
    })
}

/// How many of them part, and why.
fn all(seeds: std::ops::Range<u64>, says: Says) -> BTreeMap<Parted, usize> {
    let mut parted = BTreeMap::new();
    for seed in seeds {
        if let Some(why) = made_up(seed, says) {
            *parted.entry(why).or_default() += 1;
        }
    }
    parted
}

#[test]
fn what_a_server_says_well_is_the_same_to_both() {
    let mut parted = all(0..1000, Says::Well);
    let ended = parted.remove(&Parted::EndsMore);
    assert!(
        ended < Some(200) && parted.is_empty(),
        "{ended:?} {parted:?}"
    );
}

#[test]
fn what_a_server_says_badly_is_the_same_to_both() {
    let parted = all(0..2000, Says::Badly);
    assert!(parted.values().sum::<usize>() < 400, "{parted:?}");
}

#[test]
fn whatever_a_server_says_is_the_same_to_both() {
    let parted = all(0..5000, Says::Anything);
    assert!(parted.values().sum::<usize>() < 2500, "{parted:?}");
}

/// Found by fuzzing: the library opens nothing more once the last stream has got a priority that is wrong.
#[test]
fn a_wrong_priority_uses_up_the_librarys_streams() {
    let of = |stream: u32| {
        let script = Script {
            window: 65_535,
            calls: 1,
            says: &frame(PRIORITY, 0, stream, &stream.to_be_bytes()),
            gives_up: None,
        };
        // Its weight is missing, or it depends on itself.
        let on_itself = [&stream.to_be_bytes()[..], &[0]].concat();
        let says = &frame(PRIORITY, 0, stream, &on_itself);
        (agree(&script), agree(&Script { says, ..script }))
    };
    let ends = Some(Parted::EndsMore);
    assert_eq!(of(0x7fff_ffff), (ends, ends));
}

/// Found by fuzzing, and long known: the library lets a server allow pushes.
#[test]
fn the_library_takes_settings_that_allow_pushes() {
    let of = |says: &[u8]| {
        agree(&Script {
            window: 65_535,
            calls: 1,
            says,
            gives_up: None,
        })
    };
    assert_eq!(of(&settings(&[(1, 0), (2, 1)])), Some(Parted::TakesMore));
    assert_eq!(of(&settings(&[(1, 0), (2, 0)])), None);
    assert_eq!(of(&settings(&[(2, 2)])), None);
}

/// Found by fuzzing: the library has no eye on the window of a request that was sent.
#[test]
fn the_library_lets_windows_of_what_was_sent_overflow() {
    let of = |more: u32, window: u32| {
        let room = frame(WINDOW_UPDATE, 0, 1, &more.to_be_bytes());
        agree(&Script {
            window: 65_535,
            calls: 1,
            says: &[room, settings(&[(4, window)])].concat(),
            gives_up: None,
        })
    };
    let takes = Some(Parted::TakesMore);
    assert_eq!(of(0x2400_1000, 0x5d00_0001), takes);
    assert_eq!(of(0x2400_1000, 0x5b00_0000), None);
}

#[test]
#[ignore = "takes minutes"]
fn what_a_server_says_is_the_same_to_both_in_many_ways() {
    let rounds = std::env::var("ROUNDS").ok().and_then(|it| it.parse().ok());
    for says in [Says::Well, Says::Badly, Says::Anything] {
        println!("{says:?} {:?}", all(0..rounds.unwrap_or(50_000), says));
    }
}

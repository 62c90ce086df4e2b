//! Stories of other people's encoders: blocks that follow each other on one connection, and what they say.
//!
//! Each is read with one table from its first block to its last, by the decoder alone and by what remembers
//! blocks. Some encoders change the table's size on the way, some never use Huffman's code, some never the table.

use std::rc::Rc;

use super::super::blocks::{Block, Blocks};
use super::super::decoder::Decoder;
use super::super::hpack::TABLE_BYTES;
use super::appendix_c::{bytes, decoded, table};
use super::script::LIMITS;

/// Where they are from, and how they are written, stands at its head.
const STORIES: &str = include_str!("stories.txt");

struct Story {
    name: &'static str,
    /// The fields of each of its blocks.
    says: Vec<Vec<String>>,
    /// The blocks, by the encoder that made them.
    by: Vec<(&'static str, Vec<&'static str>)>,
}

fn stories() -> Vec<Story> {
    let mut fields = Vec::new();
    let mut stories: Vec<Story> = Vec::new();
    for line in STORIES.lines().filter(|it| !it.starts_with('#')) {
        let (what, rest) = line.split_once(' ').unwrap_or(("", line));
        match (what, stories.last_mut()) {
            ("field", _) => fields.push(rest.replacen('\t', ": ", 1)),
            ("story", _) => stories.push(Story {
                name: rest,
                says: Vec::new(),
                by: Vec::new(),
            }),
            ("says", Some(story)) => {
                let numbers = rest.split(' ').map(|it| it.parse::<usize>());
                let said = numbers.map(|it| fields[it.expect("a number")].clone());
                story.says.push(said.collect());
            }
            ("by", Some(story)) => story.by.push((rest, Vec::new())),
            ("", Some(story)) => story.by.last_mut().expect("of somebody").1.push(rest),
            _ => panic!("what is {line:?}?"),
        }
    }
    stories
}

#[test]
fn stories_say_what_they_said() {
    let (mut blocks, mut resized, mut evicted) = (0, 0, 0);
    for story in stories() {
        for (encoder, wire) in &story.by {
            assert_eq!(wire.len(), story.says.len(), "{} by {encoder}", story.name);
            let mut decoder = Decoder::new();
            let mut inserted = 0;
            for (nth, (hex, said)) in wire.iter().zip(&story.says).enumerate() {
                let told = decoded(&mut decoder, hex);
                let told = told.unwrap_or_else(|_| panic!("{nth} of {} by {encoder}", story.name));
                assert_eq!(told, *said, "{nth} of {} by {encoder}", story.name);
                blocks += 1;
                resized += usize::from(bytes(hex)[0] & 0xe0 == 0x20);
                inserted += said.iter().map(|it| it.len() - 2 + 32).sum::<usize>();
            }
            let held = table(&mut decoder);
            let size: usize = held.iter().map(|it| it.len() - 2 + 32).sum();
            assert!(size <= TABLE_BYTES);
            evicted += usize::from(!held.is_empty() && inserted > TABLE_BYTES);
        }
    }
    assert_eq!((blocks, resized), (764, 10));
    assert!(evicted > 5, "{evicted}");
}

/// A block that came before is not decoded again, and does to the table what it did. A server may send each of them
/// several times.
#[test]
fn stories_say_the_same_to_who_remembers_blocks() {
    const TIMES: usize = 3;
    for story in stories() {
        for (encoder, wire) in &story.by {
            let mut blocks = Blocks::up_to(LIMITS.head_bytes);
            let mut decoder = Decoder::new();
            let sent = wire.iter().enumerate().flat_map(|it| [it; TIMES]);
            for (nth, hex) in sent {
                let place = format!("{nth} of {} by {encoder}", story.name);
                // Where the table is another one by now, it may say another thing, or nothing.
                match (blocks.read(&bytes(hex)), decoded(&mut decoder, hex)) {
                    (Ok(block), Ok(said)) => assert_says(&block, &said, &place),
                    (Err(_), Err(_)) => break,
                    (its, said) => panic!("{place}: {its:?} and {said:?}"),
                }
            }
            assert_eq!(table(blocks.decoder()), table(&mut decoder));
        }
    }
}

fn assert_says(block: &Block, said: &[String], place: &str) {
    let status = said.iter().find_map(|it| it.strip_prefix(":status: "));
    let its = block.status.map(|it| it.as_str().to_owned());
    assert_eq!(its.as_deref(), status, "{place}");
    // What HTTP/2 does not allow is left out, and HTTP/1.1 had some of it.
    for field in said.iter().filter(|it| is_allowed(it)) {
        let (name, value) = field.split_once(": ").expect("a field");
        let mut its = block.fields.get_all(name).iter();
        assert!(its.any(|it| it == value), "{place}: {field}");
    }
    let allowed = said.iter().filter(|it| is_allowed(it)).count();
    assert_eq!(block.fields.len(), allowed, "{place}");
}

/// What fills the table comes once, mostly.
#[test]
fn a_block_is_remembered_when_it_comes_again() {
    let mut blocks = Blocks::up_to(LIMITS.head_bytes);
    // `:status: 200`, of the static table.
    let read = |blocks: &mut Blocks| blocks.read(&[0x88]).expect("it can be decoded");
    let (first, second) = (read(&mut blocks), read(&mut blocks));
    assert!(!Rc::ptr_eq(&first, &second));
    assert!(Rc::ptr_eq(&second, &read(&mut blocks)));
}

fn is_allowed(field: &str) -> bool {
    let not = [":", "connection: ", "transfer-encoding: ", "keep-alive: "];
    !not.iter().any(|it| field.starts_with(it))
}

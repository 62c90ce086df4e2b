//! Header compression against a decoder and an encoder by other hands, block by block: whatever a block is, both
//! make the same of it and of the table, and what either writes the other reads.
//!
//! Owns the list of what is not the same.

use fastrand::Rng;
use loona_hpack::decoder::DecoderError;

use super::super::decoder::Decoder;
use super::super::encoder::{Encoder, Keep};
use super::super::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HAS_PRIORITY, HEADERS, PADDED,
};
use super::super::hpack::{STATIC, TABLE_BYTES, put_number};
use super::super::huffman;
use super::appendix_c::table;
use super::compression::made_up;
use super::script::{REPLY, Talk, frame};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// What is told of a block, up to where it is found to be none.
fn ours(decoder: &mut Decoder, block: &[u8]) -> (Fields, bool) {
    let mut fields = Vec::new();
    let decoded = decoder.decode(block, |name, value| {
        fields.push((name.to_vec(), value.to_vec()));
        Ok(())
    });
    (fields, decoded.is_ok())
}

fn another() -> loona_hpack::Decoder<'static> {
    let mut decoder = loona_hpack::Decoder::new();
    decoder.set_max_allowed_table_size(TABLE_BYTES);
    decoder
}

fn theirs(
    decoder: &mut loona_hpack::Decoder<'_>,
    block: &[u8],
) -> (Fields, Result<(), DecoderError>) {
    let mut fields = Vec::new();
    let decoded = decoder.decode_with_cb(block, |name, value| {
        fields.push((name.into_owned(), value.into_owned()));
    });
    (fields, decoded)
}

/// Any bytes, in either form.
fn string(rng: &mut Rng, block: &mut Vec<u8>) {
    let len = match rng.u8(0..20) {
        0 => rng.usize(0..1500),
        1..6 => 0,
        _ => rng.usize(1..40),
    };
    let kind = rng.u8(0..3);
    let text = std::iter::repeat_with(|| match kind {
        0 => rng.u8(..),
        1 => rng.u8(b'0'..=b'9'),
        _ => rng.u8(b' '..=b'~'),
    });
    let text: Vec<u8> = text.take(len).collect();
    if rng.bool() {
        put_number(block, 0, 7, text.len());
        block.extend(text);
    } else {
        put_number(block, 0x80, 7, huffman::encoded_len(&text));
        huffman::encode(&text, block);
    }
}

/// A block of any fields, in a table that has so many.
fn block(rng: &mut Rng, held: usize) -> Vec<u8> {
    let mut block = Vec::new();
    while rng.u8(0..8) == 0 {
        let most = [0, 60, 200, 1000, TABLE_BYTES][rng.usize(0..5)];
        put_number(&mut block, 0x20, 5, rng.usize(0..=most));
    }
    for _ in 0..rng.usize(1..6) {
        let index = rng.usize(1..=STATIC.len() + held);
        match rng.u8(0..6) {
            0 | 1 => put_number(&mut block, 0x80, 7, index),
            kind => {
                let (before, prefix) =
                    [(0x40, 6), (0x40, 6), (0, 4), (0x10, 4)][usize::from(kind) - 2];
                if rng.bool() {
                    put_number(&mut block, before, prefix, index);
                } else {
                    put_number(&mut block, before, prefix, 0);
                    string(rng, &mut block);
                }
                string(rng, &mut block);
            }
        }
    }
    block
}

fn spoil(rng: &mut Rng, block: &mut Vec<u8>) {
    let at = rng.usize(0..block.len());
    match rng.u8(0..5) {
        0 => block[at] = rng.u8(..),
        1 => block[at] ^= 1 << rng.u8(0..8),
        2 => block.truncate(at),
        3 => block.insert(at, rng.u8(..)),
        _ => block.extend((0..rng.u8(1..6)).map(|_| rng.u8(..))),
    }
}

/// Whether a block is refused for a size behind a field, which the other one takes (RFC 7541, section 4.2).
fn has_a_size_behind_a_field(before: &[Vec<u8>], block: &[u8]) -> bool {
    let is_block = |cut: &usize| {
        let mut decoder = Decoder::new();
        before.iter().for_each(|it| drop(ours(&mut decoder, it)));
        ours(&mut decoder, &block[..*cut]).1
    };
    let cut = (0..block.len())
        .rev()
        .find(is_block)
        .expect("nothing is a block");
    cut > 0 && block[cut] & 0xe0 == 0x20
}

/// How many blocks were taken and refused by both, and how often the two parted.
fn decode(seeds: std::ops::Range<u64>, spoils: bool) -> [usize; 3] {
    let [mut taken, mut refused, mut parted] = [0; 3];
    for seed in seeds {
        let rng = &mut Rng::with_seed(seed);
        let (mut decoder, mut other) = (Decoder::new(), another());
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        for nth in 0..rng.usize(1..40) {
            let mut block = block(rng, table(&mut decoder).len());
            if spoils && rng.u8(0..4) == 0 {
                spoil(rng, &mut block);
            }
            let (told, is_block) = ours(&mut decoder, &block);
            let (by_other, end) = theirs(&mut other, &block);
            // Either of them may go on where the other one has stopped.
            let both = told.len().min(by_other.len());
            assert_eq!(told[..both], by_other[..both], "seed {seed}, block {nth}");
            match (is_block, end) {
                (true, Ok(())) => taken += 1,
                (false, Err(_)) => {
                    refused += 1;
                    break;
                }
                // Nothing says that there has to be a field.
                (true, Err(DecoderError::SizeUpdateAtEnd)) => parted += 1,
                (false, Ok(())) if has_a_size_behind_a_field(&blocks, &block) => {
                    parted += 1;
                    break;
                }
                other => panic!("seed {seed}, block {nth}, {block:02x?}: {other:?}"),
            }
            assert_eq!(told, by_other, "seed {seed}, block {nth}");
            blocks.push(block);
            // The tables hold the same, too.
            for nth in 0..=table(&mut decoder).len() {
                let mut block = Vec::new();
                put_number(&mut block, 0x80, 7, STATIC.len() + 1 + nth);
                let held = ours(&mut decoder, &block);
                let by_other = theirs(&mut other, &block);
                assert_eq!(held, (by_other.0, by_other.1.is_ok()), "seed {seed}");
            }
        }
    }
    [taken, refused, parted]
}

#[test]
fn a_block_is_the_same_to_another_decoder() {
    let [taken, refused, parted] = decode(0..150, false);
    assert!(taken > 1500, "{taken}");
    // Its indices may be beyond what a new size has left.
    assert!(refused > 10 && parted == 0, "{refused} {parted}");
}

#[test]
fn what_is_no_block_is_none_to_another_decoder() {
    let [taken, refused, parted] = decode(1000..1400, true);
    assert!(taken > 1000 && refused > 200, "{taken} {refused}");
    assert!(parted < 40, "{parted}");
}

#[test]
fn what_another_encoder_writes_is_read() {
    for seed in 0..100 {
        let rng = &mut Rng::with_seed(seed);
        let (mut decoder, mut encoder) = (Decoder::new(), loona_hpack::Encoder::new());
        for round in 0..30 {
            let mut block = Vec::new();
            if rng.u8(0..10) == 0 {
                let most = rng.usize(0..=TABLE_BYTES);
                encoder.set_max_table_size(most);
                put_number(&mut block, 0x20, 5, most);
            }
            let fields = fields(&made_up(rng));
            let pairs = fields.iter().map(|(name, value)| (&name[..], &value[..]));
            block.extend(encoder.encode(pairs));
            let told = ours(&mut decoder, &block);
            assert_eq!(told, (fields, true), "seed {seed}, round {round}");
        }
    }
}

#[test]
fn another_decoder_reads_what_ours_writes() {
    for seed in 0..100 {
        let rng = &mut Rng::with_seed(seed);
        let (mut encoder, mut decoder) = (Encoder::new(), another());
        let known: Vec<_> = (0..4).map(|_| made_up(rng)).collect();
        for round in 0..40 {
            match rng.u8(0..20) {
                0 => drop(encoder.allow(rng.usize(0..5000))),
                1 => encoder.begin_anew(),
                _ => {}
            }
            let request = match known.get(rng.usize(0..6)) {
                Some(request) => request.clone(),
                None => made_up(rng),
            };
            let keep = [Keep::All, Keep::None][rng.usize(0..2)];
            let mut block = Vec::new();
            encoder.encode(&request, keep, &mut block);
            let told = theirs(&mut decoder, &block);
            assert_eq!(
                told,
                (fields(&request), Ok(())),
                "seed {seed}, round {round}"
            );
        }
    }
}

/// A request's fields, in the order in which ours writes them.
fn fields(request: &http::Request<()>) -> Fields {
    let uri = request.uri();
    let pseudo = [
        (":method", request.method().as_str()),
        (":scheme", uri.scheme_str().expect("a scheme")),
        (
            ":authority",
            uri.authority().expect("an authority").as_str(),
        ),
        (":path", uri.path()),
    ];
    let pseudo = pseudo.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let others = request.headers().iter();
    let others = others.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    let all = pseudo.into_iter().chain(others);
    all.map(|(name, value)| (name.to_vec(), value.to_vec()))
        .collect()
}

/// However many frames it is in, wherever they end.
#[test]
fn a_block_in_pieces_is_the_same_block() {
    for seed in 0..200 {
        let rng = &mut Rng::with_seed(seed);
        let mut encoder = loona_hpack::Encoder::new();
        let (mut whole, mut pieces) = (Talk::new(&[]), Talk::new(&[]));
        for round in 0..20 {
            let fields = fields(&made_up(rng));
            let (status, kept) = ((&b":status"[..], &b"200"[..]), fields.iter().skip(4));
            let kept = kept.map(|(name, value)| (&name[..], &value[..]));
            let block = encoder.encode(std::iter::once(status).chain(kept));
            let id = whole.asks(REPLY);
            assert_eq!(pieces.asks(REPLY), id);
            whole.says(&frame(HEADERS, END_HEADERS, id, &block));
            pieces.says(&in_pieces(rng, id, &block));
            for talk in [&mut whole, &mut pieces] {
                talk.says(&frame(DATA, END_STREAM, id, REPLY));
            }
            let seen = whole.sees(id);
            assert!(seen.end.is_some(), "seed {seed}, round {round}");
            assert_eq!(seen, pieces.sees(id), "seed {seed}, round {round}");
            whole.client.forget(id);
            pieces.client.forget(id);
        }
    }
}

fn in_pieces(rng: &mut Rng, id: u32, block: &[u8]) -> Vec<u8> {
    let mut cuts: Vec<_> = (0..rng.usize(1..7))
        .map(|_| rng.usize(0..=block.len()))
        .collect();
    cuts.sort_unstable();
    let (first, mut left) = block.split_at(cuts[0]);
    let mut bytes = match rng.bool() {
        true => frame(HEADERS, 0, id, first),
        false => {
            let padding = rng.u8(0..9);
            let priority = [padding, 0, 0, 0, 0, 9];
            let padded = [&priority[..], first, &vec![0; usize::from(padding)]].concat();
            frame(HEADERS, PADDED | HAS_PRIORITY, id, &padded)
        }
    };
    let mut from = cuts[0];
    for cut in &cuts[1..] {
        let (piece, rest) = left.split_at(cut - from);
        bytes.extend(frame(CONTINUATION, 0, id, piece));
        (left, from) = (rest, *cut);
    }
    bytes.extend(frame(CONTINUATION, END_HEADERS, id, left));
    bytes
}

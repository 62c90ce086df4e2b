//! RFC 7541, appendix C: its examples, word for word.

use super::super::decoder::Decoder;
use super::super::hpack::{
    FIELD_OVERHEAD, Malformed, STATIC, put_number, put_string, take_number, take_string,
};
use super::super::huffman;

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|it| it.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|it| (it[0] << 4 | it[1]) as u8)
        .collect()
}

pub(super) fn decoded(decoder: &mut Decoder, hex: &str) -> Result<Vec<String>, Malformed> {
    let mut fields = Vec::new();
    decoder.decode(&bytes(hex), |name, value| {
        let text = |it| String::from_utf8_lossy(it).into_owned();
        fields.push(format!("{}: {}", text(name), text(value)));
        Ok(())
    })?;
    Ok(fields)
}

/// What is in the table, the youngest first, with how much room that takes.
pub(super) fn table(decoder: &mut Decoder) -> Vec<String> {
    let nth = |nth| {
        let mut block = Vec::new();
        put_number(&mut block, 0x80, 7, STATIC.len() + 1 + nth);
        let hex: String = block.iter().map(|it| format!("{it:02x}")).collect();
        decoded(decoder, &hex).ok()
    };
    (0..).map_while(nth).flatten().collect()
}

/// Its fields, and how much room they take.
fn holds(decoder: &mut Decoder, fields: &[&str], size: usize) {
    let held = table(decoder);
    assert_eq!(held, fields);
    // Between name and value there are two characters here, and in the table 32 bytes of room.
    let room = held.iter().map(|it| it.len() - 2 + FIELD_OVERHEAD);
    assert_eq!(room.sum::<usize>(), size);
}

/// C.1
#[test]
fn numbers() {
    for (number, prefix, hex) in [(10, 5, "0a"), (1337, 5, "1f9a0a"), (42, 8, "2a")] {
        let mut put = Vec::new();
        put_number(&mut put, 0, prefix, number);
        assert_eq!(put, bytes(hex));
        let from = &mut &put[..];
        assert_eq!(take_number(from, prefix), Ok(number));
        assert!(from.is_empty());
    }
    for wrong in ["", "1f", "1fff", "1fffffffff00"] {
        assert_eq!(
            take_number(&mut &bytes(wrong)[..], 5),
            Err(Malformed),
            "{wrong}"
        );
    }
}

/// C.2
#[test]
fn representations() {
    let kept = "custom-key: custom-header";
    for (hex, field, is_kept) in [
        (
            "400a637573746f6d2d6b65790d637573746f6d2d686561646572",
            kept,
            true,
        ),
        ("040c2f73616d706c652f70617468", ":path: /sample/path", false),
        (
            "100870617373776f726406736563726574",
            "password: secret",
            false,
        ),
        ("82", ":method: GET", false),
    ] {
        let mut decoder = Decoder::new();
        assert_eq!(decoded(&mut decoder, hex).unwrap(), [field]);
        match is_kept {
            true => holds(&mut decoder, &[kept], 55),
            false => holds(&mut decoder, &[], 0),
        }
    }
}

const AUTHORITY: &str = ":authority: www.example.com";

const REQUESTS: [&[&str]; 3] = [
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
    ],
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
    ],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

/// C.3 and C.4
#[test]
fn requests() {
    for blocks in [
        [
            "828684410f7777772e6578616d706c652e636f6d",
            "828684be58086e6f2d6361636865",
            "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        ],
        [
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",
            "828684be5886a8eb10649cbf",
            "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        ],
    ] {
        let mut decoder = Decoder::new();
        let tables: [(&[&str], usize); 3] = [
            (&[AUTHORITY], 57),
            (&["cache-control: no-cache", AUTHORITY], 110),
            (
                &[
                    "custom-key: custom-value",
                    "cache-control: no-cache",
                    AUTHORITY,
                ],
                164,
            ),
        ];
        for ((hex, expected), (held, size)) in blocks.iter().zip(REQUESTS).zip(tables) {
            assert_eq!(decoded(&mut decoder, hex).unwrap(), expected);
            holds(&mut decoder, held, size);
        }
    }
}

const LOCATION: &str = "location: https://www.example.com";
const DATE: &str = "date: Mon, 21 Oct 2013 20:13:21 GMT";

/// C.5 and C.6, whose table holds 256 bytes. A server says so at the beginning of a block.
#[test]
fn responses_with_a_small_table() {
    let cookie = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    let responses: [&[&str]; 3] = [
        &[":status: 302", "cache-control: private", DATE, LOCATION],
        &[":status: 307", "cache-control: private", DATE, LOCATION],
        &[
            ":status: 200",
            "cache-control: private",
            "date: Mon, 21 Oct 2013 20:13:22 GMT",
            LOCATION,
            "content-encoding: gzip",
            cookie,
        ],
    ];
    // Each pushes out what has no more room.
    let private = "cache-control: private";
    let tables: [(&[&str], usize); 3] = [
        (&[LOCATION, DATE, private, ":status: 302"], 222),
        (&[":status: 307", LOCATION, DATE, private], 222),
        (&[cookie, "content-encoding: gzip", responses[2][2]], 215),
    ];
    for blocks in [
        [
            "3fe101 4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
            "4803333037c1c0bf",
            "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
        ],
        [
            "3fe101 488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
            "4883640effc1c0bf",
            "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ],
    ] {
        let mut decoder = Decoder::new();
        for ((hex, expected), (held, size)) in blocks.iter().zip(responses).zip(&tables) {
            assert_eq!(decoded(&mut decoder, hex).unwrap(), expected);
            holds(&mut decoder, held, *size);
        }
    }
}

/// What C.4 and C.6 have strings encoded as.
#[test]
fn strings() {
    for (text, hex) in [
        ("www.example.com", "8cf1e3c2e5f23a6ba0ab90f4ff"),
        ("no-cache", "86a8eb10649cbf"),
        ("custom-key", "8825a849e95ba97d7f"),
        ("custom-value", "8925a849e95bb8e8b4bf"),
        ("302", "826402"),
        ("private", "85aec3771a4b"),
        (
            "Mon, 21 Oct 2013 20:13:21 GMT",
            "96d07abe941054d444a8200595040b8166e082a62d1bff",
        ),
        (
            "https://www.example.com",
            "919d29ad171863c78f0b97c8e9ae82ae43d3",
        ),
        ("307", "83640eff"),
        ("gzip", "839bd9ab"),
        (
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            "ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        ),
    ] {
        let (mut coded, mut plain) = (vec![0x80], Vec::new());
        huffman::encode(text.as_bytes(), &mut coded);
        coded[0] |= (coded.len() - 1) as u8;
        assert_eq!(coded, bytes(hex), "{text}");
        let from = &mut &coded[..];
        assert_eq!(take_string(from, &mut plain), Ok(()));
        assert_eq!((plain, from.len()), (text.as_bytes().to_vec(), 0));
        // What gets no shorter is sent as it is.
        let mut put = Vec::new();
        put_string(&mut put, text.as_bytes());
        let is_shorter = coded.len() < 1 + text.len();
        assert_eq!(put == coded, is_shorter, "{text}");
    }
}

#[test]
fn what_is_no_block() {
    for (hex, what) in [
        ("80", "index 0"),
        ("be", "an index beyond the table"),
        ("ff80ffff7f", "an index far beyond it"),
        ("7f0001 62", "a name beyond the table, kept"),
        ("0f2f01 62", "a name beyond the table"),
        ("1f2f01 62", "a name beyond the table, never kept"),
        ("4005", "a string that is not there"),
        ("3fe21f", "a table of more than was allowed"),
        ("8220", "a size behind a field"),
        ("0085ffffffffff00", "Huffman's end"),
        ("0083ffffff00", "padding of more than a byte"),
        ("00821fff00", "padding of a byte"),
        ("00811800", "padding that is not ones"),
    ] {
        assert_eq!(decoded(&mut Decoder::new(), hex), Err(Malformed), "{what}");
    }
}

/// Appendix B, of which the examples have little. Of each length the first code, and some that are far apart.
#[test]
fn codes_are_those_of_appendix_b() {
    for (symbol, code, bits) in [
        (b'0', 0x0, 5),
        (b' ', 0x14, 6),
        (b':', 0x5c, 7),
        (b'&', 0xf8, 8),
        (b'!', 0x3f8, 10),
        (b'+', 0x7fb, 11),
        (b'#', 0xffa, 12),
        (0, 0x1ff8, 13),
        (b'^', 0x3ffc, 14),
        (b'<', 0x7ffc, 15),
        (b'\\', 0x7_fff0, 19),
        (128, 0xf_ffe6, 20),
        (153, 0x1f_ffdc, 21),
        (129, 0x3f_ffd2, 22),
        (1, 0x7f_ffd8, 23),
        (9, 0xff_ffea, 24),
        (199, 0x1ff_ffec, 25),
        (192, 0x3ff_ffe0, 26),
        (203, 0x7ff_ffde, 27),
        (2, 0xfff_ffe2, 28),
        (127, 0xfff_fffc, 28),
        (10, 0x3fff_fffc, 30),
        (22, 0x3fff_fffe, 30),
    ] {
        let mut coded = Vec::new();
        huffman::encode(&[symbol], &mut coded);
        let padding = coded.len() * 8 - bits;
        let number = coded
            .iter()
            .fold(0_u64, |sum, it| sum << 8 | u64::from(*it));
        assert_eq!(number >> padding, code, "{symbol}");
    }
}

#[test]
fn every_byte_has_a_code() {
    let all: Vec<u8> = (0..=255).collect();
    for text in [&all[..], b"", b"a", b"grpc-status", &all[..100]] {
        let mut coded = Vec::new();
        huffman::encode(text, &mut coded);
        assert_eq!(coded.len(), huffman::encoded_len(text));
        let mut plain = Vec::new();
        assert_eq!(huffman::decode(&coded, &mut plain), Ok(()));
        assert_eq!(plain, text);
    }
}

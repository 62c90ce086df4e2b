//! What YAML is read as, and what is said of the rest.

use serde_json::json;
use test_case::test_case;

use super::*;

fn read(text: &str) -> Result<Value, String> {
    let problems = Problems::default();
    let read = parse(text, &problems).map_err(|fault| format!("{}: {}", fault.at, fault.message));
    let problems = problems.into_vec();
    assert!(problems.is_empty(), "{problems:?}");
    read
}

const WRITTEN_BY_PEOPLE: &str = "\
# Greets
scenarios:
  - name: greet # by name
    load:
      open: { rate: 200/s, duration: 10s }
    steps:
      - grpc:
          method: a.B/C
          message: { name: \"{{ row.name }}\", count: 3 }
      - pause: 1s
    description: |
      Two
      lines
";

#[test_case(WRITTEN_BY_PEOPLE; "as it is")]
#[test_case(&WRITTEN_BY_PEOPLE.replace('\n', "\r\n"); "from Windows")]
#[test_case(&format!("---\n{WRITTEN_BY_PEOPLE}...\n"); "with its marks")]
fn a_file_as_people_write_them(text: &str) {
    let expected = json!({"scenarios": [{
        "name": "greet",
        "load": {"open": {"rate": "200/s", "duration": "10s"}},
        "steps": [
            {"grpc": {"method": "a.B/C", "message": {"name": "{{ row.name }}", "count": 3}}},
            {"pause": "1s"},
        ],
        "description": "Two\nlines\n",
    }]});
    assert_eq!(read(text), Ok(expected));
}

#[test_case("~" => "null")]
#[test_case("a:" => r#"{"a":null}"#)]
#[test_case("True" => "true")]
#[test_case("yes" => r#""yes""#)]
#[test_case("{a: no, b: on, c: off, d: y}" => r#"{"a":"no","b":"on","c":"off","d":"y"}"#; "what YAML 1.1 took for true and false")]
#[test_case("'true'" => r#""true""#)]
#[test_case("12345678901234567890123" => "12345678901234567890123")]
#[test_case("1.50" => "1.50")]
#[test_case("-1e3" => "-1e3")]
#[test_case("1E+400" => "1E+400")]
#[test_case("+5" => "5")]
#[test_case(".5" => "0.5")]
#[test_case("-.5e1" => "-0.5e1")]
#[test_case("5." => "5.0")]
#[test_case("5.e1" => "5.0e1")]
#[test_case("0x1F" => "31")]
#[test_case("0o17" => "15")]
#[test_case("0" => "0")]
#[test_case("-0" => "-0")]
#[test_case("0.5" => "0.5")]
#[test_case("1_000" => r#""1_000""#)]
#[test_case("10s" => r#""10s""#)]
#[test_case("1.2.3" => r#""1.2.3""#)]
#[test_case("2024-01-31" => r#""2024-01-31""#)]
#[test_case("12:30:45" => r#""12:30:45""#)]
#[test_case("." => r#"".""#)]
#[test_case("e5" => r#""e5""#)]
#[test_case("0x" => r#""0x""#)]
#[test_case("--- a\n..." => r#""a""#)]
#[test_case("[&a {x: 1}, *a]" => r#"[{"x":1},{"x":1}]"#)]
#[test_case("{1: a, true: b}" => r#"{"1":"a","true":"b"}"#; "keys that are no texts elsewhere")]
#[test_case("{\"<<\": 1, '~': 2}" => r#"{"<<":1,"~":2}"#; "odd keys in quotes")]
#[test_case("{\n\t\"a\": [\n\t\t1,\n\t\t\"\\u00e9\\/\"\n\t]\n}" => "{\"a\":[1,\"é/\"]}"; "JSON with tabs")]
fn is(text: &str) -> String {
    read(text).unwrap().to_string()
}

#[test_case("" => "0: it is empty; a suite is JSON or YAML"; "nothing")]
#[test_case("# nothing\n" => "10: it is empty; a suite is JSON or YAML"; "a comment")]
#[test_case("a: 1\n---\nb: 2\n" => "5: a second document begins; one file is one document"; "two documents")]
#[test_case("a: !!str 5" => "3: a tag (`!…`); write the value without, a text in quotes"; "a tag")]
#[test_case("a: !x [5]" => "3: a tag (`!…`); write the value without, a text in quotes"; "a tag of a list")]
#[test_case("<<: {a: 1}" => "0: a merge key (`<<`); `defaults` and `include` hold what several scenarios share"; "a merge key")]
#[test_case("é: 007" => "4: `007` may be a number or a text; write it without zeros in front, or in quotes"; "zeros in front")]
#[test_case("a: .inf" => "3: JSON has no number `.inf`; write a text such as \"Infinity\" or \"NaN\""; "infinity")]
#[test_case("a: 0xfffffffffffffffff" => "3: the number `0xfffffffffffffffff` is too big; write it in decimal digits"; "too big in hexadecimal")]
#[test_case("a: [a, b" => "8: a `[` that is not closed; expected `,` or `]`"; "an open list")]
#[test_case("a: {b: c" => "8: a `{` that is not closed; expected `,` or `}`"; "an open mapping")]
#[test_case("a: b: c" => "4: a `:` where none can be; a text with `: ` in it stands in quotes, and a key under the one it belongs to"; "two colons")]
#[test_case("a: *nobody" => "3: an alias of an anchor that is not above it; a text that begins with `*` stands in quotes"; "an alias of nothing")]
#[test_case("a: *" => "3: no name behind it; a text that begins with `*` or `&` stands in quotes"; "a star")]
#[test_case("? [a]\n: b" => "2: a list in place of a key; a key is a text"; "a list for a key")]
#[test_case("a: {{ user }}" => "4: a mapping in place of a key; a template stands in quotes: \"{{ … }}\""; "a template without quotes")]
#[test_case("&a b: c" => "0: a key with an anchor, alias or tag; a key is a text by itself"; "an anchor of a key")]
#[test_case(": b" => "0: nothing before the `:`; expected a key"; "no key")]
#[test_case("a: &x [*x]" => "7: an alias of what it is a part of"; "an alias within its anchor")]
#[test_case("a:\n\tb: c" => "4: a tab; YAML is indented with blanks"; "a tab before a key")]
#[test_case("a:\n  - b\n\t- c" => "7: a tab; YAML is indented with blanks"; "a tab before an item")]
#[test_case("a: \"b\nc: d\n" => "3: a quote that is not closed before the next key"; "an open quote")]
#[test_case("a: 'b" => "3: a quote that is never closed"; "an open single quote")]
#[test_case("a: \"b\" c" => "7: something behind a text in quotes"; "behind a quote")]
#[test_case("a: @b" => "3: a character that no text begins with; put it in quotes"; "an at sign")]
#[test_case("a: 1\nb\nc: 2" => "7: a line before this one has no `:`; expected `key: value`"; "a line without a colon")]
#[test_case("a:\n    b: 1\n  c: 2" => "14: something that is no key of the mapping above; does its indentation fit?"; "indentation that fits nothing")]
#[test_case("a: - b" => "3: a `-` where no list can begin; a list begins on a line of its own"; "a list in a line")]
#[test_case("a: \"\\q\"" => "3: found unknown escape character"; "an unknown escape")]
#[test_case("a: b\0c: d" => "4: a control character; write it as an escape in double quotes"; "a NUL")]
fn is_refused(text: &str) -> String {
    read(text).unwrap_err()
}

#[test]
fn a_key_twice_is_told_with_its_path() {
    let problems = Problems::default();
    let value = parse("a:\n  - b.c: 1\n    b.c: 2\n1: x\n'1': y\n", &problems);
    assert_eq!(value, Ok(json!({"a": [{"b.c": 1}], "1": "x"})));
    let paths: Vec<_> = problems.into_vec().into_iter().map(|it| it.path).collect();
    assert_eq!(paths, [r#"a[0]["b.c"]"#, "1"]);
}

#[test_case("[", "]"; "lists")]
#[test_case("{a: ", "}"; "mappings")]
fn depth_ends_where_that_of_json_does(open: &str, close: &str) {
    let nested = |depth| open.repeat(depth) + &close.repeat(depth);
    assert!(read(&nested(MOST_DEPTH)).is_ok());
    let error = read(&nested(MOST_DEPTH + 1)).unwrap_err();
    assert!(error.ends_with(fault::TOO_DEEP), "{error}");
    let lists = |depth| "[".repeat(depth) + &"]".repeat(depth);
    assert!(serde_json::from_str::<Value>(&lists(MOST_DEPTH)).is_ok());
    assert!(serde_json::from_str::<Value>(&lists(MOST_DEPTH + 1)).is_err());
}

#[test]
fn lists_by_indentation_end_there_too() {
    let error = read(&"- ".repeat(100_000)).unwrap_err();
    assert!(error.ends_with(fault::TOO_DEEP), "{error}");
}

/// Each level ten times the one before it.
#[test_case("x", 9; "of values")]
#[test_case(&"x".repeat(100_000), 4; "of a long text")]
fn aliases_do_not_multiply_without_end(value: &str, levels: usize) {
    let mut bomb = format!("- &a0 [{}]\n", [value; 10].join(", "));
    for level in 1..levels {
        let all = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!("- &a{level} [{all}]\n"));
    }
    let error = read(&bomb).unwrap_err();
    assert!(
        error.ends_with("repeat more than 64 MiB of the file"),
        "{error}"
    );
}

/// One that is dropped in recursion must not be deeper than one that is read.
#[test]
fn aliases_do_not_nest_without_end() {
    let around = |inner: &str| "[".repeat(100) + inner + &"]".repeat(100);
    let text = format!("- &a {}\n- &b {}\n", around("x"), around("*a"));
    let error = read(&text).unwrap_err();
    assert!(error.ends_with(fault::TOO_DEEP), "{error}");
}

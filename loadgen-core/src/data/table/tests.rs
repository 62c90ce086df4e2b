use test_case::test_case;

use super::*;

fn table(name: &str, text: &str) -> Result<Table, DataError> {
    Table::parse(Path::new(name), text.as_bytes().to_vec())
}

/// A row as its columns say it.
fn shown(table: &Table, number: u64) -> Vec<String> {
    let row = table.row(number);
    let field = |name| row.get_attr(name).unwrap().to_string();
    table.columns().map(field).collect()
}

#[test_case("a.csv", "name,age\nann,30\nbob,007\n"; "csv")]
#[test_case("a.CSV", "\u{feff}name,age\r\nann,30\r\nbob,007"; "csv with a mark, CRLF and no last line break")]
#[test_case("a.csv", "name,\"age\"\n\n\"ann\",30\n\n\"bob\",\"007\"\n\n"; "csv with quotes and empty lines")]
#[test_case("a.json", "[{\"name\": \"ann\", \"age\": 30} ,\n {\"age\": \"007\", \"name\": \"bob\"}]\n"; "json")]
#[test_case("a.json", "\u{feff}[{\"name\":\"ann\",\"age\":30},{\"name\":\"bob\",\"age\":\"007\"}]"; "json with a mark")]
#[test_case("a.jsonl", "{\"name\": \"ann\", \"age\": 30}\n\n{\"name\": \"bob\", \"age\": \"007\"}"; "json lines")]
#[test_case("a.ndjson", "{\"name\": \"ann\", \"age\": 30}\r\n{\"name\": \"bob\", \"age\": \"007\"}\r\n"; "json lines with CRLF")]
fn has_rows(name: &str, text: &str) {
    let table = table(name, text).unwrap();
    assert_eq!(table.columns().collect::<Vec<_>>(), ["name", "age"]);
    assert_eq!(table.len(), 2);
    assert_eq!(shown(&table, 0), ["ann", "30"]);
    assert_eq!(shown(&table, 1), ["bob", "007"]);
    assert!(table.row(2).is_undefined());
}

#[test]
fn a_field_may_hold_whatever_is_quoted() {
    let table = table("a.csv", "a,b\n\"x, \"\"y\"\"\nz\",\" 1 \"\n é ,\n").unwrap();
    assert_eq!(shown(&table, 0), ["x, \"y\"\nz", " 1 "]);
    assert_eq!(shown(&table, 1), [" é ", ""]);
}

#[test]
fn json_keeps_types_and_a_row_may_lack_a_field() {
    let table = table(
        "a.jsonl",
        "{\"id\": 9007199254740993}\n{\"tags\": [1, {\"x\": null}]}\n",
    )
    .unwrap();
    assert_eq!(table.columns().collect::<Vec<_>>(), ["id", "tags"]);
    assert_eq!(
        table.row(0).get_attr("id").unwrap().as_i64(),
        Some(9_007_199_254_740_993)
    );
    assert!(table.row(0).get_attr("tags").unwrap().is_undefined());
    assert_eq!(
        table.row(1).get_attr("tags").unwrap().to_string(),
        "[1, {\"x\": None}]"
    );
}

#[test_case("a.csv", "" => "it is empty; expected a line with the columns' names")]
#[test_case("a.csv", "name,age\n" => "it has no rows")]
#[test_case("a.csv", "name,age\nann,30\nbob\n" => "line 3: it has 1 field, and the first line names 2")]
#[test_case("a.csv", "name,age\nann,30,x\n" => "line 2: it has 3 fields, and the first line names 2")]
#[test_case("a.csv", "a,b\n1\n1,2\n1\n1\n1\n1\n1\n1\n" => "line 2: it has 1 field, and the first line names 2; line 4: it has 1 field, and the first line names 2; line 5: it has 1 field, and the first line names 2; line 6: it has 1 field, and the first line names 2; line 7: it has 1 field, and the first line names 2; and 2 more like these")]
#[test_case("a.csv", "name,age\nann,30\n\"bob,31\ncid,32\n" => "line 3: a quote is opened that nothing closes; what follows, to the end of the file, would be one field")]
#[test_case("a.csv", "name,age\n\"ann\n\"\"lee\"\"\",\"3" => "line 3: a quote is opened that nothing closes; what follows, to the end of the file, would be one field"; "in the line where it is opened")]
#[test_case("a.csv", "name,\"age\nann,30\n" => "line 1: a quote is opened that nothing closes; what follows, to the end of the file, would be one field"; "in the header")]
#[test_case("a.csv", "name,name\nann,30\n" => "line 1: two columns are named `name`")]
#[test_case("a.csv", "name,\nann,30\n" => "line 1: column 2 has no name")]
#[test_case("a.json", "" => "line 1, column 0: it is not JSON: EOF while parsing a value at line 1 column 0")]
#[test_case("a.json", "[]" => "it has no rows")]
#[test_case("a.json", "{\"a\": 1}" => "it is no JSON array; expected an array of objects, one for each row")]
#[test_case("a.json", "[{\"a\": 1}, 7]" => "row 2: found 7, expected a JSON object")]
#[test_case("a.json", "[{\"a\": 1}" => "line 1, column 9: it is not JSON: EOF while parsing a list at line 1 column 9")]
#[test_case("a.jsonl", "{\"a\": 1}\nb\n" => "line 2: found b, expected a JSON object")]
#[test_case("a.jsonl", "1\n{}\n2\n3\n4\n5\n6\n" => "line 1: found 1, expected a JSON object; line 3: found 2, expected a JSON object; line 4: found 3, expected a JSON object; line 5: found 4, expected a JSON object; line 6: found 5, expected a JSON object; and 1 more like these")]
#[test_case("a.jsonl", "{}\n\u{b}{}\n" => "line 2: found \u{b}{}, expected a JSON object"; "json lines with a blank that is none in JSON")]
#[test_case("a.jsonl", "{}\n\u{a0}\n" => "line 2: found \u{a0}, expected a JSON object"; "json lines with a line of such a blank")]
#[test_case("a.jsonl", "\n\n" => "it has no rows")]
#[test_case("a.txt", "a\nb" => "its name does not end in .csv, .json, .jsonl or .ndjson, which says what it holds")]
#[test_case("a.jsnl", "a\nb" => "its name does not end in .csv, .json, .jsonl or .ndjson, which says what it holds; did you mean `jsonl`?")]
fn is_refused(name: &str, text: &str) -> String {
    table(name, text).unwrap_err().to_string()
}

#[test_case("a.csv", b"a,b\n1,\xff\n" => "line 2: field 2 is not UTF-8")]
#[test_case("a.jsonl", b"{}\n{\"a\": \"\xff\"}\n" => "line 2: it is not UTF-8")]
fn is_no_text(name: &str, bytes: &[u8]) -> String {
    Table::parse(Path::new(name), bytes.to_vec())
        .unwrap_err()
        .to_string()
}

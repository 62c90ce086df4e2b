use std::collections::BTreeMap;

use serde_json::json;
use test_case::test_case;

use super::*;

fn scope() -> Scope {
    let variables = Variables {
        user: 7,
        iteration: 3,
        worker: 1,
        scenario: "greet".into(),
        row: value_of(&json!({"name": "ann", "age": 30, "tags": ["a", "b"]})),
        reply: value_of(&json!({"total": 3, "items": [{"id": "x"}]})),
        ..Variables::default()
    };
    Scope::new(variables, 1)
}

#[test_case("user" => "7")]
#[test_case("row.name ~ '-' ~ user" => "ann-7")]
#[test_case("row.age + 1" => "31")]
#[test_case("reply.total == 3 and reply.items[0].id == 'x'" => "true")]
#[test_case("row.name|upper" => "ANN")]
#[test_case("{'a': {'b': '}}'}}.a.b" => "}}")]
#[test_case("'b' in row.tags" => "true")]
#[test_case("json(row.tags)" => r#"["a","b"]"#)]
#[test_case("base64('abc')" => "YWJj")]
#[test_case("sha256('abc')" => "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
#[test_case("choice(['only'])" => "only")]
#[test_case("random(5, 5)" => "5")]
#[test_case("random(0.5, 0.5)" => "0.5")]
fn comes_to(source: &str) -> String {
    let value = Expression::parse(source)
        .unwrap()
        .evaluate(&scope())
        .unwrap();
    if value.kind() == minijinja::value::ValueKind::Bool {
        return value.is_true().to_string();
    }
    value.to_string()
}

#[test_case("" => "it is empty")]
#[test_case("user +" => "unexpected end of input, expected expression")]
#[test_case("user }} {{ user" => "`}}` closes nothing")]
#[test_case("user }}" => "`}}` closes nothing")]
#[test_case("user user" => "unexpected input after expression")]
fn is_no_expression(source: &str) -> String {
    Expression::parse(source).unwrap_err().to_string()
}

#[test_case("reply.nothing" => "`reply.nothing` is not there")]
#[test_case("saved.token" => "it uses a value that is not there")]
#[test_case("reply.nothing.more" => "it uses a value that is not there")]
#[test_case("row.name + 1" => "invalid operation: tried to use + operator on unsupported types string and number")]
#[test_case("choice([])" => "invalid operation: choice(): the list is empty")]
#[test_case("random(2, 1)" => "invalid operation: random(): the first number is above the second")]
#[test_case("random('a', 1)" => "invalid operation: random(): it takes two numbers")]
fn comes_to_nothing(source: &str) -> String {
    Expression::parse(source)
        .unwrap()
        .evaluate(&scope())
        .unwrap_err()
        .to_string()
}

#[test]
fn an_evaluation_without_end_ends() {
    let source =
        "{% for a in range(10000) %}{% for b in range(10000) %}{{ a }}{% endfor %}{% endfor %}";
    let error = Text::parse(source).unwrap().render(&scope()).unwrap_err();
    assert_eq!(error.to_string(), "it takes more than 100000 steps");
}

#[test_case("world" => matches Text::Constant(_))]
#[test_case("{ \"a\": 1 }" => matches Text::Constant(_))]
#[test_case("{{ user }}" => matches Text::Whole(_))]
#[test_case("{{ '}}' }}" => matches Text::Whole(_))]
#[test_case("{{ user }}{{ user }}" => matches Text::Mixed(_))]
#[test_case(" {{ user }}" => matches Text::Mixed(_))]
#[test_case("a{# nothing #}" => matches Text::Mixed(_))]
fn is_told_apart(source: &str) -> Text {
    Text::parse(source).unwrap()
}

#[test_case("hello {{ row.name }}\n" => "hello ann\n")]
#[test_case("{{ '<&>' }}!" => "<&>!" ; "nothing is escaped")]
#[test_case("{{ '{{' }} as it is" => "{{ as it is")]
#[test_case("{% if user > 3 %}many{% else %}few{% endif %}" => "many")]
#[test_case("{{ row.age }}" => "30")]
#[test_case("{{- user + 5 }}" => "12"; "a sign of the braces")]
#[test_case("{{ user > 3 }}" => "true"; "a boolean")]
#[test_case("is {{ user < 3 }}, {{ none }}" => "is false, null"; "booleans and nothing within a text")]
fn renders(source: &str) -> String {
    Text::parse(source)
        .unwrap()
        .render(&scope())
        .unwrap()
        .to_string()
}

#[test]
fn a_whole_expression_keeps_its_type() {
    let value = Text::parse("{{ row.age }}")
        .unwrap()
        .evaluate(&scope())
        .unwrap();
    assert_eq!(value.as_i64(), Some(30));
}

#[test]
fn the_same_seed_draws_the_same() {
    let uuid = Expression::parse("uuid()").unwrap();
    let draw = |seed| {
        let scope = Scope::new(Variables::default(), seed);
        [(); 2].map(|()| uuid.evaluate(&scope).unwrap().to_string())
    };
    let [first, second] = draw(1);
    assert_eq!([first.clone(), second.clone()], draw(1));
    assert_ne!(first, second);
    assert_ne!(first, draw(2)[0]);
    let later = Scope::new(Variables::default(), 1);
    later.change(|it| it.user = 1);
    assert_eq!(uuid.evaluate(&later).unwrap().to_string(), first);
    assert_eq!((&first[14..15], first.len()), ("4", 36));
    assert!(matches!(&first[19..20], "8" | "9" | "a" | "b"), "{first}");
}

fn known() -> BTreeMap<String, Known> {
    let row = ["name", "age"].map(|name| (name.to_owned(), Known::Scalar));
    [
        ("user", Known::Scalar),
        ("row", Known::fields(row)),
        ("saved", Known::fields([])),
        (
            "reply",
            Known::NotHere("there is no reply before the request".into()),
        ),
        ("env", Known::Anything),
    ]
    .map(|(name, known)| (name.to_owned(), known))
    .into()
}

#[test_case("user + row.age ~ env.HOME ~ uuid()" => Vec::<String>::new())]
#[test_case("uesr" => vec!["uesr is unknown; did you mean `user`?"])]
#[test_case("row.nmae" => vec!["row.nmae is unknown; did you mean `name`?"])]
#[test_case("row.name.first" => vec!["row.name.first is unknown; `row.name` has no fields"])]
#[test_case("saved.token" => vec!["saved.token is unknown; there are none"])]
#[test_case("reply.total == 3" => vec!["reply has no value here: there is no reply before the request"])]
#[test_case("uuuid()" => vec!["uuuid is unknown; did you mean `uuid`?"])]
#[test_case("a + b" => vec![
    "a is unknown; known: `base64`, `choice`, `debug`, `dict`, `env`, `json`, `lipsum`, `namespace`, `now`, `random`, `range`, `reply`, `row`, `saved`, `sha256`, `user`, `uuid`",
    "b is unknown; known: `base64`, `choice`, `debug`, `dict`, `env`, `json`, `lipsum`, `namespace`, `now`, `random`, `range`, `reply`, `row`, `saved`, `sha256`, `user`, `uuid`",
])]
fn does_not_know(source: &str) -> Vec<String> {
    let unknown = Expression::parse(source).unwrap().names().unknown(&known());
    unknown
        .iter()
        .map(|it| format!("{} {}", it.name, it.problem))
        .collect()
}

#[test_case("reply.total")]
#[test_case(" row.name ")]
#[test_case("reply.items")]
#[test_case("user")]
fn a_path_is_found_without_the_interpreter(source: &str) {
    let expression = Expression::parse(source).unwrap();
    let path = expression.path.clone().expect("it is a path");
    let found = path.find(&scope()).expect("it is there");
    let evaluated = expression.compiled.eval(scope().value()).unwrap();
    assert_eq!(found, evaluated);
}

#[test_case("reply.items[0].id")]
#[test_case("row.name|upper")]
#[test_case("(row.name)")]
#[test_case("user ~ user")]
#[test_case("true")]
#[test_case("'row.name'")]
fn what_is_no_path_is_left_to_the_interpreter(source: &str) {
    assert!(Expression::parse(source).unwrap().path.is_none());
}

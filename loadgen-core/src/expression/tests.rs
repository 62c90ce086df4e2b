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
#[test_case("2.0 * 3" => "6.0")]
#[test_case("1.0 + 2" => "3.0")]
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
#[test_case("row['name'] ~ row[\"age\"]" => "ann30")]
#[test_case("1 < row.age < 40 and not 1 < 40 < row.age" => "true"; "a chain")]
#[test_case("1 != 2 == 2 >= 2 > 1 <= 1" => "true"; "a longer chain")]
#[test_case("'a' < 'b' and 'a' != 'b' and 'x' == row.name|replace('ann', 'x')" => "true"; "texts")]
#[test_case("row.name == 40 or row.name != 40" => "true"; "a text that says no number is none")]
#[test_case("40 in ['40'] or 'b' in row.tags" => "true"; "a list may have it")]
#[test_case("1 + 2.5" => "3.5")]
#[test_case("9223372036854775807 + 1" => "9223372036854775808"; "beyond 64 bits")]
#[test_case("9223372036854775807 * 2" => "18446744073709551614"; "times two")]
#[test_case("'a' + 'b' ~ 'c' * 3 ~ 2 * 'd'" => "abcccdd")]
#[test_case("([1] + [2] * 2)|join('-')" => "1-2-2")]
#[test_case("[3, 1, 2]|sort|map('string')|join(', ')" => "1, 2, 3"; "filters one behind the other")]
#[test_case("'a,b'|split(',')|list|length" => "2")]
#[test_case("[1, 5, 9]|select('greaterthan', 4)|list" => "[5, 9]")]
#[test_case("true ~ none ~ [1] ~ 1.0" => "TrueNone[1]1.0"; "joined as minijinja does")]
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
#[test_case("user|uper" => "`uper` is no filter; did you mean `upper`?")]
#[test_case("user is nmber" => "`nmber` is no test; did you mean `number`?")]
#[test_case("a|b1|b2 ~ c is d|b3 ~ a|b4|b5|b6"
    => "`b1` is no filter; `b2` is no filter; `d` is no test; `b3` is no filter; `b4` is no filter; and 2 more like these")]
#[test_case("'x' * 70000000" => "it makes more than 64 MiB of texts and lists")]
#[test_case("('x' * 10000) * 10000 ~ user" => "it makes more than 64 MiB of texts and lists"; "times and times")]
fn is_no_expression(source: &str) -> String {
    Expression::parse(source).unwrap_err().to_string()
}

#[test_case("reply.nothing" => "`reply.nothing` is not there")]
#[test_case("saved.token" => "it uses a value that is not there")]
#[test_case("reply.nothing.more" => "it uses a value that is not there")]
#[test_case("row.name + 1" => "invalid operation: tried to use + operator on unsupported types string and number")]
#[test_case("choice([])" => "invalid operation: choice(): the list is empty")]
#[test_case("random(2, 1)" => "invalid operation: random(): the first number is above the second")]
#[test_case("reply.total > '2'" => "invalid operation: `>` compares a text with a number, and a text is no number; write `|int` behind the text")]
#[test_case("'2.5' == reply.total" => "invalid operation: `==` compares a text with a number, and a text is no number; write `|float` behind the text")]
#[test_case("row.name < 3" => "invalid operation: `<` compares a text with a number, and a text is no number; write `|int` behind the text")]
#[test_case("1 < 2 < row.name" => "invalid operation: `<` compares a text with a number, and a text is no number; write `|int` behind the text"; "in a chain")]
#[test_case("'3' is eq reply.total" => "invalid operation: `==` compares a text with a number, and a text is no number; write `|int` behind the text"; "as a test")]
#[test_case("row.nothing == 3" => "it uses a value that is not there")]
#[test_case("row.nothing ~ 3" => "it uses a value that is not there"; "joined")]
#[test_case("[1] * 3000000|int" => "it makes more than 64 MiB of texts and lists"; "a list")]
#[test_case("range(100000)|map('string')|join('x' * 1000)" => "it makes more than 64 MiB of texts and lists"; "what stands between")]
#[test_case("('a' * 100000)|replace('a', 'b' * 1000)" => "it makes more than 64 MiB of texts and lists"; "what is put in its place")]
#[test_case("('\\n' * 1000000)|indent(100)" => "it makes more than 64 MiB of texts and lists"; "what is put in front")]
#[test_case("[1]|batch(100000000, 0)" => "it makes more than 64 MiB of texts and lists"; "what a list is filled with")]
#[test_case("([[range(100000)|list] * 1000] * 1000)|string" => "it makes more than 64 MiB of texts and lists"; "a list of lists as a text")]
#[test_case("json([range(100000)|list] * 1000)" => "it makes more than 64 MiB of texts and lists"; "as JSON")]
#[test_case("random(1)" => "invalid operation: random(): it takes two numbers, as in `random(1, 6)`")]
#[test_case("choice()" => "invalid operation: choice(): it takes a list, as in `choice(['a', 'b'])`")]
#[test_case("random('a', 1)" => "invalid operation: random(): it takes two numbers, as in `random(1, 6)`")]
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

#[test_case("{% for a in range(9000) %}{{ 'x' * 900000 }}{% endfor %}"; "what is repeated")]
#[test_case("{% set all = namespace(x='x') %}{% for a in range(60) %}{% set all.x = all.x ~ all.x %}{% endfor %}"; "what doubles")]
#[test_case("{% set all = namespace(x=['x']) %}{% for a in range(60) %}{% set all.x = all.x + all.x %}{% endfor %}{{ all.x|length }}"; "a list that doubles")]
#[test_case("{% for a in range(9000) %}{% set x %}{{ 'x' * 90000 }}{% endset %}{% endfor %}"; "what is kept for later")]
#[test_case(&format!("{{% for a in range(9000) %}}{}{{% endfor %}}", "x".repeat(10_000)); "what stands there")]
fn an_evaluation_that_takes_all_memory_ends(source: &str) {
    let error = Text::parse(source).unwrap().render(&scope()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it makes more than 64 MiB of texts and lists"
    );
    // What comes next begins anew.
    assert!(Text::parse("{{ user }}!").unwrap().render(&scope()).is_ok());
}

#[test]
fn what_is_made_of_a_secret_is_one() {
    let secrets = crate::secrets::Secrets::default();
    let saved = Saved::default();
    let env = [("KEY".to_owned(), "s3cr3t".to_owned())];
    let variables = Variables {
        env: all_secret(env.into()),
        row: SecretFields::by_name(value_of(
            &json!({"name": "annabel", "password": "hunter22"}),
        )),
        saved: saved.value(),
        ..Variables::default()
    };
    let scope = Scope::telling(variables, 1, secrets.clone());
    let masked = |text: &str| secrets.masked(&format!("said: {text}"));
    let whole = Expression::parse("base64('u:' ~ env.KEY)|lower").unwrap();
    assert_eq!(whole.evaluate(&scope).unwrap().to_string(), "dtpzm2nym3q=");
    // What it came to, and what others may see of it.
    assert_eq!(masked("dtpzm2nym3q= dTpzM2NyM3Q="), "said: *** ***");
    let mixed = Text::parse("{{ row.name|upper }}:{{ env['KEY']|upper }}-{{ row.password[:6] }}");
    let text = mixed.unwrap().render(&scope).unwrap();
    assert_eq!(masked(&text), "said: ANNABEL:***-***");
    let save = |name: &str, source: &str| {
        let value = Expression::parse(source).unwrap().evaluate_telling(&scope);
        let (value, is_made_of_one) = value.unwrap();
        let is_secret = is_made_of_one || crate::secrets::names_a_secret(name);
        saved.save(&name.into(), value, is_secret);
        is_secret
    };
    assert!(save("id", "sha256(env.KEY)[:16]"));
    assert!(save("token", "'abc-' ~ 12345"));
    assert!(!save("plain", "row.name"));
    for (source, expected) in [
        ("saved.id|upper", "said: ***"),
        ("saved.token[1:]", "said: ***"),
        ("saved.plain|upper", "said: ANNABEL"),
        ("row.name if env.KEY else ''", "said: ***"),
    ] {
        let text = Text::parse(&format!("{{{{ {source} }}}}")).unwrap();
        assert_eq!(masked(&text.render(&scope).unwrap()), expected, "{source}");
    }
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

/// Whoever goes through a source calls itself: a long one would take the whole stack.
#[test_case("1", " + 1", "" => matches Err(_); "operators")]
#[test_case("row", ".name", "" => matches Err(_); "points")]
#[test_case("row", "['x']", "" => matches Err(_); "brackets")]
#[test_case("'x'", "|upper", "" => matches Err(_); "filters")]
#[test_case("", "not ", "true" => matches Err(_); "words")]
#[test_case("1", " if 1 else 1", "" => matches Err(_); "conditions")]
#[test_case("1", " < 1", "" => matches Err(_); "a chain of comparisons")]
#[test_case("", "{'a': [", "" => matches Err(_); "what is not closed")]
#[test_case("[", "{'a': row.name ~ 'x'}, ", "]" => matches Ok(_); "side by side")]
#[test_case("choice([", "'a', ", "'b'])" => matches Ok(_); "a long list")]
fn a_long_source(begin: &str, repeated: &str, end: &str) -> Result<Expression, ExpressionError> {
    Expression::parse(&format!("{begin}{}{end}", repeated.repeat(50_000)))
}

#[test_case("{% if user %}" => matches Err(_); "within each other")]
#[test_case("{% set x %}" => matches Err(_); "kept for later")]
#[test_case("{% if user %}a{% elif user > 1 %}" => matches Err(_); "one or the other")]
#[test_case("{% if user %}a{% endif %}{{ row.name ~ user }}{% set a = 1 %}" => matches Ok(_); "one behind the other")]
fn a_long_template(repeated: &str) -> Result<Text, ExpressionError> {
    Text::parse(&repeated.repeat(2_000))
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
        (
            "csv",
            Known::fields([
                ("age".to_owned(), Known::Text),
                ("full name".to_owned(), Known::Text),
            ]),
        ),
        ("count", Known::Number),
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
#[test_case("row['nmae']" => vec!["row.nmae is unknown; did you mean `name`?"]; "in brackets")]
#[test_case("csv['full nmae']" => vec!["csv['full nmae'] is unknown; did you mean `full name`?"]; "in brackets with a blank")]
#[test_case("csv['full name']|upper ~ row['age']" => Vec::<String>::new(); "right ones in brackets")]
#[test_case("row['name']['first']" => vec!["row.name.first is unknown; `row.name` has no fields"]; "in brackets, one below the other")]
#[test_case("row[user]" => Vec::<String>::new(); "what is not known before")]
#[test_case("uuuid()" => vec!["uuuid is unknown; did you mean `uuid`?"])]
#[test_case("a + b" => vec![
    "a is unknown; known: `base64`, `choice`, `count`, `csv`, `dict`, `env`, `json`, `namespace`, `now`, `random`, `range`, `reply`, `row`, `saved`, `sha256`, `user`, `uuid`",
    "b is unknown; known: `base64`, `choice`, `count`, `csv`, `dict`, `env`, `json`, `namespace`, `now`, `random`, `range`, `reply`, `row`, `saved`, `sha256`, `user`, `uuid`",
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
    let path = expression.0.direct.clone().expect("it is a path");
    let found = path.find(&scope()).expect("it is there");
    let code = &expression.0.code;
    let evaluated = code.evaluate(&ENVIRONMENT, scope().value()).unwrap();
    assert_eq!(found, evaluated);
}

#[test_case("reply.items[0].id")]
#[test_case("row.name|upper")]
#[test_case("uuid(1)")]
#[test_case("user ~ user")]
#[test_case("true")]
#[test_case("'row.name'")]
fn what_is_no_path_is_left_to_the_interpreter(source: &str) {
    assert!(Expression::parse(source).unwrap().0.direct.is_none());
}

#[test_case("user {{ user }}")]
#[test_case("{{ row.name }}: {{ reply.total }}, {{ reply.items }}")]
#[test_case("a {{- row.name -}} b{# nobody sees this #}\n")]
#[test_case("{{ user }}/{{ uuid() }}/{{ uuid() }}")]
#[test_case("{% raw %}{{ user }}{% endraw %} {{ user }}")]
fn values_between_texts_are_put_there_without_the_interpreter(source: &str) {
    let template = Template::parse(source).unwrap();
    let pieces = template.0.direct.as_ref().expect("nothing else is in it");
    let rendered = pieces.render(&scope()).unwrap();
    let (code, scope) = (&template.0.code, scope());
    let interpreted = code.render(&ENVIRONMENT, scope.value()).unwrap();
    assert_eq!(rendered.as_deref(), Some(&*interpreted));
}

#[test_case("{{ user + 1 }} times")]
#[test_case("{% if user %}{{ user }}{% endif %}")]
#[test_case("{% set it = row %}{{ it.name }}!")]
#[test_case("{{ row.name|upper }}!")]
fn what_is_more_than_that_is_left_to_the_interpreter(source: &str) {
    assert!(Template::parse(source).unwrap().0.direct.is_none());
}

#[test]
fn what_is_not_there_draws_no_more_chance_than_the_interpreter_does() {
    let template = Template::parse("{{ uuid() }} {{ row.nobody }}").unwrap();
    let (one, other) = (scope(), scope());
    let interpreted = template.0.code.render(&ENVIRONMENT, other.value());
    assert!(template.render(&one).is_err() && interpreted.is_err());
    assert_eq!(one.chance(), other.chance());
    assert_ne!(one.chance(), scope().chance());
}

#[test_case("Hello, {{ row.nobody }}!" => "it uses a value that is not there")]
#[test_case("Hello, {{ range }}!" => "Hello, function!"; "a function's name")]
fn what_is_not_there_is_told_by_the_interpreter(source: &str) -> String {
    let rendered = Text::parse(source).unwrap().render(&scope());
    rendered.map_or_else(|error| error.to_string(), |text| text.to_string())
}

#[test_case("csv.age > 40" => vec!["`csv.age > 40` compares a text with a number; write `csv.age|int > 40`"])]
#[test_case("csv['full name'] == count" => vec!["`csv['full name'] == count` compares a text with a number; write `csv['full name']|int == count`"])]
#[test_case("40.5 <= csv.age" => vec!["`40.5 <= csv.age` compares a text with a number; write `40.5 <= csv.age|float`"])]
#[test_case("count == '3'" => vec!["`count == '3'` compares a text with a number; write `count == 3`"])]
#[test_case("1 < csv.age < 3" => vec![
    "`1 < csv.age` compares a text with a number; write `1 < csv.age|int`",
    "`csv.age < 3` compares a text with a number; write `csv.age|int < 3`",
])]
#[test_case("csv.age ~ 'x' == count + 1" => vec!["`csv.age ~ 'x' == count + 1` compares a text with a number; write `(csv.age ~ 'x')|int == count + 1`"])]
#[test_case("csv.age|int > 40 and csv.age == '40' and csv.age != none" => Vec::<String>::new())]
#[test_case("csv.age == row.age or env.X > 3" => Vec::<String>::new(); "who knows")]
fn compares(source: &str) -> Vec<String> {
    let names = Expression::parse(source).unwrap().names();
    names.incomparable(&known())
}

#[test_case("{% set p = csv %}{{ p.agee }}" => vec!["csv.agee is unknown; did you mean `age`?"]; "by another name")]
#[test_case("{% for p in row.tags %}{{ p.x }}{% endfor %}" => vec!["row.tags is unknown; known: `age`, `name`"])]
#[test_case("{% set a = csv.age %}{% if a > 3 %}{% endif %}" => vec!["`a > 3`"]; "a text by another name")]
#[test_case("{% set a = 3 %}{% if user %}{% set a = csv.age %}{% endif %}{{ a > 3 }}" => Vec::<String>::new(); "one or the other")]
#[test_case("{% if user %}{% set x = 1 %}{% else %}{% set x = csv.age %}{% endif %}{{ x > 3 }}" => Vec::<String>::new(); "set in both")]
#[test_case("{% if user %}{% set x = 1 %}{% elif count %}{% set y = 2 %}{% endif %}{{ x ~ y }}" => Vec::<String>::new(); "set in one")]
#[test_case("{% if user %}{% set x = csv.age %}{% else %}{% set x = csv.age %}{% endif %}{{ x > 3 }}" => vec!["`x > 3`"]; "set to the same in both")]
#[test_case("{% filter upper %}{% set x = 'a' %}{% endfilter %}{% set z %}{% set y = 'b' %}{% endset %}{{ x ~ y ~ z }}" => Vec::<String>::new(); "set in what is written for later")]
#[test_case("{% for a in [] %}{% else %}{% set x = 1 %}{% endfor %}{{ x }}" => Vec::<String>::new(); "set where a loop has nothing")]
#[test_case("{% for a in [1] %}{% set count2 = a %}{% endfor %}{{ count2 }}" => vec!["count2 is unknown; did you mean `count`?"]; "set in a loop")]
#[test_case("{% with a = 1 %}{% set count2 = a %}{% endwith %}{{ count2 }}" => vec!["count2 is unknown; did you mean `count`?"]; "set in a block")]
#[test_case("{% set a = 3 %}{% for b in [1] %}{% set a = csv.age %}{% endfor %}{{ a > 3 }}" => Vec::<String>::new(); "set in a loop again")]
fn template_says(source: &str) -> Vec<String> {
    let names = Text::parse(source).unwrap().names();
    let unknown = names.unknown(&known());
    let unknown = unknown
        .iter()
        .map(|it| format!("{} {}", it.name, it.problem));
    let compared = names.incomparable(&known());
    let compared = compared
        .iter()
        .map(|it| it.split(" compares").next().unwrap_or_default().to_owned());
    unknown.chain(compared).collect()
}

/// It would send the environment.
#[test]
fn nothing_tells_all_that_is_known() {
    let variables = Variables {
        env: value_of(&json!({"TOKEN": "hunter22"})),
        ..Variables::default()
    };
    for source in ["{{ debug() }}", "{{ debug }}"] {
        let rendered = Text::parse(source).map(|it| it.render(&Scope::new(variables.clone(), 1)));
        assert!(
            !format!("{rendered:?}").contains("hunter22"),
            "{rendered:?}"
        );
        assert!(!matches!(rendered, Ok(Ok(_))), "{rendered:?}");
    }
}

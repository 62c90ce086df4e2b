use serde_json::json;
use test_case::test_case;

use super::super::{Expression, Saved, Scope, Text, Variables, value_of};
use super::*;
use crate::secrets::Secrets;

/// What names stand for, secrets among them, and who learns of those.
fn scope() -> (Scope, Secrets) {
    let secrets = Secrets::default();
    let saved = Saved::default();
    saved.save(&"code".into(), "made-of-one".into(), true);
    let login = json!({"user": "ludwig", "password": "fidelio9"});
    saved.save(&"login".into(), value_of(&login), false);
    let row = json!({
        "name": "annabel",
        "password": "hunter22",
        "word": "sesame",
        "pin": 471_123,
        "login": {"user": "wolfgang", "password": "zauber77"},
        "logins": [{"user": "joseph", "token": "schoepfung"}],
        "credentials": {"user": "clara", "keys": ["first-key", 9_081_726]},
    });
    let env = [("KEY".to_owned(), "s3cr3t".to_owned())];
    let variables = Variables {
        user: 12_345,
        env: all_secret(env.into()),
        row: SecretFields::by_name(value_of(&row)),
        saved: saved.value(),
        ..Variables::default()
    };
    (Scope::telling(variables, 1, secrets.clone()), secrets)
}

/// What a template comes to, its secrets masked.
fn masked(source: &str) -> String {
    let (scope, secrets) = scope();
    let text = Text::parse(source).unwrap().render(&scope).unwrap();
    secrets.masked_value(&text)
}

#[test_case("{{ user }} {{ row.password }}" => "12345 ***")]
#[test_case("{% set x = row.password %}{{ user }} {{ x }}" => "12345 ***"; "set")]
#[test_case("{% set x = row.password|upper %}{{ row.name }} {{ x|lower ~ 1 }}" => "annabel ***"; "made of what was set")]
#[test_case("{% set x = row.password|upper %}{{ row.name }}" => "annabel"; "set and not used")]
#[test_case("{% set x = row.password %}{% set x = row.name %}{{ x|upper }}" => "ANNABEL"; "set anew")]
#[test_case("{% set x = row.name %}{% with x = row.password|upper %}{{ x }} {% endwith %}{{ x|upper }}" => "*** ANNABEL"; "within a block")]
#[test_case("{% set a, b = [row.name, row.password|upper] %}{{ a }} {{ b }}" => "*** ***"; "of a list that has one")]
#[test_case("{% set x %}{{ row.password|upper }}!{% endset %}{{ row.name }} {{ x|lower }}" => "annabel ***"; "written for later")]
#[test_case("{{ row.password }} {% set x %}{{ row.name }}{% endset %}{{ x|upper }}" => "*** ANNABEL"; "written for later beside one")]
#[test_case("{% filter lower %}{{ row.password|upper }}!{% endfilter %}{{ row.name }}" => "***annabel"; "through a filter")]
#[test_case("{% set all = namespace(x=1) %}{% set all.x = row.password|upper %}{{ row.name }} {{ all.x|lower ~ 2 }}" => "annabel ***"; "in a namespace")]
#[test_case("{% for c in row.password %}{{ c|upper }}{% endfor %} {{ row.name }}" => "*** annabel"; "character by character")]
#[test_case("{% for c in row.password %}{{ c|upper }}-{% endfor %} {{ row.name }}" => "***- annabel"; "with something between")]
#[test_case("{% for n in range(8) %}{{ row.password[n]|upper }}{% endfor %} {{ row.name }}" => "*** annabel"; "by number")]
#[test_case("{% for part in row.password|batch(2) %}{% for c in part %}{{ c|upper }}{% endfor %}{% endfor %}" => "***"; "loops within each other")]
#[test_case("{% for c in row.password if c != 'r' %}{{ c|upper }}{% endfor %}" => "***"; "some of them")]
#[test_case("{% for c in row.password %}{{ loop.previtem|default('')|upper }}{% endfor %}" => "***"; "those before")]
#[test_case("{% for c in [row.password] recursive %}{{ c|upper if c is string else loop([1]) }} {% endfor %}{{ row.name }}" => "*** annabel"; "a loop that calls itself")]
#[test_case("{% for c in [row.name] recursive %}{{ loop([row.password|upper]) if c == row.name else c }}{% endfor %} {{ row.name }}" => "*** annabel"; "a loop that is called with one")]
#[test_case("{% for name in [row.name] %}{{ name|upper }}{% endfor %} {{ row.password }}" => "ANNABEL ***"; "a loop without")]
#[test_case("{% for l in row.logins if l.token %}{{ l.user|upper }}{% endfor %}" => "JOSEPH"; "a condition of a loop")]
#[test_case("{% if row.password %}{{ row.name|upper }}{% endif %}" => "ANNABEL"; "a condition")]
#[test_case("{% if row.password == 'a' %}b{% else %}{% set x = row.name %}{% endif %}{{ x|upper }}" => "ANNABEL"; "a condition that sets")]
#[test_case("{% if not row.password %}{% else %}{{ row.name|upper }}{% endif %}" => "ANNABEL"; "a condition with nothing in its first part")]
#[test_case("{{ row.name|upper if row.password else '' }}" => "***"; "a condition within an expression")]
#[test_case("{% set x = (row.name|upper if row.password else '') %}{{ x }} {{ row.name }}" => "*** annabel"; "a condition within what is set")]
#[test_case("{{ row.password == 'a' }} {{ row.name }} false" => "false annabel false"; "a word says nothing")]
#[test_case("{{ base64(row.password) }} {{ row.password }}" => "*** ***"; "what is read is one, too")]
#[test_case("{{ row.login.password|upper }} {{ row.login.user }}" => "*** wolfgang"; "in an object")]
#[test_case("{{ row.logins[0].token|upper }} {{ row.logins[0].user }}" => "*** joseph"; "in a list")]
#[test_case("{% for l in row.logins %}{{ l.user }}: {{ l.token|upper }}{% endfor %}" => "joseph: ***"; "in a list that is gone through")]
#[test_case("{{ row.credentials['keys'][0]|upper }} {{ row.credentials['keys'][1] + 1 }} {{ row.credentials.user }}" => "*** *** ***"; "below a name")]
#[test_case("{{ json(row.login) }}" => "***"; "as JSON")]
#[test_case("{{ row.login }} {{ row.name }}" => "*** annabel"; "an object as a text")]
#[test_case("{{ saved.code|upper }} {{ saved.login.password|upper }} {{ saved.login.user }}" => "*** *** ludwig"; "saved")]
#[test_case("{{ env.KEY|upper }}{{ user }}" => "***12345"; "of the environment")]
fn secrets_are_followed(source: &str) -> String {
    masked(source)
}

/// Others may repeat a part of it.
#[test_case("{{ base64('u:' ~ row.password) }}", "hunter22"; "what it was made of")]
#[test_case("{% set x = row.password|upper %}{{ user ~ x }}", "HUNTER22"; "what was set")]
#[test_case("{% for c in row.password|upper %}<{{ c }}>{% endfor %}", "HUNTER22"; "what was gone through")]
#[test_case("{{ json(row) }}", "zauber77"; "in an object")]
#[test_case("{{ row }}", "schoepfung"; "in a list of an object")]
fn parts_of_what_is_sent_are_secret(source: &str, part: &str) {
    let (scope, secrets) = scope();
    Text::parse(source).unwrap().render(&scope).unwrap();
    assert_eq!(secrets.masked_value(part), "***");
}

/// It is written as JSON after it was evaluated.
#[test]
fn a_whole_value_tells_of_the_secrets_in_it() {
    let (scope, secrets) = scope();
    let (value, is_secret) = Expression::parse("row.login")
        .unwrap()
        .evaluate_telling(&scope)
        .unwrap();
    assert!(!is_secret);
    assert_eq!(
        value.to_string(),
        r#"{"user": "wolfgang", "password": "zauber77"}"#
    );
    assert_eq!(secrets.masked_value("zauber77, wolfgang"), "***, wolfgang");
    let (_, is_secret) = Expression::parse("row.credentials")
        .unwrap()
        .evaluate_telling(&scope)
        .unwrap();
    assert!(is_secret);
    assert_eq!(secrets.masked_value("clara 9081726"), "*** ***");
}

/// What is left of one evaluation says nothing of the next.
#[test]
fn an_evaluation_that_fails_leaves_nothing() {
    let (scope, secrets) = scope();
    let failing = "{% set all = namespace() %}{% set all.x = row.password %}\
                   {% for c in row.password %}{% set y %}{{ row.nothing.more }}{% endset %}{% endfor %}";
    Text::parse(failing).unwrap().render(&scope).unwrap_err();
    let source = "{% for c in [1] %}{% set y %}{{ row.name|upper }}{% endset %}{{ y }}{% endfor %}";
    let text = Text::parse(source).unwrap().render(&scope).unwrap();
    assert_eq!(secrets.masked_value(&text), "ANNABEL");
}

/// Lists and objects are what they would be without secrets in them.
#[test_case("row.credentials['keys']|length ~ row.logins|length" => "21")]
#[test_case("'first-key' in row.credentials['keys']" => "true")]
#[test_case("row.credentials['keys'] == ['first-key', 9081726]" => "true")]
#[test_case("row.login == {'user': 'wolfgang', 'password': 'zauber77'}" => "true")]
#[test_case("row.logins|map(attribute='user')|join(',')" => "joseph")]
#[test_case("choice(row.logins).user" => "joseph")]
#[test_case("row.login|items|list|length" => "2")]
#[test_case("json(row.logins)" => r#"[{"user":"joseph","token":"schoepfung"}]"#)]
#[test_case("row.logins ~ ''" => r#"[{"user": "joseph", "token": "schoepfung"}]"#)]
#[test_case("row.nothing is defined or row.login.nothing is defined" => "false")]
#[test_case("row.logins[-1].user" => "joseph")]
fn values_stay_what_they_are(source: &str) -> String {
    let (scope, _) = scope();
    let value = Expression::parse(source).unwrap().evaluate(&scope).unwrap();
    match value.kind() {
        ValueKind::Bool => value.is_true().to_string(),
        _ => value.to_string(),
    }
}

#[test]
fn what_reads_no_secret_is_not_followed() {
    let source = "{% set x = user %}{% for c in [x] %}{{ c }}{% endfor %}{% if x %}a{% endif %}";
    let plain = Text::parse(source).unwrap();
    let followed = Text::parse(&format!("{source}{{{{ row.name }}}}")).unwrap();
    let is_followed = |text: &Text| match text {
        Text::Mixed(template) => format!("{:?}", template.0.code).contains("->"),
        _ => false,
    };
    assert!(!is_followed(&plain));
    assert!(is_followed(&followed));
}

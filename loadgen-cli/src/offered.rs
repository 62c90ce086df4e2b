//! What a gRPC server offers, as text for people.
//!
//! Owns the layout of services, methods, messages and enums. Asks nobody.

use loadgen_core::driver::grpc::{
    Described, EnumDescription, MessageDescription, MethodDescription, ServiceDescription,
};

use crate::{flow, output};

/// Services with their methods.
pub(crate) fn services(services: &[ServiceDescription], columns: usize) -> String {
    let each: Vec<String> = services.iter().map(|it| service(it, columns)).collect();
    each.join("\n")
}

/// What stands behind a name. `target` is where it was asked for, to be asked again.
pub(crate) fn described(described: &Described, target: &str, columns: usize) -> String {
    match described {
        Described::Service(it) => service(it, columns),
        Described::Method(it) => method(it, target, columns),
        Described::Message(it) => message(it, columns) + "\n" + &example(it),
        Described::Enum(it) => values(it, columns),
        other => output::json(other),
    }
}

fn service(service: &ServiceDescription, columns: usize) -> String {
    let short = |name: &str| name.rsplit('/').next().unwrap_or(name).to_owned();
    let rows = service.methods.iter().map(|it| {
        let types = format!("{} -> {}", it.request, it.reply);
        [short(&it.name), it.kind.as_str().to_owned(), types]
    });
    format!(
        "{}\n{}",
        service.name,
        table(&rows.collect::<Vec<_>>(), columns)
    )
}

fn method(method: &MethodDescription, target: &str, columns: usize) -> String {
    let MethodDescription {
        summary,
        request_message: request,
        reply_message: reply,
        ..
    } = method;
    let data = quoted(&request.example.to_string());
    let call = format!("loadgen grpc {target} {} --data {data}", summary.name);
    let head = format!("{}  {}\n", summary.name, summary.kind.as_str());
    let mut parts = vec![head, message(request, columns)];
    if reply.name != request.name {
        parts.push(message(reply, columns));
    }
    parts.extend([example(request), format!("{call}\n")]);
    parts.join("\n")
}

fn message(message: &MessageDescription, columns: usize) -> String {
    let rows = message.fields.iter().map(|it| {
        let oneof = it.oneof.as_ref().map(|name| format!("  (one of `{name}`)"));
        let kind = format!("{}{}", it.kind, oneof.unwrap_or_default());
        [it.name.clone(), it.number.to_string(), kind]
    });
    let rows: Vec<_> = rows.collect();
    let fields = match rows.as_slice() {
        [] => "  no fields\n".to_owned(),
        rows => table(rows, columns),
    };
    format!("{}\n{fields}", message.name)
}

fn example(message: &MessageDescription) -> String {
    format!(
        "An example, as --data takes it:\n{}",
        output::json(&message.example)
    )
}

fn values(values: &EnumDescription, columns: usize) -> String {
    let rows = values.values.iter();
    let rows = rows.map(|(name, number)| [name.clone(), number.to_string(), String::new()]);
    format!(
        "{}\n{}",
        values.name,
        table(&rows.collect::<Vec<_>>(), columns)
    )
}

/// Rows below a heading. The last column goes on in further lines; below the others where it has no room.
fn table(rows: &[[String; 3]], columns: usize) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| flow::columns(&row[column]));
        widths.max().unwrap_or_default()
    };
    let padded = |text: &str, width: usize| {
        let blanks = " ".repeat(width.saturating_sub(flow::columns(text)) + 2);
        format!("{text}{blanks}")
    };
    let (first, second, third) = (width(0), width(1), width(2));
    let before = 2 + first + 2 + second + 2;
    let lines = rows.iter().flat_map(|row| {
        let begin = format!("  {}{}", padded(&row[0], first), padded(&row[1], second));
        if before + third <= columns {
            return vec![format!("{begin}{}", row[2])];
        }
        let below = flow::hanging("      ", 8, &row[2], columns);
        let below = below.into_iter().filter(|it| !it.trim().is_empty());
        std::iter::once(begin).chain(below).collect()
    });
    lines
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits() {
        let rows = [
            [
                "PlaceOrder",
                "unary",
                "shop.v1.PlaceOrderRequest -> shop.v1.Receipt",
            ],
            ["Track", "server stream", "a.B -> a.C"],
        ];
        let rows = rows.map(|row| row.map(str::to_owned));
        insta::assert_snapshot!(table(&rows, 100), @r"
          PlaceOrder  unary          shop.v1.PlaceOrderRequest -> shop.v1.Receipt
          Track       server stream  a.B -> a.C
        ");
        insta::assert_snapshot!(table(&rows, 44), @r"
          PlaceOrder  unary
              shop.v1.PlaceOrderRequest ->
                shop.v1.Receipt
          Track       server stream
              a.B -> a.C
        ");
    }

    #[test]
    fn a_shell_takes_what_is_quoted_as_it_is() {
        assert_eq!(quoted("{\"a\": \"it's\"}"), r#"'{"a": "it'\''s"}'"#);
    }
}

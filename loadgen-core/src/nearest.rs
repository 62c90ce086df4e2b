//! The nearest valid name to one that is not, for error messages.

/// The candidate most like `name`, if any is like it at all.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Comparing takes time with the product of the lengths, and nothing that long is a slip.
    if name.len() > 200 {
        return None;
    }
    let lower = name.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let likeness = strsim::jaro_winkler(&lower, &candidate.to_lowercase());
            let distance = strsim::damerau_levenshtein(&lower, &candidate.to_lowercase());
            (candidate, likeness, distance)
        })
        .filter(|(candidate, likeness, distance)| {
            *distance <= 1.max(candidate.chars().count() / 3) || *likeness > 0.85
        })
        .min_by(|(_, a_like, a), (_, b_like, b)| a.cmp(b).then(b_like.total_cmp(a_like)))
        .map(|(candidate, ..)| candidate)
}

/// `did you mean …?`, if anything is like it.
pub(crate) fn did_you_mean<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(name, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("helo_high" => Some("hello_high"))]
    #[test_case("hello_hihg" => Some("hello_high"))]
    #[test_case("HELLO_HIGH" => Some("hello_high"))]
    #[test_case("echo" => Some("echo_high"))]
    #[test_case("something_else" => None)]
    #[test_case("" => None)]
    fn offers(name: &str) -> Option<&'static str> {
        nearest(name, ["hello_high", "hello_light", "echo_high"])
    }
}

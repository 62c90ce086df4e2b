//! The compact form and the full one in one file.

use crate::scenario::reader::problem::Problems;

/// Notes the fields that only the full form has.
pub(in crate::scenario) fn refuse_full_fields(given: &[(&str, bool)], problems: &Problems) {
    for (field, present) in given {
        if *present {
            problems.add(
                *field,
                "a field of the full form beside the compact form",
                "one form in a file",
                Some(
                    "`loadgen validate --print` rewrites the compact form into the full one"
                        .to_owned(),
                ),
            );
        }
    }
}

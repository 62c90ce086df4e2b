//! Any text is a condition on results or an error; what is read prints as text that reads as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::condition::Threshold;

fuzz_target!(|text: &str| match text.parse::<Threshold>() {
    Ok(threshold) => assert_eq!(threshold.expression().parse(), Ok(threshold)),
    Err(error) => {
        assert!(!error.to_string().is_empty());
        assert!(error.column() <= text.chars().count() + 1);
    }
});

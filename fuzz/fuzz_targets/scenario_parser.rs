//! Any text is a suite or an error; a suite prints as text that reads as the same suite.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::scenario::{Overrides, Suite, to_json};

fuzz_target!(|text: &str| {
    let suite = match Suite::parse("fuzz", text, None, Some("staging")) {
        Ok(suite) => suite,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            match Suite::parse("fuzz", text, None, None) {
                Ok(suite) => suite,
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    return;
                }
            }
        }
    };
    let printed = to_json(suite.scenarios()).to_string();
    if !suite.scenarios().is_empty() {
        let again =
            Suite::parse("printed", &printed, None, None).expect("what is printed is valid");
        assert_eq!(again.scenarios(), suite.scenarios());
    }
    let overrides = Overrides {
        requests: Some(1000),
        rate: "100/s".parse().ok(),
        ..Overrides::default()
    };
    for plan in suite.scenarios() {
        let (changed, _) = plan
            .with_overrides(&overrides)
            .expect("these overrides always fit");
        assert!(changed.checked().is_ok());
    }
});

//! Any text is a rate, a duration, a size, a target, a threshold or an error; what is read prints
//! as text that reads as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::scenario::Target;
use loadgen_core::condition::Threshold;
use loadgen_core::units::{Rate, Size, format_duration, parse_duration};

fuzz_target!(|text: &str| {
    match parse_duration(text) {
        Ok(duration) => assert_eq!(parse_duration(&format_duration(duration)), Ok(duration)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match text.parse::<Rate>() {
        Ok(rate) => assert_eq!(rate.to_string().parse(), Ok(rate)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match text.parse::<Size>() {
        Ok(size) => assert_eq!(size.to_string().parse(), Ok(size)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match text.parse::<Target>() {
        Ok(target) => assert_eq!(target.to_string().parse(), Ok(target)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match text.parse::<Threshold>() {
        Ok(threshold) => assert_eq!(threshold.expression().parse(), Ok(threshold)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

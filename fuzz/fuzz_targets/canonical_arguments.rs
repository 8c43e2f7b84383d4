//! Looks for inputs that break a promise of `test_support::fuzz::canonical_arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign::test_support::fuzz::canonical_arguments(data));

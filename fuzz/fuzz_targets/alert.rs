//! See `riposte_fuzz_bodies::alert`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| riposte_fuzz_bodies::alert(data));

//! Calls of a shard and its answers, as bytes.

#![no_main]

use std::fmt::Debug;

use edge_logout::revocation::ledger::{Answer, Call};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(call) = assert_same(data, Call::read, Call::write) {
        assert_eq!(Call::read(&with_more(data)), None, "{call:?} has an end");
    }
    if let Some(answer) = assert_same(data, Answer::read, Answer::write)
        && !matches!(answer, Answer::Segment(Some(_)))
    {
        assert_eq!(Answer::read(&with_more(data)), None, "{answer:?} has an end");
    }
});

/// What is read and written again is read as the same, and is never longer.
fn assert_same<T: PartialEq + Debug>(data: &[u8], read: fn(&[u8]) -> Option<T>, write: fn(&T) -> Vec<u8>) -> Option<T> {
    let value = read(data)?;
    let written = write(&value);
    assert!(written.len() <= data.len());
    assert_eq!(read(&written).as_ref(), Some(&value));
    Some(value)
}

fn with_more(data: &[u8]) -> Vec<u8> {
    [data, &[0]].concat()
}

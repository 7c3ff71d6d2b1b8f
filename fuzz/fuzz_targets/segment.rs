//! Filters of segments: hostile bytes, and, where an input begins with 0, a filter of chosen keys.

#![no_main]

use edge_logout::revocation::ledger::SegmentFilter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let keys: Vec<u64> = data.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    if let Some(filter) = SegmentFilter::read(data) {
        assert_eq!(filter.write(), data, "written again it is another filter");
        assert!(filter.size() <= data.len());
        for key in keys.iter().copied().chain([0, 1, u64::MAX, 1 << 63]) {
            let _ = filter.may_contain(key);
        }
        if let SegmentFilter::Listed(listed) = &filter {
            assert!(listed.iter().all(|key| filter.may_contain(*key)), "a key that is listed and not found");
        }
        let coarse = filter.clone().coarse();
        assert_eq!(SegmentFilter::read(&coarse.write()), Some(coarse));
    }
    if data.first() == Some(&0) {
        assert_none_missed(keys);
    }
});

/// A filter that is built has all its keys, and so has what is read of it.
fn assert_none_missed(mut keys: Vec<u64>) {
    keys.truncate(100);
    keys.sort_unstable();
    let built = SegmentFilter::build(keys.clone());
    let read = SegmentFilter::read(&built.write()).expect("a filter that was written");
    assert_eq!(read, built);
    assert!(keys.iter().all(|key| read.may_contain(*key)));
}

//! Matching of subtrees: all paths that a server could serve as a path, or as something below it.

use super::is_parameter;

/// Whether a server could serve a path as a pattern or as something below it: in any letter case, with a trailing
/// slash, an extension or further segments.
pub(super) fn is_within(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let mut wanted = pattern.split('/').peekable();
    while let Some(own) = wanted.next() {
        let Some(segment) = segments.next() else { return false };
        let is_last = wanted.peek().is_none();
        let is_same = own.eq_ignore_ascii_case(segment) || is_parameter(own) && !segment.is_empty();
        if !(is_same || is_last && is_extended(own, segment)) {
            return false;
        }
    }
    true
}

/// Whether a segment is another one plus an extension or any suffix that starts with a character other than a letter or
/// digit: `admin.json`, `ADMIN.`, `admin%20`, `admin::$DATA`.
fn is_extended(own: &str, segment: &str) -> bool {
    let start = segment.get(..own.len()).is_some_and(|start| start.eq_ignore_ascii_case(own));
    let is_of_name = |character: char| character.is_alphanumeric() || matches!(character, '-' | '_');
    start && segment.get(own.len()..).is_some_and(|rest| rest.starts_with(|first: char| !is_of_name(first)))
}

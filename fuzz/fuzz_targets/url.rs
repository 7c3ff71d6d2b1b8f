//! Hosts, authorities, paths and URLs, against the URL standard; and which guard a path falls to.

#![no_main]

use edge_logout::config::Config;
use edge_logout::http::{
    Authority, Target, Url, is_host, is_unambiguous_path, is_unchanged_by_url_parser, lenient_path, percent_decoded,
};
use edge_logout_fuzz::support::shipped;
use edge_logout_fuzz::text;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const STRICT: &str = "/pub/admin";

thread_local! {
    static TABLE: Config = {
        let mut table = shipped::table();
        shipped::add_guard(&mut table, &json!({ "paths": ["/pub/*"] }));
        shipped::add_guard(&mut table, &json!({ "paths": [STRICT], "subtree": true, "issuers": ["marzipan"] }));
        shipped::add_guard(&mut table, &json!({ "paths": ["/{any}/x"], "host": "api.example" }));
        shipped::parse(&table).expect("a good table")
    };
}

fuzz_target!(|data: &[u8]| {
    let text = text(data);
    assert_authority(text);
    assert_url(text);
    assert_path(text);
    if let Some(target) = Target::read(text) {
        let written = [target.path, &target.query_part()].concat();
        assert!(written == text || (target.query.is_empty() && [&written, "?"].concat() == text));
        assert_guard(target.path);
    }
});

fn written(authority: &Authority<'_>) -> String {
    authority.port.map_or(authority.host.to_owned(), |port| format!("{}:{port}", authority.host))
}

/// Zeros before a port are all that is not written as it was read.
fn without_zeros(text: &str) -> String {
    let (host, port) = text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).unwrap_or((text, ""));
    if port.is_empty() {
        return text.to_owned();
    };
    let port = port.trim_start_matches('0');
    [host, ":", if port.is_empty() { "0" } else { port }].concat()
}

fn assert_authority(text: &str) {
    let authority = Authority::read(text);
    assert_eq!(is_host(text), authority.is_some_and(|read| read.port.is_none()), "a host is an authority without port");
    let Some(authority) = authority else { return };
    assert_eq!(written(&authority), without_zeros(text));
    assert_eq!(Authority::read(&written(&authority)), Some(authority));
    // Invalid Punycode is the only text that the standard refuses and the reader takes.
    if let Ok(parsed) = url::Url::parse(&format!("https://{text}/path")) {
        assert_eq!(parsed.host_str(), Some(authority.host.to_ascii_lowercase().as_str()));
        assert_eq!(parsed.port_or_known_default(), Some(authority.port.unwrap_or(443)));
        assert_eq!((parsed.username(), parsed.password(), parsed.path()), ("", None, "/path"));
    }
}

fn assert_url(text: &str) {
    let Some(read) = Url::read(text) else { return };
    let scheme = if read.is_secure { "https://" } else { "http://" };
    let again = [scheme, &written(&read.authority), read.target.path, &read.target.query_part()].concat();
    assert_eq!(Url::read(&again), Some(read), "written again it is another URL");
    let Ok(parsed) = url::Url::parse(text) else { return };
    let port = if read.is_secure { 443 } else { 80 };
    assert_eq!(parsed.scheme(), scheme.trim_end_matches("://"));
    assert_eq!(parsed.host_str(), Some(read.authority.host.to_ascii_lowercase().as_str()));
    assert_eq!(parsed.port_or_known_default(), Some(read.authority.port.unwrap_or(port)));
    assert_eq!((parsed.username(), parsed.password(), parsed.fragment()), ("", None, None));
    if is_unchanged_by_url_parser(read.target.path) {
        assert_eq!(parsed.path(), read.target.path);
    }
}

/// A lenient server has read a path to its end, and reads a clear one as everybody does.
fn assert_path(path: &str) {
    let lenient = lenient_path(path);
    assert!(lenient.starts_with('/') && !lenient.contains("//") && !lenient.contains(['\\', ';']));
    assert!(!lenient.split('/').any(|segment| matches!(segment, "." | "..")));
    if percent_decoded(lenient.as_bytes()) == lenient.as_bytes() {
        assert_eq!(lenient_path(&lenient), lenient);
    }
    if is_unambiguous_path(path) && !path.contains('%') {
        assert_eq!(lenient, ["/", path.trim_matches('/')].concat());
    }
}

/// What a lenient server serves as the strict guard's path, or below it, is the strict guard's; hosts are compared
/// without case and final dot.
fn assert_guard(path: &str) {
    let lenient = lenient_path(path).to_ascii_lowercase();
    let is_strict = lenient.strip_prefix(STRICT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    TABLE.with(|config| {
        let found = |host: &str| {
            config.table.guard(host, path).and_then(|(route, _)| config.guard(route)).map(|guard| guard.paths.clone())
        };
        if is_strict {
            assert_eq!(found("edge.example"), Some(vec![STRICT.to_owned()]));
        }
        assert_eq!(found("API.example."), found("api.example"));
        assert_eq!(config.table.find("API.example.", path), config.table.find("api.example", path));
    });
}

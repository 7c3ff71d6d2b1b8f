//! Laws of the strict parser of URLs: the URL standard (crate `url`) reads whatever passes in the same way.

#![allow(clippy::unwrap_used)]

use edge_logout::http::{Authority, Target, Url, is_unambiguous_path, is_unchanged_by_url_parser};
use proptest::prelude::*;

/// Texts made of parts of URLs, with delimiters in wrong places, too.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("?".to_owned()),
        Just("#".to_owned()),
        Just(":".to_owned()),
        Just("@".to_owned()),
        Just("\\".to_owned()),
        Just(".".to_owned()),
        Just("..".to_owned()),
        Just("%2e".to_owned()),
        Just("%2E%2e".to_owned()),
        Just("%2f".to_owned()),
        Just("[::1]".to_owned()),
        Just("[".to_owned()),
        Just("0x7f".to_owned()),
        Just("127.0.0.1".to_owned()),
        Just(";".to_owned()),
        Just("{}^`\"<>|".to_owned()),
        Just("\t".to_owned()),
        Just(" ".to_owned()),
        Just("\u{e9}\u{3002}".to_owned()),
        "[a-zA-Z0-9._-]{1,6}",
        "[0-9]{1,6}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn an_authority_that_passes_is_host_and_port_for_everybody(text in pieces()) {
        if let Some(authority) = Authority::read(&text) {
            // Invalid Punycode is the only text that the standard refuses and the parser takes.
            if let Ok(parsed) = url::Url::parse(&format!("https://{text}/path")) {
                prop_assert_eq!(parsed.host_str().unwrap(), authority.host.to_ascii_lowercase());
                prop_assert_eq!(parsed.port_or_known_default(), Some(authority.port.unwrap_or(443)));
                prop_assert_eq!((parsed.username(), parsed.password(), parsed.path()), ("", None, "/path"));
            }
        }
    }

    #[test]
    fn an_url_that_passes_is_the_same_for_everybody(host in pieces(), rest in pieces()) {
        let text = format!("http://{host}{rest}");
        if let (Some(read), Ok(parsed)) = (Url::read(&text), url::Url::parse(&text)) {
            prop_assert_eq!(parsed.host_str().unwrap(), read.authority.host.to_ascii_lowercase());
            prop_assert_eq!(parsed.port_or_known_default(), Some(read.authority.port.unwrap_or(80)));
            prop_assert_eq!(parsed.fragment(), None);
            if is_unchanged_by_url_parser(read.target.path) {
                prop_assert_eq!(parsed.path(), read.target.path);
            }
        }
    }

    #[test]
    fn a_target_behind_any_host_keeps_its_path(text in pieces()) {
        let text = format!("/{text}");
        if let Some(target) = Target::read(&text) {
            let parsed = url::Url::parse(&format!("https://api.example{text}")).unwrap();
            prop_assert_eq!(parsed.host_str(), Some("api.example"));
            prop_assert_eq!(parsed.fragment(), None);
            if is_unchanged_by_url_parser(target.path) {
                prop_assert_eq!(parsed.path(), target.path);
            }
        }
    }

    #[test]
    fn a_kept_path_stays_below_the_base_that_it_is_put_behind(text in pieces()) {
        let path = format!("/{text}");
        if is_unchanged_by_url_parser(&path) {
            let parsed = url::Url::parse(&format!("https://internal.example/v2{path}")).unwrap();
            prop_assert_eq!(parsed.path(), format!("/v2{path}"));
        }
    }

    #[test]
    fn a_clear_path_is_kept_or_refused_and_decodes_to_as_many_segments(text in pieces()) {
        let path = format!("/{text}");
        if is_unambiguous_path(&path) && is_unchanged_by_url_parser(&path) {
            let parsed = url::Url::parse(&format!("https://api.example{path}")).unwrap();
            prop_assert_eq!(parsed.path(), &path);
            prop_assert_eq!(parsed.path_segments().unwrap().count(), path.split('/').skip(1).count());
        }
    }
}

//! The caller of a request: anonymous, a client with a secret, or a Worker with a service binding to `Internal`.

use std::net::Ipv6Addr;

use super::client_credential::client_of;
use super::judge::Judge;
use crate::config::{Client, Config};
use crate::http::Request;
use crate::ports::Platform;
use crate::revocation::Freshness;

/// The caller of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller<'a> {
    /// Any other caller.
    Anonymous,
    /// A Worker with a service binding to the entrypoint `Internal`, which is not reachable from the Internet.
    Internal,
    /// A configured client, authenticated by its secret.
    Client(&'a Client),
}

/// Authenticates the caller of a request.
pub(super) fn caller<'a>(config: &'a Config, request: &impl Request) -> Caller<'a> {
    if request.is_internal() {
        return Caller::Internal;
    }
    client_of(config, request).map_or(Caller::Anonymous, Caller::Client)
}

impl Caller<'_> {
    /// The client's name, for the log.
    pub(super) fn name(self) -> Option<String> {
        match self {
            Self::Client(client) => Some(client.name.clone()),
            Self::Anonymous | Self::Internal => None,
        }
    }
}

/// The freshness of a check whose query asks for `asked`. `None` if it is not allowed: untrusted callers must not
/// choose a more expensive check than `configured`.
pub(super) fn allowed_freshness(asked: Freshness, configured: Freshness, is_trusted: bool) -> Option<Freshness> {
    if is_trusted {
        return Some(asked);
    }
    match asked {
        // `eventual` would cost a KV read per check, so use the configured freshness, which is at least as strong.
        Freshness::Eventual => Some(configured),
        asked => configured.is_at_least(asked).then_some(asked),
    }
}

/// Whether the caller may look up another unverified token. The rate limiting binding, if any, counts them by address.
pub(super) async fn may_look_up<P: Platform>(judge: &Judge<'_, P>, request: &impl Request) -> bool {
    match limited_address(judge.config, request) {
        Some(address) => judge.platform.is_within_limit(&address).await,
        None => true,
    }
}

/// The address whose lookups are counted; `None` for a trusted caller that does not send one.
fn limited_address(config: &Config, request: &impl Request) -> Option<String> {
    let address = match caller(config, request) {
        // The caller's own address is a proxy's, so one attacker could block all users behind it.
        Caller::Internal | Caller::Client(_) => request.header(config.check.client_address_header.as_deref()?)?,
        // Requests without an address share one counter.
        Caller::Anonymous => request.header("cf-connecting-ip").unwrap_or_else(|| "unknown".to_owned()),
    };
    Some(network(address.trim()))
}

/// The rate limiting key of an address. For IPv6, its /64 network, since a host usually has all addresses of one.
fn network(address: &str) -> String {
    let Ok(read) = address.parse::<Ipv6Addr>() else { return address.chars().take(64).collect() };
    // Dual-stack servers write IPv4 addresses as IPv4-mapped IPv6, which all share one /64.
    if let Some(mapped) = read.to_ipv4_mapped() {
        return mapped.to_string();
    }
    let [a, b, c, d, ..] = read.segments();
    format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{allowed_freshness, network};
    use crate::revocation::Freshness::{Bounded, Eventual, Strong};

    #[test]
    fn nobody_unknown_asks_for_more_than_is_configured() {
        let bounded = |seconds| Bounded(Duration::from_secs(seconds));
        let cases = [
            (Strong, Strong, Some(Strong)),
            (Strong, bounded(1), None),
            (Strong, Eventual, None),
            (bounded(1), Strong, Some(bounded(1))),
            (bounded(1), bounded(1), Some(bounded(1))),
            (bounded(2), bounded(1), Some(bounded(2))),
            (bounded(1), bounded(2), None),
            (bounded(1), Eventual, None),
            (Eventual, Eventual, Some(Eventual)),
            (Eventual, bounded(1), Some(bounded(1))),
            (Eventual, Strong, Some(Strong)),
        ];
        for (asked, configured, allowed) in cases {
            assert_eq!(allowed_freshness(asked, configured, false), allowed, "{asked:?} {configured:?}");
            assert_eq!(allowed_freshness(asked, configured, true), Some(asked));
        }
    }

    #[test]
    fn a_network_is_counted_as_one() {
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7", "its neighbours are not counted with it");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(network("2001:db8:1:2::ffff"), network("2001:db8:1:2::1"));
    }
}

//! The caller: anonymous, a service with a client's secret, or a Worker bound to the entrypoint `Internal`.

use std::net::Ipv6Addr;

use super::client_credential::client_of;
use super::judge::Judge;
use crate::config::{Client, Config};
use crate::http::Request;
use crate::ports::Platform;
use crate::revocation::Freshness;

/// Who sent a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Caller<'a> {
    /// Anybody on the Internet.
    Anonymous,
    /// A Worker bound to the entrypoint `Internal`, which no route leads to.
    Internal,
    /// A service that sent this client's secret.
    Client(&'a Client),
}

/// The caller of a request.
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

/// The freshness of a check whose query asks for `asked` where the table says `configured`. `None`: refused, since an
/// anonymous caller must not choose what costs more than is configured.
pub(super) fn allowed_freshness(asked: Freshness, configured: Freshness, is_trusted: bool) -> Option<Freshness> {
    if is_trusted {
        return Some(asked);
    }
    match asked {
        // Eventual costs a read of KV every time; the configured promise is the stronger one.
        Freshness::Eventual => Some(configured),
        asked => configured.is_at_least(asked).then_some(asked),
    }
}

/// Whether a caller may have one more look-up of an unverified token. The rate limiting binding, if any, counts them by
/// address.
pub(super) async fn may_look_up<P: Platform>(judge: &Judge<'_, P>, request: &impl Request) -> bool {
    match limited_address(judge.config, request) {
        Some(address) => judge.platform.is_within_limit(&address).await,
        None => true,
    }
}

/// The address whose look-ups are counted; `None` for a trusted caller that sends none.
fn limited_address(config: &Config, request: &impl Request) -> Option<String> {
    let address = match caller(config, request) {
        // Its own address is a proxy's: counted by that, one attacker would block everybody behind it.
        Caller::Internal | Caller::Client(_) => request.header(config.check.client_address_header.as_deref()?)?,
        // Requests without an address share one count.
        Caller::Anonymous => request.header("cf-connecting-ip").unwrap_or_else(|| "unknown".to_owned()),
    };
    Some(network(address.trim()))
}

/// An address as it is counted: of IPv6 the first 64 bits, since a host usually has all addresses of its /64.
fn network(address: &str) -> String {
    let Ok(read) = address.parse::<Ipv6Addr>() else { return address.chars().take(64).collect() };
    // Dual-stack servers write IPv4 addresses so, which have one network in common.
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

//! The encoding of a revocation in Workers KV. `docs/reference/storage.md` documents the schema.

use std::time::Duration;

use serde_json::Value;

use super::super::record::{Limits, Revocation, Scope};
use crate::json::{self, Object};
use crate::ports::{KvEntry, KvLifetime};
use crate::time::Timestamp;

/// The minimum `expirationTtl` of Workers KV.
const KV_MIN_LIFETIME: Duration = Duration::from_mins(1);
/// Shorter lifetimes are written as a TTL: an absolute expiration could fall below KV's minimum before a retry arrives.
const KV_ABSOLUTE_FROM: Duration = Duration::from_mins(2);
/// The latest expiration that Workers KV accepts: it reads a 32-bit number.
const KV_LAST_SECOND: i64 = i32::MAX as i64;

/// The value of a KV entry. The metadata is the same, so that a key listing includes the revocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRevocation(Limits);

impl StoredRevocation {
    /// Parses a value; `None` if it is malformed.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let stored = json::read_object(value)?;
        let seconds = |value: &Value| value.as_f64().map(Timestamp::from_seconds_f64);
        let _issuer = stored.get("issuer")?.as_str()?;
        let _scope = Scope::named(stored.get("scope")?.as_str()?)?;
        let _revoked_at = stored.get("revoked_at")?.as_f64()?;
        let cut_off = match stored.get("cut_off") {
            None | Some(Value::Null) => None,
            Some(cut_off) => Some(seconds(cut_off)?),
        };
        Some(Self(Limits { cut_off, expires_at: seconds(stored.get("expires_at")?)? }))
    }

    /// Which tokens are revoked, and for how long.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.0
    }
}

/// Encodes a revocation as the JSON value of its KV entry.
fn write_stored(revocation: &Revocation) -> String {
    let stored = Object::new()
        .text("issuer", &revocation.issuer)
        .text("scope", revocation.scope.name())
        .raw("revoked_at", &revocation.revoked_at.as_seconds_text());
    let stored = match revocation.cut_off {
        Some(cut_off) => stored.raw("cut_off", &cut_off.as_seconds_text()),
        None => stored,
    };
    stored.raw("expires_at", &revocation.expires_at.as_seconds_text()).finish()
}

impl KvEntry {
    /// The KV entry of a revocation, to be written now.
    #[must_use]
    pub fn of(revocation: &Revocation, now: Timestamp) -> Self {
        Self {
            key: revocation.key(),
            value: write_stored(revocation),
            lifetime: KvLifetime::until(revocation.expires_at, now),
        }
    }
}

impl KvLifetime {
    /// The lifetime of an entry that expires at a time and is written now, within KV's limits.
    #[must_use]
    pub fn until(expires_at: Timestamp, now: Timestamp) -> Self {
        let remaining = expires_at.since(now);
        if remaining < KV_ABSOLUTE_FROM {
            let seconds = remaining.max(KV_MIN_LIFETIME).as_millis().div_ceil(1000);
            return Self::Seconds(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        let second = expires_at.as_seconds_rounded_up().min(KV_LAST_SECOND);
        Self::Until(u32::try_from(second).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revocation::DigestRules;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn lifetime(remaining_millis: i64) -> KvLifetime {
        KvLifetime::until(Timestamp::from_millis(NOW.as_millis().saturating_add(remaining_millis)), NOW)
    }

    #[test]
    fn kv_lifetimes_at_their_edges() {
        assert_eq!(lifetime(-5_000), KvLifetime::Seconds(60));
        assert_eq!(lifetime(0), KvLifetime::Seconds(60));
        assert_eq!(lifetime(60_000), KvLifetime::Seconds(60));
        assert_eq!(lifetime(60_001), KvLifetime::Seconds(61));
        assert_eq!(lifetime(119_999), KvLifetime::Seconds(120));
        assert_eq!(lifetime(120_000), KvLifetime::Until(1_800_000_120));
        assert_eq!(lifetime(120_001), KvLifetime::Until(1_800_000_121));
        assert_eq!(KvLifetime::until(Timestamp::from_seconds(2_147_483_647), NOW), KvLifetime::Until(2_147_483_647));
        assert_eq!(KvLifetime::until(Timestamp::from_seconds(2_147_483_648), NOW), KvLifetime::Until(2_147_483_647));
        assert_eq!(KvLifetime::until(Timestamp::from_seconds(i64::MAX), NOW), KvLifetime::Until(2_147_483_647));
        // After 2038 the latest expiration is in the past, which KV itself rejects.
        let after = Timestamp::from_seconds(2_200_000_000);
        assert_eq!(KvLifetime::until(after.plus(Duration::from_hours(1)), after), KvLifetime::Until(2_147_483_647));
    }

    fn revocation(cut_off: Option<Timestamp>) -> Revocation {
        Revocation {
            digest: DigestRules::default().recorded("worth", Scope::Subject, "jane"),
            issuer: "worth".to_owned(),
            scope: Scope::Subject,
            revoked_at: Timestamp::from_millis(1_800_000_000_120),
            cut_off,
            expires_at: Timestamp::from_seconds(1_800_003_600),
            duplicate_window: Duration::ZERO,
        }
    }

    #[test]
    fn what_is_stored_is_read_back() {
        let revocation = revocation(Some(NOW));
        let stored = StoredRevocation::parse(&KvEntry::of(&revocation, NOW).value).unwrap();
        assert_eq!(stored.limits(), revocation.limits());
        assert!(stored.limits().match_token(None));
        assert!(stored.limits().match_token(Some(NOW)));
        assert!(!stored.limits().match_token(Some(NOW.plus(Duration::from_millis(1)))));
    }

    /// Operators read it, and it lives for weeks: it may change only with the version in its key.
    #[test]
    fn the_value_in_kv_stays_as_it_is() {
        let with_cut_off = concat!(
            r#"{"issuer":"worth","scope":"subject","revoked_at":1800000000.12,"#,
            r#""cut_off":1800000000.12,"expires_at":1800003600.0}"#
        );
        assert_eq!(write_stored(&revocation(Some(Timestamp::from_millis(1_800_000_000_120)))), with_cut_off);
        assert_eq!(write_stored(&revocation(None)), with_cut_off.replace(r#""cut_off":1800000000.12,"#, ""));
        for (is, made) in
            [("1800003600.0", "null"), ("subject", "user"), ("\"worth\"", "7"), ("1800000000.12", "\"1\"")]
        {
            assert_eq!(StoredRevocation::parse(&with_cut_off.replace(is, made)), None, "{made}");
        }
        for text in ["", "[]", "{}"] {
            assert_eq!(StoredRevocation::parse(text), None, "{text}");
        }
        let by_hand = r#"{"scope":"issuer","issuer":"i","revoked_at":1,"cut_off":null,"expires_at":2,"why":"by hand"}"#;
        let expires_at = Timestamp::from_seconds(2);
        assert_eq!(StoredRevocation::parse(by_hand).unwrap().limits(), Limits { cut_off: None, expires_at });
    }
}

//! A revocation as a value in Workers KV. `docs/storage.md` has the schema for those who read it from outside.

use serde_json::Value;

use super::record::{Limits, Revocation, Scope};
use crate::json::{self, Object};
use crate::time::Timestamp;

/// What a revocation's value in KV says, which is its metadata as well, so that listing keys is enough to read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRevocation(Limits);

impl StoredRevocation {
    /// What a value in KV says, `None` when it cannot be read.
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

    /// Which tokens it ends.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.0
    }
}

/// A revocation's value in Workers KV: what operators read.
pub(super) fn write_stored(revocation: &Revocation) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::record::sample::{NOW, revocation};
    use super::*;

    /// Operators read it, and it lives for weeks: it may change only with the version in its key.
    #[test]
    fn the_value_in_kv_stays_as_it_is() {
        let with_cut_off = concat!(
            r#"{"issuer":"worth","scope":"subject","revoked_at":1800000000.12,"#,
            r#""cut_off":1800000000.12,"expires_at":1800003600.0}"#
        );
        assert_eq!(write_stored(&revocation(Some(NOW))), with_cut_off);
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

//! Questions to the ledger and their answers as JSON.

use serde_json::{Map, Value};

use super::client::LedgerQuestion;
use super::digest::Digest;
use super::feed::{Changes, FeedEntry};
use super::ledger::Since;
use super::record::{Limits, Revocation, Scope};
use crate::json::{self, Array, Object, take_text};
use crate::time::Timestamp;

impl LedgerQuestion {
    /// The question as JSON, one member named after what is asked.
    #[must_use]
    pub fn write(&self) -> String {
        let (name, asked) = match self {
            Self::Record(batch) => ("Record", array(batch.iter().map(write_revocation))),
            Self::Contains(keys) => ("Contains", array(keys.iter().map(|key| json::quoted(key)))),
            Self::Changes(Since::Start(after)) => ("Changes", Object::new().raw("Start", &after.to_string()).finish()),
            Self::Changes(Since::Version(epoch, version)) => {
                let version = array([json::quoted(epoch), version.to_string()].into_iter());
                ("Changes", Object::new().raw("Version", &version).finish())
            }
        };
        Object::new().raw(name, &asked).finish()
    }

    /// Reads a question, `None` when it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (name, asked) = only_member(json::read(text)?)?;
        match (name.as_str(), asked) {
            ("Record", Value::Array(batch)) => {
                batch.into_iter().map(read_revocation).collect::<Option<_>>().map(Self::Record)
            }
            ("Contains", Value::Array(keys)) => {
                keys.into_iter().map(text_of).collect::<Option<_>>().map(Self::Contains)
            }
            ("Changes", since) => read_since(since).map(Self::Changes),
            _ => None,
        }
    }
}

fn read_since(since: Value) -> Option<Since> {
    match only_member(since)? {
        (name, after) if name == "Start" => after.as_u64().map(Since::Start),
        (name, Value::Array(version)) if name == "Version" => {
            let [epoch, version] = <[Value; 2]>::try_from(version).ok()?;
            Some(Since::Version(text_of(epoch)?, version.as_u64()?))
        }
        _ => None,
    }
}

fn write_revocation(revocation: &Revocation) -> String {
    let spare = Object::new()
        .raw("secs", &revocation.spare.as_secs().to_string())
        .raw("nanos", &revocation.spare.subsec_nanos().to_string());
    Object::new()
        .text("key", &revocation.key)
        .text("issuer", &revocation.issuer)
        .text("scope", revocation.scope.name())
        .number("revoked_at", revocation.revoked_at.as_millis())
        .number_or_null("cut_off", revocation.cut_off.map(Timestamp::as_millis))
        .number("expires_at", revocation.expires_at.as_millis())
        .raw("spare", &spare.finish())
        .finish()
}

fn read_revocation(revocation: Value) -> Option<Revocation> {
    let Value::Object(mut revocation) = revocation else { return None };
    let spare = revocation.get("spare")?;
    let (seconds, nanos) = (spare.get("secs")?.as_u64()?, spare.get("nanos")?.as_u64()?);
    let limits = read_limits(&revocation)?;
    Some(Revocation {
        scope: Scope::named(revocation.get("scope")?.as_str()?)?,
        revoked_at: moment(revocation.get("revoked_at")?)?,
        spare: std::time::Duration::from_secs(seconds).saturating_add(std::time::Duration::from_nanos(nanos)),
        key: take_text(&mut revocation, "key")?,
        issuer: take_text(&mut revocation, "issuer")?,
        cut_off: limits.cut_off,
        expires_at: limits.expires_at,
    })
}

/// What a shard answers to [`LedgerQuestion::Contains`].
pub(super) fn write_found(found: &[Option<Limits>]) -> String {
    array(found.iter().map(|limits| {
        match limits {
            None => "null".to_owned(),
            Some(limits) => Object::new()
                .number_or_null("cut_off", limits.cut_off.map(Timestamp::as_millis))
                .number("expires_at", limits.expires_at.as_millis())
                .finish(),
        }
    }))
}

pub(super) fn read_found(text: &str) -> Option<Vec<Option<Limits>>> {
    let Value::Array(found) = json::read(text)? else { return None };
    let limits = |limits: &Value| match limits {
        Value::Null => Some(None),
        limits => read_limits(limits.as_object()?).map(Some),
    };
    found.iter().map(limits).collect()
}

fn read_limits(limits: &Map<String, Value>) -> Option<Limits> {
    let cut_off = match limits.get("cut_off") {
        None | Some(Value::Null) => None,
        Some(cut_off) => Some(moment(cut_off)?),
    };
    Some(Limits { cut_off, expires_at: moment(limits.get("expires_at")?)? })
}

/// A page of the feed has thousands of entries: they are one text, `DIGEST VERSION` or `DIGEST VERSION CUT_OFF` each, with
/// commas between them. An array of arrays would be a value of its own for every entry and every part of it.
impl Changes {
    /// The answer as JSON.
    #[must_use]
    pub fn write(&self) -> String {
        let mut entries = String::new();
        for FeedEntry(digest, version, cut_off) in &self.entries {
            if !entries.is_empty() {
                entries.push(',');
            }
            entries.push_str(&digest.text());
            entries.push(' ');
            entries.push_str(&version.to_string());
            if let Some(cut_off) = cut_off {
                entries.push(' ');
                entries.push_str(&cut_off.as_millis().to_string());
            }
        }
        Object::new()
            .text("epoch", &self.epoch)
            .raw("after", &self.after.to_string())
            .raw("trimmed", &self.trimmed.to_string())
            .raw("upto", &self.upto.to_string())
            .raw("oldest", &self.oldest.to_string())
            .flag("is_complete", self.is_complete)
            .raw("whole_of", &self.whole_of.to_string())
            .text("entries", &entries)
            .finish()
    }

    /// Reads an answer, `None` when any of it cannot be understood: the feed of a newer version of this service.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut changes = json::read_object(text)?;
        let entries = changes.get("entries")?.as_str()?;
        let entries = entries.split(',').filter(|entry| !entry.is_empty()).map(read_entry).collect::<Option<_>>()?;
        Some(Self {
            after: changes.get("after")?.as_u64()?,
            trimmed: changes.get("trimmed")?.as_u64()?,
            upto: changes.get("upto")?.as_u64()?,
            oldest: changes.get("oldest")?.as_u64()?,
            is_complete: changes.get("is_complete")?.as_bool()?,
            // An earlier version of this service says nothing of it.
            whole_of: changes.get("whole_of").and_then(Value::as_u64).and_then(|of| of.try_into().ok()).unwrap_or(0),
            epoch: take_text(&mut changes, "epoch")?,
            entries,
        })
    }
}

fn read_entry(entry: &str) -> Option<FeedEntry> {
    let (digest, rest) = entry.split_once(' ')?;
    let (version, cut_off) = match rest.split_once(' ') {
        None => (rest, None),
        Some((version, cut_off)) => (version, Some(Timestamp::from_millis(cut_off.parse().ok()?))),
    };
    Some(FeedEntry(Digest::parse(digest)?, version.parse().ok()?, cut_off))
}

fn array(elements: impl Iterator<Item = String>) -> String {
    let mut array = Array::new();
    elements.for_each(|element| array.raw(&element));
    array.finish()
}

fn moment(value: &Value) -> Option<Timestamp> {
    value.as_i64().map(Timestamp::from_millis)
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// The name and the value of the one member that there is.
fn only_member(value: Value) -> Option<(String, Value)> {
    let Value::Object(object) = value else { return None };
    let mut members = object.into_iter();
    members.next().filter(|_| members.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::super::record::sample::{NOW, revocation};
    use super::*;

    #[test]
    fn questions_are_read_as_they_were_written() {
        let record = LedgerQuestion::Record(vec![revocation(None), revocation(Some(NOW))]);
        let contains = LedgerQuestion::Contains(vec!["a".to_owned(), "\"".to_owned()]);
        let since = Since::Version("e".to_owned(), 7);
        for (question, text) in [
            (record, None),
            (LedgerQuestion::Record(vec![]), Some(r#"{"Record":[]}"#)),
            (contains, Some(r#"{"Contains":["a","\""]}"#)),
            (LedgerQuestion::Changes(Since::Start(3)), Some(r#"{"Changes":{"Start":3}}"#)),
            (LedgerQuestion::Changes(since), Some(r#"{"Changes":{"Version":["e",7]}}"#)),
        ] {
            let written = question.write();
            assert!(text.is_none_or(|text| text == written), "{written}");
            assert_eq!(LedgerQuestion::read(&written), Some(question));
        }
    }

    #[test]
    fn what_is_no_question_is_not_guessed() {
        for text in [
            "",
            "null",
            "{}",
            r#"{"Forget":[]}"#,
            r#"{"Record":[{}]}"#,
            r#"{"Contains":[1]}"#,
            r#"{"Contains":[],"Record":[]}"#,
            r#"{"Changes":{"Start":-1}}"#,
            r#"{"Changes":{"Version":["e"]}}"#,
        ] {
            assert_eq!(LedgerQuestion::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_found_is_read_as_it_was_written() {
        let found = [None, Some(revocation(None).limits()), Some(revocation(Some(NOW)).limits())];
        assert_eq!(read_found(&write_found(&found)), Some(found.to_vec()));
        for text in ["{}", "[1]", "[{}]", r#"[{"cut_off":null,"expires_at":"1"}]"#] {
            assert_eq!(read_found(text), None, "{text}");
        }
    }
}

//! A bounded cache by token.

use std::collections::HashMap;
use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

/// A cache with two generations, an approximation of LRU. When the young generation is full, it replaces the old one. A
/// lookup moves an entry to the young generation, so entries in use stay.
#[derive(Debug)]
pub struct Recent<T> {
    young: HashMap<Box<str>, T, Ends>,
    old: HashMap<Box<str>, T, Ends>,
    young_bytes: usize,
    limits: RecentLimits,
}

/// The limits of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentLimits {
    /// The number of tokens.
    pub tokens: usize,
    /// The total length of the tokens, in bytes.
    pub bytes: usize,
}

/// Hashes only the end of a text. The end of a JWT is part of its signature, which is as distinctive as the whole.
#[derive(Clone, Debug, Default)]
struct Ends(RandomState);

impl BuildHasher for Ends {
    type Hasher = EndHasher;

    fn build_hasher(&self) -> EndHasher {
        EndHasher(self.0.build_hasher())
    }
}

struct EndHasher(DefaultHasher);

impl Hasher for EndHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes.last_chunk::<32>().map_or(bytes, |end| end));
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

impl<T: Clone> Recent<T> {
    /// Creates an empty cache.
    #[must_use]
    pub fn new(limits: RecentLimits) -> Self {
        Self { young: HashMap::default(), old: HashMap::default(), young_bytes: 0, limits }
    }

    /// Finds the value of a token.
    pub fn find(&mut self, token: &str) -> Option<T> {
        if let Some(found) = self.young.get(token) {
            return Some(found.clone());
        }
        let (token, found) = self.old.remove_entry(token)?;
        self.keep(token, found.clone());
        Some(found)
    }

    /// Inserts or replaces the value of a token.
    pub fn insert(&mut self, token: &str, value: T) {
        self.old.remove(token);
        self.keep(token.into(), value);
    }

    fn keep(&mut self, token: Box<str>, value: T) {
        if self.young.len() >= self.limits.tokens || self.young_bytes >= self.limits.bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes = self.young_bytes.saturating_add(token.len());
        self.young.insert(token, value);
    }

    /// The number of cached tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len().saturating_add(self.old.len())
    }

    /// Whether the cache is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let mut recent = Recent::new(RecentLimits { tokens: 10, bytes: 1_000 });
        recent.insert("used", 0);
        for token in 0..1_000 {
            recent.insert(&format!("token-{token}"), token);
            assert_eq!(recent.find("used"), Some(0), "after {token}");
            assert!(recent.len() <= 22, "{}", recent.len());
        }
        assert_eq!(recent.find("token-1"), None);
        assert_eq!(recent.find("token-999"), Some(999));
    }

    #[test]
    fn long_tokens_are_fewer() {
        let mut recent = Recent::new(RecentLimits { tokens: 1_000, bytes: 1_000 });
        (0..100).for_each(|token| recent.insert(&format!("{token:0500}"), token));
        assert!(recent.len() <= 6, "{}", recent.len());
    }

    #[test]
    fn texts_of_one_end_are_told_apart() {
        let mut recent = Recent::new(RecentLimits { tokens: 10, bytes: 10_000 });
        let token = |begin: &str| format!("{begin}.{}", "x".repeat(64));
        recent.insert(&token("a"), 1);
        recent.insert(&token("b"), 2);
        assert_eq!(
            [recent.find(&token("a")), recent.find(&token("b")), recent.find(&token("c"))],
            [Some(1), Some(2), None]
        );
    }

    #[test]
    fn the_latest_word_counts() {
        let mut recent = Recent::new(RecentLimits { tokens: 2, bytes: 100 });
        recent.insert("a", 1);
        recent.insert("b", 1);
        recent.insert("c", 1);
        recent.insert("a", 2);
        assert_eq!(recent.find("a"), Some(2));
    }
}

//! The bindings that a configuration needs, and whether they are there.

use js_sys::Reflect;
use worker::Env;

use crate::config::Config;
use crate::endpoints::health::Condition;

/// The KV namespace that holds the revocations.
pub(super) const REVOCATIONS: &str = "REVOCATIONS";

/// Bindings by name, with their condition.
pub(super) struct Bindings(Vec<(String, Condition)>);

impl Bindings {
    /// Those that this configuration needs.
    pub(super) fn of(config: &Config, env: &Env) -> Self {
        let directories = config.routes.iter().filter_map(|route| route.user_directory.as_deref());
        let mut bindings: Vec<(String, Condition)> = Vec::new();
        for name in std::iter::once(REVOCATIONS).chain(directories) {
            if bindings.iter().all(|(own, _)| own != name) {
                bindings.push((name.to_owned(), condition(env, name)));
            }
        }
        Self(bindings)
    }

    pub(super) fn conditions(&self) -> &[(String, Condition)] {
        &self.0
    }
}

fn condition(env: &Env, name: &str) -> Condition {
    match Reflect::get(env.as_ref(), &name.into()) {
        Ok(binding) if binding.is_object() => Condition::Ok,
        _ => Condition::Missing,
    }
}

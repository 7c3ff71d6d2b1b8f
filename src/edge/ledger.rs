//! The way to the ledger's shards.

use std::time::Duration;

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use worker::Env;

use super::glue;
use super::pause::Awaited;
use super::platform::milliseconds;
use crate::ports::LedgerError;

/// The answer of a shard.
pub(super) async fn ask(env: &Env, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError> {
    let asked = Awaited::kept(glue::ledger_ask(env, &name(shard), call, milliseconds(limit)));
    let answer = asked.await.map_err(|error| {
        let message = Reflect::get(&error, &"message".into()).ok().and_then(|message| message.as_string());
        match message.as_deref() {
            Some("absent") => LedgerError::Absent,
            Some("late") => LedgerError::TimedOut,
            Some("overloaded") => LedgerError::Overloaded,
            Some("retryable") => LedgerError::Retryable,
            _ => LedgerError::Failed,
        }
    })?;
    answer.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).ok_or(LedgerError::Failed)
}

/// A name that only this deployment's ledger has: its first shard's id.
pub(super) fn id(env: &Env) -> Option<String> {
    glue::ledger_id(env, &name(0)).ok().flatten()
}

fn name(shard: u32) -> String {
    format!("shard-{shard}")
}

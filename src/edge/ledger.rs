//! Calls to the shards of the ledger, which are Durable Objects.

use std::time::Duration;

use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::JsCast;
use worker::Env;

use super::clock::milliseconds;
use super::glue;
use super::pause::Awaited;
use crate::ports::LedgerError;

/// Calls a shard.
pub(super) async fn ask(env: &Env, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError> {
    let asked = Awaited::new(glue::ledger_ask(env, &name(shard), call, milliseconds(limit)));
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

/// An id that is unique to this deployment's ledger: that of shard 0.
pub(super) fn id(env: &Env) -> Option<String> {
    glue::ledger_id(env, &name(0)).ok().flatten()
}

fn name(shard: u32) -> String {
    format!("shard-{shard}")
}

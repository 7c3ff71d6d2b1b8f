//! The Worker's `fetch` handler.

use std::cell::OnceCell;
use std::pin::Pin;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::Context;

use super::environment::parse;
use super::forward::forward;
use super::pause::{Paused, Polled, Settled, poll};
use super::platform::EdgePlatform;
use super::request::EdgeRequest;
use super::response::to_response;
use super::{glue, promise};
use crate::json::Object;
use crate::service::{Answer, Service, answer_misconfigured};

thread_local! {
    /// The service of this isolate, created by the first request; `None` if the configuration is invalid.
    static SERVICE: OnceCell<Option<Rc<Service>>> = const { OnceCell::new() };
    /// Requests that wait for a single promise.
    static PAUSED: Paused<ActiveRequest> = const { Paused::new() };
}

/// Handles a request. Returns one of:
///
/// - the `Response`, if it needs no I/O, which avoids the cost of a promise
/// - a `Promise` of the response
/// - `{ promise, ticket }`: call [`resume`] with the ticket when the promise is settled
/// - a function that sends the request to the upstream and returns a promise of its response
///
/// `is_internal`: the request came through the entrypoint `Internal`.
///
/// # Errors
/// The runtime's error when the response cannot be constructed.
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env, context: Context, is_internal: bool) -> Result<JsValue, JsValue> {
    let request = EdgeRequest::new(request, is_internal);
    let Some(service) = service(&env) else {
        let answer = answer_misconfigured(&request);
        glue::log(&answer.log.text());
        return to_response(&answer.reply);
    };
    let context = Rc::new(context);
    let must_finish = service.must_finish(&request);
    let future: AnswerFuture = Box::pin(decide(service, request, EdgePlatform { env }));
    advance(ActiveRequest { future, context, must_finish }, None)
}

/// Continues a paused request with the value of its promise. Returns the same as [`fetch`].
///
/// # Errors
/// Those of [`fetch`], and an unknown ticket.
#[wasm_bindgen]
pub fn resume(ticket: u32, value: JsValue, is_fulfilled: bool) -> Result<JsValue, JsValue> {
    let request = PAUSED.with(|paused| paused.take(ticket)).ok_or("the request was given up")?;
    advance(request, Some(if is_fulfilled { Ok(value) } else { Err(value) }))
}

/// A request in progress.
struct ActiveRequest {
    future: AnswerFuture,
    context: Rc<Context>,
    /// Whether to finish it even if the client disconnects. Otherwise the runtime could cancel it during a write.
    must_finish: bool,
}

fn advance(request: ActiveRequest, settled: Option<Settled>) -> Result<JsValue, JsValue> {
    let ActiveRequest { future, context, must_finish } = request;
    match poll(future, settled) {
        Polled::Ready(decision) => reply(decision, &context),
        Polled::Paused { future, promise, keeps_alive } => {
            if must_finish || keeps_alive {
                glue::keep(&context, &promise);
            }
            let request = ActiveRequest { future, context, must_finish };
            Ok(glue::pause(&promise, PAUSED.with(|paused| paused.keep(request))))
        }
        Polled::Pending(future) => finish(future, context),
    }
}

/// The answer to a request, with what is needed to send it.
struct Decision {
    answer: Answer,
    service: Rc<Service>,
    request: EdgeRequest,
    platform: EdgePlatform,
}

type AnswerFuture = Pin<Box<dyn Future<Output = Decision>>>;

async fn decide(service: Rc<Service>, request: EdgeRequest, platform: EdgePlatform) -> Decision {
    let answer = service.answer(&request, &platform).await;
    log(&answer);
    Decision { answer, service, request, platform }
}

/// The response, or the function that sends the request to the upstream. Schedules background work with `waitUntil`.
fn reply(decision: Decision, context: &Context) -> Result<JsValue, JsValue> {
    let Decision { answer, service, request, platform } = decision;
    let response = match &answer.forward {
        None => to_response(&answer.reply)?,
        Some(forwarded) => forward(&request, forwarded, &answer, &platform.env),
    };
    if service.wants_refresh(&platform) {
        context.wait_until(&promise(async move {
            service.refresh(&platform).await;
            Ok(JsValue::UNDEFINED)
        }))?;
    }
    Ok(response)
}

/// Finishes a request on the executor, even if the client disconnects: other requests may wait for its sync. Only the
/// request to a guard's upstream is canceled with the client.
fn finish(future: AnswerFuture, context: Rc<Context>) -> Result<JsValue, JsValue> {
    let own = Rc::clone(&context);
    let decision = promise(async move { reply(future.await, &context) });
    own.wait_until(&decision)?;
    Ok(glue::and_upstream(&decision).into())
}

fn log(answer: &Answer) {
    if answer.is_worth_logging() {
        glue::log(&answer.log.text());
    }
}

/// The isolate's service. The first request parses the configuration; `None` if that is invalid.
fn service(env: &Env) -> Option<Rc<Service>> {
    SERVICE.with(|service| service.get_or_init(|| load(env)).clone())
}

fn load(env: &Env) -> Option<Rc<Service>> {
    match parse(env) {
        Ok(config) => {
            if config.storage.ledger.is_none() {
                let reason = "nothing is bound as LEDGER: revocations are kept in Workers KV alone";
                glue::warn(&Object::new().text("event", "ledger_absent").text("reason", reason).finish());
            }
            Some(Rc::new(Service::new(config)))
        }
        Err(refusals) => {
            for refusal in refusals.0 {
                let line = Object::new().text("event", "misconfigured").text("setting", &refusal.to_string());
                glue::error(&line.finish());
            }
            None
        }
    }
}

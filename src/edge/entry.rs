//! The Worker's entry: a request in, a response out, one log line.

use std::cell::OnceCell;
use std::rc::Rc;

use futures_channel::oneshot;
use worker::{Context, Env, event};

use super::environment::{WorkerEnvironment, configuration_json};
use super::forward::forward;
use super::platform::EdgePlatform;
use super::request::EdgeRequest;
use super::response::to_response;
use crate::config::Config;
use crate::log::LogLine;
use crate::service::{Answer, Service, answer_misconfigured};

thread_local! {
    /// The service of this isolate, once a request has come; nothing in it when the configuration was refused.
    static SERVICE: OnceCell<Option<Rc<Service>>> = const { OnceCell::new() };
}

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let request = EdgeRequest::new(request);
    let Some(service) = service(&env) else {
        let answer = answer_misconfigured(&request);
        log(&answer);
        return to_response(&answer.reply).map_err(worker::Error::from);
    };
    if !service.must_finish(&request) {
        let answer = answer(&service, &request, &env).await;
        refresh(&service, &env, &context);
        return respond(&request, answer, &env).await;
    }
    // A client that goes away takes its own request down with it, but not what is waited for here.
    let (sender, answered) = oneshot::channel();
    context.wait_until(async move {
        // The receiver is gone when the client is: nobody is left to be answered.
        let _ = sender.send(answer(&service, &request, &env).await);
    });
    match answered.await {
        Ok(answer) => to_response(&answer.reply).map_err(worker::Error::from),
        Err(oneshot::Canceled) => Err(worker::Error::RustError("the request was dropped".to_owned())),
    }
}

async fn answer(service: &Service, request: &EdgeRequest, env: &Env) -> Answer {
    let answer = service.answer(request, &EdgePlatform::new(env)).await;
    if answer.is_worth_logging() {
        log(&answer);
    }
    answer
}

/// Hears the ledger's feed behind the answer, so that no check has to wait for it.
fn refresh(service: &Rc<Service>, env: &Env, context: &Context) {
    let platform = EdgePlatform::new(env);
    if service.wants_refresh(&platform) {
        let service = Rc::clone(service);
        context.wait_until(async move { service.refresh(&platform).await });
    }
}

fn log(answer: &Answer) {
    log_line(&answer.log);
}

fn log_line(line: &LogLine) {
    if let Ok(line) = serde_json::to_string(line) {
        worker::console_log!("{line}");
    }
}

async fn respond(request: &EdgeRequest, answer: Answer, env: &Env) -> worker::Result<web_sys::Response> {
    if let Some(forwarded) = &answer.forward {
        match forward(request.raw(), forwarded, env).await {
            Ok(response) => return Ok(response),
            // Nothing of the error: it may hold whatever the upstream was asked.
            Err(_) => log_upstream_failed(&answer),
        }
    }
    to_response(&answer.reply).map_err(worker::Error::from)
}

fn log_upstream_failed(answer: &Answer) {
    let line = LogLine {
        status: Some(answer.reply.status),
        outcome: "failed",
        reason: Some("upstream_failed"),
        ..answer.log.clone()
    };
    log_line(&line);
}

/// The isolate's service; parsed at the first request, and all or nothing.
fn service(env: &Env) -> Option<Rc<Service>> {
    SERVICE.with(|service| service.get_or_init(|| load(env)).clone())
}

fn load(env: &Env) -> Option<Rc<Service>> {
    let parsed = configuration_json(env).and_then(|json| Config::parse(&json, &WorkerEnvironment(env)));
    match parsed {
        Ok(config) => {
            if config.storage.ledger.is_none() {
                let reason = "nothing is bound as LEDGER: revocations are kept in Workers KV alone";
                worker::console_warn!("{}", serde_json::json!({ "event": "ledger_absent", "reason": reason }));
            }
            Some(Rc::new(Service::new(config)))
        }
        Err(refusals) => {
            for refusal in refusals.0 {
                let line = serde_json::json!({ "event": "misconfigured", "setting": refusal.to_string() });
                worker::console_error!("{line}");
            }
            None
        }
    }
}

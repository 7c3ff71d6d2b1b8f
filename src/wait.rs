//! Waiting: for some time at most, and for several futures at once.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, LocalBoxFuture, select};

use crate::ports::Clock;

/// What a future gives, or nothing when the limit has passed first.
pub async fn within<P: Clock, T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(P::sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// What several futures give, in their order, all waited for at the same time.
///
/// Whenever one of them wakes, all that are not done are polled. That is little for the few calls that a request makes
/// at once, and spares the queue of `futures_util`'s `join_all`, 5 KB of wasm for every kind of future.
pub async fn all<T>(mut futures: Vec<LocalBoxFuture<'_, T>>) -> Vec<T> {
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs).filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                *output = Some(done);
            }
        }
        if outputs.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// The first of several futures to end, which is taken out of the list. The list is not empty.
pub async fn first<T>(futures: &mut Vec<LocalBoxFuture<'_, T>>) -> T {
    poll_fn(|context| {
        for place in 0..futures.len() {
            let Some(future) = futures.get_mut(place) else { break };
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                drop(futures.swap_remove(place));
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    })
    .await
}

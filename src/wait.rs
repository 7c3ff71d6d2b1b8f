//! Timeouts, and waiting for several futures.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{Either, LocalBoxFuture, select};

use crate::ports::Clock;

/// Waits for a future with a timeout; `None` when it expires first.
pub async fn within<P: Clock, T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    match select(pin!(future), pin!(P::sleep(limit))).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

/// Runs several futures concurrently and returns their outputs in order.
///
/// Each wake-up polls all incomplete futures, which is fine for a few of them. It needs less code than `join_all`,
/// which is compiled for every type of future.
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

/// Waits for the first of several futures, removes it from the list and returns its output. The list must not be empty.
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

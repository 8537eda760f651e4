//! The time until which a query may run.

use std::time::Duration;

use tokio::time::Instant;

use crate::Error;

/// tokio's timer rounds up to whole milliseconds, so it is set this much earlier.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    timeout: Duration,
}

impl Deadline {
    /// A deadline after `timeout` from now.
    pub(crate) fn after(timeout: Duration) -> Self {
        let timer = timeout.checked_sub(TIMER_RESOLUTION).filter(|timer| !timer.is_zero());
        Self { at: Instant::now() + timer.unwrap_or(timeout), timeout }
    }

    /// Runs a query until the deadline.
    ///
    /// The error is [`Error::Timeout`] also if a shorter timer inside the query, such as that of a socket, ended it.
    pub(crate) async fn run<T>(
        self,
        query: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout_at(self.at, query).await {
            Err(_) => Err(Error::Timeout(self.timeout)),
            Ok(Err(Error::Redis(error))) if error.is_timeout() => Err(Error::Timeout(self.timeout)),
            Ok(result) => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;
    use std::time::Duration;

    use redis::RedisError;
    use tokio::time::{Instant, sleep};

    use super::Deadline;
    use crate::Error;

    const TIMEOUT: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn queries_end_at_the_deadline() {
        let (start, deadline) = (Instant::now(), Deadline::after(TIMEOUT));
        sleep(TIMEOUT / 2).await;
        let error = deadline.run(pending::<Result<(), _>>()).await.unwrap_err();
        assert!(matches!(error, Error::Timeout(TIMEOUT)), "{error:?}");
        assert!(start.elapsed() <= TIMEOUT);
        let error = deadline.run(pending::<Result<(), _>>()).await.unwrap_err();
        assert!(matches!(error, Error::Timeout(TIMEOUT)), "{error:?}");
        assert!(start.elapsed() <= TIMEOUT);
    }

    #[tokio::test]
    async fn the_timeout_of_a_socket_is_the_same_error() {
        let query = |kind: io::ErrorKind| {
            Deadline::after(TIMEOUT).run(async move {
                Err::<(), _>(Error::Redis(RedisError::from(io::Error::from(kind))))
            })
        };
        let error = query(io::ErrorKind::TimedOut).await.unwrap_err();
        assert!(matches!(error, Error::Timeout(TIMEOUT)), "{error:?}");
        let error = query(io::ErrorKind::ConnectionReset).await.unwrap_err();
        assert!(matches!(error, Error::Redis(_)), "{error:?}");
    }
}

//! The timeout of a query.

use std::time::Duration;

use crate::Error;

/// tokio's timer rounds up to whole milliseconds, so it is set this much earlier.
const TIMER_RESOLUTION: Duration = Duration::from_millis(1);

/// Runs a query for at most `timeout`.
///
/// The error is [`Error::Timeout`] also if a shorter timer inside the query, such as that of a socket, ended it.
pub(super) async fn with_timeout<T>(
    timeout: Duration,
    query: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let timer = timeout.checked_sub(TIMER_RESOLUTION).filter(|timer| !timer.is_zero());
    match tokio::time::timeout(timer.unwrap_or(timeout), query).await {
        Err(_) => Err(Error::Timeout(timeout)),
        Ok(Err(Error::Redis(error))) if error.is_timeout() => Err(Error::Timeout(timeout)),
        Ok(result) => result,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;
    use std::time::Duration;

    use redis::RedisError;

    use super::with_timeout;
    use crate::Error;

    const TIMEOUT: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_query_ends_after_its_timeout() {
        let error = with_timeout(TIMEOUT, pending::<Result<(), _>>()).await.unwrap_err();
        assert!(matches!(error, Error::Timeout(TIMEOUT)), "{error:?}");
    }

    #[tokio::test]
    async fn the_timeout_of_a_socket_is_the_same_error() {
        let query = |kind: io::ErrorKind| {
            with_timeout(TIMEOUT, async move {
                Err::<(), _>(Error::Redis(RedisError::from(io::Error::from(kind))))
            })
        };
        let error = query(io::ErrorKind::TimedOut).await.unwrap_err();
        assert!(matches!(error, Error::Timeout(TIMEOUT)), "{error:?}");
        let error = query(io::ErrorKind::ConnectionReset).await.unwrap_err();
        assert!(matches!(error, Error::Redis(_)), "{error:?}");
    }
}

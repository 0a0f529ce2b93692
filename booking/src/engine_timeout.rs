//! Deadlines for calls of the engine.

use std::time::Duration;

use waitingroom_engine::EngineError;

/// Longest wait for one call of the engine, unless the caller has a deadline of its own.
pub(crate) const ENGINE_CALL_TIMEOUT: Duration = Duration::from_secs(2);

/// The engine's answer, if it comes within [`ENGINE_CALL_TIMEOUT`].
///
/// # Errors
/// Those of the call; [`EngineError::Unavailable`] if there is no answer.
pub(crate) async fn with_engine_timeout<T>(
    call: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    with_timeout(ENGINE_CALL_TIMEOUT, call).await
}

/// The engine's answer, if it comes within this time.
///
/// # Errors
/// As [`with_engine_timeout`].
pub(crate) async fn with_timeout<T>(
    timeout: Duration,
    call: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let answer = tokio::time::timeout(timeout, call).await;
    answer.unwrap_or_else(|_| {
        let timeout_ms = timeout.as_millis();
        Err(EngineError::Unavailable(format!(
            "no answer in {timeout_ms} ms"
        )))
    })
}

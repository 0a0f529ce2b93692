//! The id of a request: in the span of its log lines, in its problem and in a header of its answer.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries the id, in requests and answers.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken from a client or proxy, in bytes.
const MAX_LEN: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// At most 64 ASCII letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that a proxy or client gave the request, or a new one if it has none or one of another
    /// form.
    pub fn of(headers: &HeaderMap) -> Self {
        headers
            .get(REQUEST_ID)
            .filter(|given| is_valid(given.as_bytes()))
            .map_or_else(Self::generate, |given| Self(given.clone()))
    }

    fn generate() -> Self {
        let mut text = Uuid::encode_buffer();
        let text = Uuid::now_v7().simple().encode_lower(&mut text);
        Self(HeaderValue::from_str(text).expect("hexadecimal digits"))
    }

    /// The value of the answer's header.
    pub fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Runs a request, whose problems carry this id.
    pub fn scope<T>(self, request: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(self, request)
    }

    /// The id of the request that this task is answering. Nothing outside a request.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }
}

fn is_valid(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=MAX_LEN).contains(&id.len()) && id.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(given: &[u8]) -> RequestId {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(given).unwrap());
        RequestId::of(&headers)
    }

    #[test]
    fn keeps_id_of_proxy() {
        for given in ["a", "7f3c-2_B.9", &"x".repeat(64)] {
            assert_eq!(of(given.as_bytes()).as_str(), given);
        }
    }

    #[test]
    fn replaces_id_of_another_form() {
        for given in ["", "a b", "a\"b", "x;y", &"x".repeat(65), "é"] {
            let id = of(given.as_bytes());
            assert_ne!(id.as_str(), given);
            assert_eq!(id.as_str().len(), 32);
        }
        assert_ne!(
            RequestId::of(&HeaderMap::new()),
            RequestId::of(&HeaderMap::new())
        );
    }

    #[tokio::test]
    async fn is_known_within_request_only() {
        assert_eq!(RequestId::current(), None);
        let id = RequestId::generate();
        assert_eq!(
            id.clone().scope(async { RequestId::current() }).await,
            Some(id)
        );
    }
}

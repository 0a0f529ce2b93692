//! Requests to push services (RFC 8030). They go to named services alone, over TLS, to public
//! addresses: an endpoint is what some user sent.

use std::{
    collections::HashMap,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
    vec::IntoIter,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{HttpConnector, dns::Name},
    },
    rt::{TokioExecutor, TokioTimer},
};
use parking_lot::Mutex;
use tower::Service;
use waitingroom_domain::{
    clock::Timestamp,
    push::{PushConfig, PushSubscription, VAPID_LIFETIME_SECONDS, is_public, origin},
};

use super::{
    message::{Turn, encrypt, topic},
    seconds_until,
};

/// Time limit of one request, connection included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const PUSH_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_IDLE_PER_SERVICE: usize = 32;
/// No answer of a push service is longer, and none is read.
const MAX_ANSWER_BYTES: usize = 16 * 1_024;
/// Services that are signed for at once; one name may stand for many hosts.
const MAX_SIGNATURES: usize = 256;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The service will deliver it.
    Accepted,
    /// The subscription has ended.
    Gone,
    /// Another attempt would be refused as well.
    Refused(String),
    /// Another attempt may succeed, after so long if the service says so.
    Unavailable(Option<Duration>),
}

/// A signature and when it was made.
struct Signature {
    made_at: Timestamp,
    authorization: String,
}

/// See the module's documentation.
pub(super) struct PushClient {
    config: PushConfig,
    http: Client<HttpsConnector<HttpConnector<PublicAddresses>>, Full<Bytes>>,
    /// By the service's origin.
    signatures: Mutex<HashMap<String, Signature>>,
}

impl PushClient {
    pub(super) fn new(config: PushConfig) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(PublicAddresses);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(PUSH_CONNECT_TIMEOUT));
        tcp.set_nodelay(true);

        // Plain HTTP is for the service of a test alone, which [`PushClient::send`] looks at.
        let tls = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(MAX_IDLE_PER_SERVICE)
            .build(tls);

        Self {
            config,
            http,
            signatures: Mutex::default(),
        }
    }

    /// One attempt.
    pub(super) async fn send(
        &self,
        subscription: &PushSubscription,
        turn: &Turn,
        now: Timestamp,
    ) -> Answer {
        // The gateway that took it may have known other services.
        if !self.config.services.admits(subscription) {
            return Answer::Refused("the service is not among push_services".to_owned());
        }
        let Some(request) = self.request(subscription, turn, now) else {
            return Answer::Refused("the message cannot be encrypted".to_owned());
        };

        match tokio::time::timeout(REQUEST_TIMEOUT, self.exchange(request)).await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => Answer::Unavailable(None),
        }
    }

    fn request(
        &self,
        subscription: &PushSubscription,
        turn: &Turn,
        now: Timestamp,
    ) -> Option<Request<Full<Bytes>>> {
        let uri = subscription.uri();
        let authorization = self.authorization(&uri, now)?;
        let message = encrypt(turn, subscription)?;

        Request::post(uri)
            .header(AUTHORIZATION, authorization)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_ENCODING, "aes128gcm")
            .header("ttl", seconds_until(turn.open_by, now))
            .header("urgency", "high")
            .header("topic", topic(turn, subscription))
            .body(Full::from(message))
            .ok()
    }

    /// The signature for a service, made anew in the middle of its life.
    fn authorization(&self, uri: &Uri, now: Timestamp) -> Option<String> {
        let origin = origin(uri)?;
        let mut signatures = self.signatures.lock();
        let is_fresh = |signature: &&Signature| {
            now.seconds() - signature.made_at.seconds() < VAPID_LIFETIME_SECONDS / 2
        };
        if let Some(known) = signatures.get(&origin).filter(is_fresh) {
            return Some(known.authorization.clone());
        }

        if signatures.len() >= MAX_SIGNATURES {
            signatures.clear();
        }
        let authorization = self
            .config
            .key
            .authorization(&origin, &self.config.contact, now);
        let signature = Signature {
            made_at: now,
            authorization: authorization.clone(),
        };
        signatures.insert(origin, signature);
        Some(authorization)
    }

    /// Nothing if the service cannot be reached.
    async fn exchange(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let response = self.http.request(request).await.ok()?;
        let answer = answer_of(&response);

        // A connection whose answer was read is used again.
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES);
        let _ = body.collect().await;
        Some(answer)
    }
}

fn answer_of(response: &Response<Incoming>) -> Answer {
    let status = response.status();
    match status {
        _ if status.is_success() => Answer::Accepted,
        StatusCode::NOT_FOUND | StatusCode::GONE => Answer::Gone,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Answer::Unavailable(retry_after(response))
        }
        _ if status.is_server_error() => Answer::Unavailable(retry_after(response)),
        _ => Answer::Refused(status.to_string()),
    }
}

fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(
        seconds.parse().ok().filter(|seconds| *seconds > 0)?,
    ))
}

/// Resolves names, and leaves out what is no public address. Addresses in URLs never come here;
/// [`PushServices`](waitingroom_domain::push::PushServices) admits none but a test's.
#[derive(Clone)]
struct PublicAddresses;

impl Service<Name> for PublicAddresses {
    type Response = IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(io::Error::other("the push service has no public address"));
            }
            Ok(public.into_iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_to_this_host_is_not_asked() {
        let resolved = PublicAddresses.call("localhost".parse().unwrap()).await;
        assert!(resolved.is_err());
    }
}

//! The REST interface of one process.

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use crate::{rest_response::RestResponse, visitor::Visitor, wait::with_timeout};

/// See the module's documentation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rest {
    http: Client,
    url: String,
    token: Option<String>,
}

impl Rest {
    /// A client of this process, without a token.
    pub fn new(http: &Client, url: &str) -> Self {
        Self {
            http: http.clone(),
            url: url.to_owned(),
            token: None,
        }
    }

    /// The same over another client's connections.
    #[must_use]
    pub fn through(&self, http: &Client) -> Self {
        Self {
            http: http.clone(),
            ..self.clone()
        }
    }

    /// The same as a visitor.
    #[must_use]
    pub fn by(&self, visitor: &Visitor) -> Self {
        self.with_token(&visitor.token)
    }

    /// The same with this token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// A request to this path below `/api/v1`, to be completed and passed to [`Rest::send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends it.
    pub async fn send(&self, request: RequestBuilder) -> RestResponse {
        self.attempt(request)
            .await
            .unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends it to a process that may not be there.
    ///
    /// # Errors
    /// No answer.
    pub async fn attempt(&self, request: RequestBuilder) -> Result<RestResponse, reqwest::Error> {
        let request = request.build().expect("a well-formed request");
        let asked = format!("{} {}", request.method(), request.url().path());

        with_timeout(&asked, async {
            let response = self.http.execute(request).await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await?;
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            Ok(RestResponse {
                request: asked.clone(),
                status,
                headers,
                body,
            })
        })
        .await
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> RestResponse {
        self.send(self.request(Method::GET, path)).await
    }

    /// The response at a path outside of the API: `health`, `ready`, `metrics`.
    pub async fn health(&self, path: &str) -> RestResponse {
        self.send(self.http.get(format!("{}/{path}", self.url)))
            .await
    }

    /// A counter or gauge of the process by its name, labels included; 0 if it has no value yet.
    pub async fn metric(&self, name: &str) -> f64 {
        let request = self.http.get(format!("{}/metrics", self.url));
        let Value::String(text) = self.send(request).await.expect(200) else {
            return 0.0;
        };
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or(0.0)
    }

    /// `POST` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> RestResponse {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// `PUT` with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> RestResponse {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> RestResponse {
        self.send(self.request(Method::DELETE, path)).await
    }
}

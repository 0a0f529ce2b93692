//! A client of the server-sent events of a place.

use futures_util::StreamExt;
use reqwest::{Method, Response, Url};
use serde_json::Value;

use crate::{
    rest::Rest,
    sale::Sale,
    wait::{TEST_TIMEOUT, with_timeout},
};

/// See the module's documentation.
pub struct PositionStream {
    body: futures_util::stream::BoxStream<'static, Vec<u8>>,
    read: String,
}

impl PositionStream {
    /// Opens the stream of the caller's place; the caller has joined before.
    pub async fn open(gateway: &Rest, sale: &Sale) -> Self {
        Self::wishing(gateway, sale, &[]).await
    }

    /// The same with seat preferences.
    pub async fn wishing(gateway: &Rest, sale: &Sale, wish: &[Value]) -> Self {
        let wish = [("wish", Value::from(wish).to_string())];
        let query = Url::parse_with_params("http://query", wish).expect("a URL with a query");
        let path = format!(
            "/queue/position/{}/stream?{}",
            sale.event,
            query.query().unwrap_or_default()
        );

        let request = gateway.request(Method::GET, &path);
        let request = request.header("accept", "text/event-stream");
        let response = with_timeout("a stream", request.send())
            .await
            .expect("the gateway answers");

        check(&response);
        let body = response
            .bytes_stream()
            .map(|bytes| bytes.map(|bytes| bytes.to_vec()).unwrap_or_default());

        Self {
            body: body.boxed(),
            read: String::new(),
        }
    }

    /// The next event's name and data; nothing if the stream has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((block, rest)) = self.read.split_once("\n\n") {
                let event = parse(block);
                self.read = rest.to_owned();
                if event.is_some() {
                    return event;
                }
            }
            let read = tokio::time::timeout(TEST_TIMEOUT, self.body.next())
                .await
                .expect("a stream is never silent");
            self.read += std::str::from_utf8(&read?).expect("a stream is text");
        }
    }
}

fn check(response: &Response) {
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default();

    assert_eq!(
        (response.status().as_u16(), kind),
        (200, "text/event-stream")
    );
}

/// One block of the stream; nothing for a comment.
fn parse(block: &str) -> Option<(String, Value)> {
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .map(|value| value.trim().to_owned())
    };
    let data = field("data:")?;
    let data = serde_json::from_str(&data)
        .unwrap_or_else(|error| panic!("the stream said {data}: {error}"));

    Some((
        field("event:").unwrap_or_else(|| "message".to_owned()),
        data,
    ))
}

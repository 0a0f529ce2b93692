//! What a browser is shown in place of a problem document. This is the one place that decides which
//! of the two answers a request: every answer of a listener passes it, also the refusal of a full
//! one.
//!
//! The pages need neither script nor any other file: a listener that has no room for the page has
//! none for its style either. A page that can be had a little later reloads itself, spread over some
//! seconds, so that browsers that were refused together do not return together.

mod messages;

use std::sync::LazyLock;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rand::Rng;
use sha2::{Digest, Sha256};

use self::messages::{ALL, Messages, messages};
use crate::{problem::Code, request_id::REQUEST_ID};

/// Seconds that a page waits at least before it tries again: a listener that is full for two seconds
/// is often full for five.
const MIN_PAUSE: u64 = 5;
/// Seconds over which pages that were refused at the same moment spread their next attempt.
const SPREAD: u64 = 5;
/// Seconds that a page from a file waits; a proxy that can spread them sends the header `Refresh`,
/// which browsers prefer to the page's own.
const FILE_PAUSE: u64 = 10;

const STYLE: &str = include_str!("problem_page/page.css");

/// Allows the page's own style and nothing else.
static CONTENT_SECURITY_POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
});

/// A request with which a browser opens a page.
pub(super) struct Navigation(&'static Messages);

impl Navigation {
    /// `None` for programs, and for paths that only programs use.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let headers = request.headers();
        (accepts_page(headers) && !is_interface(request.uri().path()))
            .then(|| Self(messages(headers)))
    }

    /// The same answer; if it is a problem, as a page.
    pub(super) fn page_for(&self, response: Response) -> Response {
        match response.extensions().get::<Code>() {
            Some(code) => self.problem_page(*code, response),
            None => response,
        }
    }

    fn problem_page(&self, code: Code, problem: Response) -> Response {
        let (mut parts, _) = problem.into_parts();
        let headers = &mut parts.headers;

        let page = match explanation(self.0, code) {
            Explanation::Temporary(text) => {
                let pause = pause(headers) + rand::rng().random_range(0..=SPREAD);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(pause));
                let retry = Retry {
                    seconds: pause,
                    text: self.0.retry,
                };
                let id = (code == Code::Internal).then(|| headers.get(REQUEST_ID));
                temporary(self.0, text, &retry, id.flatten())
            }
            Explanation::Final { title, hint } => last(self.0, title, hint),
        };
        let page = document(self.0, page);

        // The length of the document that the page replaces.
        headers.remove(header::CONTENT_LENGTH);
        for (name, value) in [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::VARY, "accept, accept-language"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let policy = format!("{}; frame-ancestors 'none'", *CONTENT_SECURITY_POLICY);
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }

        Response::from_parts(parts, Body::from(page.into_string()))
    }
}

/// The pages that a proxy shows while no gateway answers, one for each language, by the names of
/// their files.
pub fn unavailable_pages() -> impl Iterator<Item = (String, String)> {
    ALL.iter().map(|messages| {
        let retry = Retry {
            seconds: FILE_PAUSE,
            text: messages.retry_about,
        };
        let page = temporary(messages, messages.no_answer, &retry, None);
        let page = Page {
            policy: Some(CONTENT_SECURITY_POLICY.as_str()),
            ..page
        };

        (
            format!("unavailable.{}.html", messages.language),
            document(messages, page).into_string(),
        )
    })
}

/// Browsers name HTML when they open a page or submit a form, and in no other request.
fn accepts_page(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().any(|accepted| {
        accepted
            .to_str()
            .is_ok_and(|text| text.contains("text/html"))
    })
}

/// Paths whose answers are for programs, also in a browser's address bar.
fn is_interface(path: &str) -> bool {
    path.starts_with("/api/")
        || matches!(
            path,
            "/health" | "/ready" | "/metrics" | "/openapi.json" | "/asyncapi.json"
        )
}

/// What a visitor reads of a problem.
enum Explanation {
    /// The same request may succeed in a moment.
    Temporary(&'static str),
    Final {
        title: &'static str,
        hint: &'static str,
    },
}

fn explanation(messages: &Messages, code: Code) -> Explanation {
    match code {
        Code::Unavailable | Code::QueueFull => Explanation::Temporary(messages.crowd),
        Code::RateLimited => Explanation::Temporary(messages.crowd_of_network),
        Code::Internal => Explanation::Temporary(messages.fault),
        Code::NotFound | Code::EventNotFound => Explanation::Final {
            title: messages.not_found,
            hint: messages.not_found_hint,
        },
        _ => Explanation::Final {
            title: messages.refused,
            hint: messages.refused_hint,
        },
    }
}

/// Seconds that the problem asks for, if they are more than the least.
fn pause(headers: &HeaderMap) -> u64 {
    let asked: Option<u64> = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    asked.unwrap_or_default().max(MIN_PAUSE)
}

/// When a page tries again, and how it says so.
struct Retry {
    seconds: u64,
    text: &'static str,
}

/// The changing parts of a page.
struct Page<'a> {
    title: &'static str,
    reload: Option<u64>,
    policy: Option<&'a str>,
    body: Markup,
}

fn temporary(
    messages: &Messages,
    text: &str,
    retry: &Retry,
    id: Option<&HeaderValue>,
) -> Page<'static> {
    let seconds = retry.seconds.to_string();
    let id = id.and_then(|id| id.to_str().ok());
    let body = html! {
        div .dots aria-hidden="true" { i {} i {} i {} }
        h1 { (messages.one_moment) }
        p { (text) }
        p { (retry.text.replace("{seconds}", &seconds)) }
        p .hint { (messages.place_kept) }
        @if let Some(id) = id { p .hint { code { (id) } } }
    };

    Page {
        title: messages.one_moment,
        reload: Some(retry.seconds),
        policy: None,
        body,
    }
}

fn last(messages: &Messages, title: &'static str, hint: &str) -> Page<'static> {
    let body = html! {
        h1 { (title) }
        p { (hint) }
        p { a .button href="/" { (messages.events) } }
    };

    Page {
        title,
        reload: None,
        policy: None,
        body,
    }
}

fn document(messages: &Messages, page: Page<'_>) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(messages.language) {
            head {
                meta charset="utf-8";
                @if let Some(policy) = page.policy { meta http-equiv="Content-Security-Policy" content=(policy); }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (page.title) }
                link rel="icon" href="data:,"; // else browsers ask for another file
                @if let Some(seconds) = page.reload { meta http-equiv="refresh" content=(seconds); }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (page.body) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::{body::to_bytes, response::IntoResponse};

    use super::*;
    use crate::problem::Problem;

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    fn navigation(path: &str, accept: &str, language: &str) -> Option<Navigation> {
        let request = Request::get(path)
            .header("accept", accept)
            .header("accept-language", language);
        Navigation::of(&request.body(()).unwrap())
    }

    async fn shown(path: &str, language: &str, problem: Problem) -> (Response, String) {
        let navigation = navigation(path, BROWSER, language).unwrap();
        let response = navigation.page_for(problem.into_response());
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 100_000).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (Response::from_parts(parts, Body::empty()), text)
    }

    #[test]
    fn leaves_documents_to_programs() {
        for (path, accept, is_page) in [
            ("/", BROWSER, true),
            ("/e/1/join", BROWSER, true),
            ("/", "*/*", false),
            ("/", "application/json", false),
            ("/api/v1/events", BROWSER, false),
            ("/health", BROWSER, false),
            ("/metrics", BROWSER, false),
        ] {
            let found = navigation(path, accept, "en").is_some();
            assert_eq!(found, is_page, "{path} {accept}");
        }

        let answer = navigation("/", BROWSER, "en")
            .unwrap()
            .page_for("hello".into_response());
        assert!(!answer.headers().contains_key("content-security-policy"));
    }

    #[tokio::test]
    async fn page_retries_as_late_as_its_header() {
        let mut pauses = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let problem = Problem::unavailable("full", Duration::from_secs(2));
            let (response, text) = shown("/e/1", "en", problem).await;
            assert_eq!(response.status(), 503);
            let seconds = response.headers()["retry-after"].to_str().unwrap();
            for words in [
                format!("http-equiv=\"refresh\" content=\"{seconds}\""),
                format!("in {seconds}\u{a0}s"),
                "Very many people".to_owned(),
            ] {
                assert!(text.contains(&words), "{words}: {text}");
            }
            pauses.insert(seconds.parse::<u64>().unwrap());
        }

        assert!(pauses.len() > 3, "{pauses:?}");
        let (least, greatest) = (pauses.first().unwrap(), pauses.last().unwrap());
        assert!(
            *least >= MIN_PAUSE && *greatest <= MIN_PAUSE + SPREAD,
            "{pauses:?}"
        );
    }

    #[tokio::test]
    async fn page_fits_problem_and_language() {
        let problem = |code| Problem::new(code, "internals stay here");
        for (code, language, words, reloads) in [
            (Code::NotFound, "th-TH,en;q=0.5", "ไม่พบหน้านี้", false),
            (Code::EventNotFound, "en", "There is no page here", false),
            (Code::RateLimited, "de,th;q=0.3", "เครือข่ายเดียวกับคุณ", true),
            (Code::Internal, "de", "on our side", true),
            (Code::QueueFull, "", "Very many people", true),
            (Code::MethodNotAllowed, "en", "This did not work", false),
        ] {
            let (response, text) = shown("/nowhere", language, problem(code)).await;
            assert_eq!(response.status(), code.status());
            assert_eq!(
                response.headers()["content-type"],
                "text/html; charset=utf-8"
            );
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(text.contains(words), "{code:?}: {text}");
            assert_eq!(text.contains("http-equiv=\"refresh\""), reloads, "{code:?}");
            assert_eq!(
                response.headers().contains_key("retry-after"),
                reloads,
                "{code:?}"
            );
            assert!(!text.contains("internals"), "{text}");
        }
    }

    #[test]
    fn files_are_whole_without_server() {
        let pages: Vec<_> = unavailable_pages().collect();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["unavailable.en.html", "unavailable.th.html"]);

        for (name, text) in &pages {
            assert!(
                text.contains("http-equiv=\"refresh\" content=\"10\""),
                "{name}"
            );
            assert!(
                text.contains("http-equiv=\"Content-Security-Policy\""),
                "{name}"
            );
            for other_file in ["src=", "href=\"/", "url(", "@import", "<script"] {
                assert!(!text.contains(other_file), "{name}: {other_file}");
            }
        }
    }

    #[test]
    fn texts_have_their_placeholders() {
        for messages in &ALL {
            for text in [messages.retry, messages.retry_about] {
                assert_eq!(text.matches("{seconds}").count(), 1, "{text}");
            }
        }
    }
}

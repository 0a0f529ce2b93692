//! The language of a page that the server itself writes.

use axum::http::{HeaderMap, header};

/// The first language of `Accept-Language` that is among `known`; browsers send them best first.
/// `tag` gives the primary tag of one that is known, in lower case.
pub fn preferred_language<'a, T>(
    headers: &HeaderMap,
    known: &'a [T],
    tag: impl Fn(&T) -> &str,
) -> Option<&'a T> {
    let accepted = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();

    accepted.split(',').find_map(|wanted| {
        let primary = wanted.trim().split(['-', ';']).next().unwrap_or_default();
        known
            .iter()
            .find(|one| tag(one).eq_ignore_ascii_case(primary))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn picks_first_known_language() {
        for (accepted, language) in [
            ("th-TH,th;q=0.9,en;q=0.8", Some("th")),
            ("de-DE,en-GB;q=0.9,th;q=0.8", Some("en")),
            ("de", None),
            ("", None),
            ("TH", Some("th")),
        ] {
            let value = HeaderValue::from_static(accepted);
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, value)]);
            let found = preferred_language(&headers, &["en", "th"], |one| one);
            assert_eq!(found.copied(), language, "{accepted}");
        }
    }
}

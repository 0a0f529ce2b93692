//! Does a browser's request come from a page of this host? A page of another site can submit a form
//! to this host, with its cookies if it is a sibling.

use axum::http::{HeaderMap, header};

/// False if the browser says that another site's page has made the request. Programs send neither
/// header and are trusted: their rights depend on their tokens.
///
/// `Sec-Fetch-Site` decides if it is present: no page can write it. Browsers omit it on plain HTTP;
/// then the name in `Origin` must be the requested one. Ports are not compared: a proxy may use
/// another one, and cookies ignore them too.
pub(crate) fn is_same_origin(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }

    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };

    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host_name(host));
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .map(host_name);
    match (origin, host) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        _ => false,
    }
}

/// `name:port` without the port.
pub(crate) fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn rejects_pages_of_other_sites() {
        let ours = |headers: &[(&'static str, &'static str)]| {
            let pairs = headers.iter().map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            is_same_origin(&pairs.collect())
        };

        for headers in [
            vec![],
            vec![("host", "tickets.example")],
            vec![
                ("host", "tickets.example"),
                ("origin", "https://tickets.example"),
            ],
            vec![
                ("host", "tickets.example:8080"),
                ("origin", "http://Tickets.example"),
            ],
            vec![("host", "[::1]:8080"), ("origin", "http://[::1]:8080")],
            vec![
                ("host", "upstream"),
                ("origin", "null"),
                ("sec-fetch-site", "same-origin"),
            ],
        ] {
            assert!(ours(&headers), "{headers:?}");
        }

        for headers in [
            vec![
                ("host", "tickets.example"),
                ("origin", "https://blog.example"),
            ],
            vec![
                ("host", "tickets.example"),
                ("origin", "https://blog.tickets.example"),
            ],
            vec![("host", "tickets.example"), ("origin", "null")],
            vec![("origin", "https://tickets.example")],
            vec![
                ("host", "tickets.example"),
                ("origin", "https://tickets.example"),
                ("sec-fetch-site", "same-site"),
            ],
            vec![
                ("host", "tickets.example"),
                ("sec-fetch-site", "cross-site"),
            ],
        ] {
            assert!(!ours(&headers), "{headers:?}");
        }
    }
}

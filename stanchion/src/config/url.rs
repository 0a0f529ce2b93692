//! The address of a server with its password, which is never displayed.

use std::{fmt, ops::Deref};

use serde::Deserialize;

/// A URL, or a list of them. Its display leaves out users, passwords and the query, which can hold a
/// password too. The forms that servers take are no URLs of one standard: a Redis Cluster and NATS
/// have lists of hosts with ports, and NATS hosts without a scheme.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ServerUrl(String);

impl From<String> for ServerUrl {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl Deref for ServerUrl {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self.0.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), &*self.0),
        };

        // A password that is not percent-encoded may hold any of these characters: the last @
        // decides, before the query is looked for.
        let (user, server) = match rest.rsplit_once('@') {
            Some((_, server)) => ("…@", server),
            None => ("", rest),
        };
        let (server, query) = match server.split_once('?') {
            Some((server, _)) => (server, "?…"),
            None => (server, ""),
        };
        write!(f, "{scheme}{user}{server}{query}")
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

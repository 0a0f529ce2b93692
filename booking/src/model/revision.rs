//! Revisions of what operators change, so that one operator does not overwrite another unseen.

use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// Bytes of the digest: values that differ have different revisions.
const DIGEST_BYTES: usize = 8;

/// Identifies a value by its content; the entity tag of HTTP without its quotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$", examples("5f2b81c09a7e4d36"))]
pub struct Revision(String);

impl Revision {
    /// The revision of a value.
    pub fn of(value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value).expect("the value has only text keys");
        let digest = Sha256::digest(json);
        Self(
            digest
                .iter()
                .take(DIGEST_BYTES)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The condition of a change: what the caller has seen must still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// None: the change is made in any case.
    None,
    /// The value has one of these revisions.
    AnyOf(Vec<String>),
}

impl Precondition {
    /// Parses `If-Match` (RFC 9110, 13.1.1): `*`, or entity tags in quotes, separated by commas.
    /// A weak tag never matches. `None` if the text is neither.
    pub fn parse(if_match: &str) -> Option<Self> {
        if if_match.trim() == "*" {
            return Some(Self::None);
        }
        if_match
            .split(',')
            .map(|tag| {
                let tag = tag.trim();
                let opaque = tag.strip_prefix("W/").unwrap_or(tag);
                opaque.strip_prefix('"')?.strip_suffix('"')?;
                Some(tag.trim_matches('"').to_owned())
            })
            .collect::<Option<Vec<_>>>()
            .map(Self::AnyOf)
    }

    /// May a value of this revision be changed?
    pub fn holds(&self, current: &Revision) -> bool {
        match self {
            Self::None => true,
            Self::AnyOf(revisions) => revisions.iter().any(|one| one == current.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revision_follows_content() {
        let [one, same, other] = ["a", "a", "b"].map(|text| Revision::of(&text));
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 2 * DIGEST_BYTES);
    }

    #[test]
    fn parses_if_match_as_http_defines_it() {
        let current = Revision::of(&"a");
        let tag = current.as_str();
        let holds = |text: &str| Precondition::parse(text).map(|wanted| wanted.holds(&current));

        assert_eq!(holds("*"), Some(true));
        assert_eq!(holds(&format!("\"{tag}\"")), Some(true));
        assert_eq!(holds(&format!("\"x\" , \"{tag}\"")), Some(true));
        assert_eq!(holds("\"x\""), Some(false));
        assert_eq!(holds(&format!("W/\"{tag}\"")), Some(false), "weak");
        for malformed in ["", "x", tag, "\"x\", y", "\""] {
            assert_eq!(holds(malformed), None, "{malformed:?}");
        }
    }
}

//! How an event's pages look: a logo, a picture, two colours and a greeting, all of which may be
//! missing.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};
use waitingroom_domain::{queue::InvalidSetting, schema::openapi_schema};

/// Longest image, as the text of its `data:` URL.
const MAX_IMAGE: usize = 48 * 1024;
/// Longest path of an image.
const MAX_PATH: usize = 512;
/// Longest greeting, in characters.
const MAX_MESSAGE: usize = 280;
/// What an image may be: no SVG, which is a document of its own.
const IMAGE_TYPES: [&str; 3] = ["png", "jpeg", "webp"];

/// The appearance of an event's pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Appearance {
    /// An image: `data:image/png`, `jpeg` or `webp` in base64 of at most 48 KiB, or a path of at
    /// most 512 characters on this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 49152)]
    pub logo: Option<String>,
    /// The event's picture, in the same forms; shown 16 wide by 9 high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 49152)]
    pub picture: Option<String>,
    /// The colour of buttons and links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^#[0-9a-fA-F]{6}$")]
    pub accent: Option<String>,
    /// The background colour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^#[0-9a-fA-F]{6}$")]
    pub background: Option<String>,
    /// A greeting, as plain text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_length = 280)]
    pub message: Option<String>,
}

/// A change of the appearance. Absent fields stay, an empty text removes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppearancePatch {
    /// An image: `data:image/png`, `jpeg` or `webp` in base64 of at most 48 KiB, or a path of at
    /// most 512 characters on this site.
    #[schema(schema_with = image_schema)]
    pub logo: Option<String>,
    /// The event's picture, in the same forms; shown 16 wide by 9 high.
    #[schema(schema_with = image_schema)]
    pub picture: Option<String>,
    /// The colour of buttons and links, as `#rrggbb`.
    #[schema(pattern = "^(#[0-9a-fA-F]{6})?$")]
    pub accent: Option<String>,
    /// The background colour, as `#rrggbb`.
    #[schema(pattern = "^(#[0-9a-fA-F]{6})?$")]
    pub background: Option<String>,
    /// A greeting, as plain text.
    #[schema(max_length = 280, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    pub message: Option<String>,
}

fn image_schema() -> RefOr<Schema> {
    openapi_schema(json!({
        "type": ["string", "null"],
        "maxLength": MAX_IMAGE,
        "anyOf": [
            { "maxLength": 0 },
            { "maxLength": MAX_PATH, "pattern": r"^/([!-.0-\[\]-~][!-\[\]-~]*)?$" },
            { "pattern": "^data:image/(png|jpeg|webp);base64,(([A-Za-z0-9+/]{4})+([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?|[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$" },
        ],
        "description": "An image: `data:image/png`, `jpeg` or `webp` in base64 of at most 48 KiB, or a path of at most 512 characters on this site.",
    }))
}

impl Appearance {
    /// Nothing of it is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// This appearance with the patch applied.
    ///
    /// # Errors
    /// The first trait that may not be as it is given; nothing is changed then.
    pub fn with(&self, patch: &AppearancePatch) -> Result<Self, InvalidSetting> {
        patch.check()?;
        Ok(Self {
            logo: changed(&self.logo, &patch.logo),
            picture: changed(&self.picture, &patch.picture),
            accent: changed(&self.accent, &patch.accent),
            background: changed(&self.background, &patch.background),
            message: changed(&self.message, &patch.message),
        })
    }
}

fn changed(before: &Option<String>, patch: &Option<String>) -> Option<String> {
    match patch {
        Some(text) if text.is_empty() => None,
        Some(text) => Some(text.clone()),
        None => before.clone(),
    }
}

impl AppearancePatch {
    fn check(&self) -> Result<(), InvalidSetting> {
        let image =
            "data:image/png, jpeg or webp in base64 of at most 48 KiB, or a path on this site";
        check("logo", image, &self.logo, is_image)?;
        check("picture", image, &self.picture, is_image)?;
        check("accent", "a colour as #rrggbb", &self.accent, is_colour)?;
        check(
            "background",
            "a colour as #rrggbb",
            &self.background,
            is_colour,
        )?;

        check(
            "message",
            "at most 280 characters of plain text",
            &self.message,
            is_message,
        )
    }
}

fn check(
    field: &'static str,
    range: &'static str,
    value: &Option<String>,
    holds: fn(&str) -> bool,
) -> Result<(), InvalidSetting> {
    let fits = value
        .as_deref()
        .is_none_or(|text| text.is_empty() || holds(text));
    if fits {
        Ok(())
    } else {
        Err(InvalidSetting {
            field,
            range: range.into(),
        })
    }
}

fn is_colour(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

fn is_message(text: &str) -> bool {
    text.chars().count() <= MAX_MESSAGE && !text.chars().any(char::is_control)
}

fn is_image(text: &str) -> bool {
    is_own_path(text) || is_image_data_url(text)
}

/// `//host` and `/\host` would leave the site.
fn is_own_path(text: &str) -> bool {
    let plain = |character: char| character.is_ascii_graphic() && character != '\\';
    text.starts_with('/')
        && !text.starts_with("//")
        && text.len() <= MAX_PATH
        && text.chars().all(plain)
}

fn is_image_data_url(text: &str) -> bool {
    let Some((kind, data)) = text
        .strip_prefix("data:image/")
        .and_then(|rest| rest.split_once(";base64,"))
    else {
        return false;
    };

    text.len() <= MAX_IMAGE
        && IMAGE_TYPES.contains(&kind)
        && !data.is_empty()
        && BASE64_STANDARD.decode(data).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(field: &str, value: &str) -> AppearancePatch {
        serde_json::from_value(serde_json::json!({ field: value })).unwrap()
    }

    #[test]
    fn patch_changes_named_fields_only() {
        let before = Appearance::default()
            .with(&patch("accent", "#12abEF"))
            .unwrap();
        let after = before.with(&patch("message", "Welcome")).unwrap();

        assert_eq!(
            (after.accent.as_deref(), after.message.as_deref()),
            (Some("#12abEF"), Some("Welcome"))
        );
        assert!(
            after
                .with(&patch("accent", ""))
                .unwrap()
                .with(&patch("message", ""))
                .unwrap()
                .is_default()
        );
    }

    #[test]
    fn logos_and_pictures_are_images_or_own_paths() {
        for good in [
            "/logo.svg",
            "/a/b.png?v=1",
            "data:image/png;base64,iVBORw0KGgo=",
            "data:image/webp;base64,AAAA",
        ] {
            for field in ["logo", "picture"] {
                assert!(
                    Appearance::default().with(&patch(field, good)).is_ok(),
                    "{field} {good}"
                );
            }
        }

        let long = format!("data:image/png;base64,{}", "A".repeat(MAX_IMAGE));
        for bad in [
            "https://example.org/logo.png",
            "//example.org/logo.png",
            "/\\example.org",
            "/a b",
            "data:image/svg+xml;base64,AAAA",
            "data:image/png;base64,not base64",
            "data:image/png;base64,",
            "data:text/html;base64,AAAA",
            "javascript:alert(1)",
            &long,
        ] {
            for field in ["logo", "picture"] {
                let refused = Appearance::default().with(&patch(field, bad)).unwrap_err();
                assert_eq!(refused.field, field, "{bad:.40}");
            }
        }
    }

    #[test]
    fn validates_colours_and_messages() {
        for bad in ["red", "#fff", "#12345g", "#1234567", "123456", "#12345６"] {
            assert_eq!(
                Appearance::default()
                    .with(&patch("accent", bad))
                    .unwrap_err()
                    .field,
                "accent",
                "{bad}"
            );
            assert_eq!(
                Appearance::default()
                    .with(&patch("background", bad))
                    .unwrap_err()
                    .field,
                "background",
                "{bad}"
            );
        }

        assert!(
            Appearance::default()
                .with(&patch("message", &"ก".repeat(280)))
                .is_ok()
        );

        for bad in ["x".repeat(281), "a\u{0}b".into(), "a\nb".into()] {
            assert_eq!(
                Appearance::default()
                    .with(&patch("message", &bad))
                    .unwrap_err()
                    .field,
                "message"
            );
        }
    }
}
